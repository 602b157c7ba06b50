"""Picture files of any common format to upright RGB in sRGB. Error messages are worded to follow the file's name."""

from __future__ import annotations

import io
import math
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from stylegan_cli.errors import StyleganError
from stylegan_cli.pillow import BROKEN_PICTURE, in_words, learn_heif

# Not everything that Pillow opens: some formats run other programs (EPS), others are not photos or drawings.
FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "BMP", "GIF", "TIFF", "PPM", "JPEG2000", "TGA", "AVIF", "HEIF")
MAX_PIXELS = 89_478_485  # Pillow considers more an attack
MAX_BYTES = 1 << 28  # of a file
STRIP = 256  # rows converted at once
PAPER = "white"  # behind transparent pictures


class UnusableError(StyleganError):
    """One picture cannot be used; the message is worded to follow its name: "is encrypted"."""


def too_large(size: int, most: int = MAX_BYTES) -> str | None:
    """Why a file of this many bytes (when unpacked) is not read; None if it may be."""
    if size <= most:
        return None
    return f"has {math.ceil(size / 2**20):,} MiB, more than the limit of {most >> 20:,}"


def decode(content: bytes, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """The first picture in a file: upright, RGB, converted to sRGB, on white where it is transparent.

    Raises `UnusableError`. Pillow opens nothing with more than twice MAX_PIXELS, whatever `max_pixels` is.
    """
    try:
        image = _opened(content)
        if image.width * image.height > max_pixels:
            raise UnusableError(f"has {image.width} x {image.height} pixels, which is too many")
        if image.format == "PNG":
            image.verify()  # by checksums: decoding alone would accept the zeros in a half-written file as pixels
            image = _opened(content)
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
    except (UnusableError, MemoryError):
        raise
    except UnidentifiedImageError:
        raise UnusableError("is not a picture of a known format") from None
    except Image.DecompressionBombError:
        raise UnusableError(f"has more than {2 * MAX_PIXELS:,} pixels, which is too many") from None
    except BROKEN_PICTURE as error:
        raise UnusableError(f"is damaged ({in_words(error)})") from None
    upright = _to_rgb(image)
    upright.info = {}  # Pillow would write some of it into other files
    return upright


def exif(content: bytes) -> bytes:
    """The EXIF data in a picture file that can be decoded, as it is there, in TIFF's format; empty if there is none."""
    with _opened(content) as image:
        if image.format == "TIFF":
            return content
        if image.format == "PNG":
            image.load()  # it may come after the pixels
        found = image.info.get("exif")
        return found.removeprefix(b"Exif\0\0") if isinstance(found, bytes) else b""  # a PNG's text can be called exif


def _opened(content: bytes) -> Image.Image:
    Image.init()
    if content[4:8] == b"ftyp":  # of the family that HEIF belongs to
        learn_heif()
    return Image.open(io.BytesIO(content), formats=[name for name in FORMATS if name in Image.OPEN])


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        image = _from_16_bits(image)
    if image.mode == "F":
        raise UnusableError("has floating-point pixels; save it with 8 or 16 bits per channel")
    if image.has_transparency_data:
        transform = _to_srgb(image.info.get("icc_profile") or b"", "RGB")
        image = image.convert("RGBA")
        if transform:
            alpha = image.getchannel("A")
            image = transform.apply(image.convert("RGB"))
            image.putalpha(alpha)
        return Image.alpha_composite(Image.new("RGBA", image.size, PAPER), image).convert("RGB")
    transform = _to_srgb(image.info.get("icc_profile") or b"", image.mode)
    return transform.apply(image) if transform else image.convert("RGB")


def _from_16_bits(image: Image.Image) -> Image.Image:
    """Scales 16 bits to 8; Pillow itself would clip at 255. In strips, because large pictures as arrays take
    gigabytes."""
    result = Image.new("L", image.size)
    for top in range(0, image.height, STRIP):
        pixels = np.asarray(image.crop((0, top, image.width, min(top + STRIP, image.height))))
        if pixels.min() < 0 or pixels.max() > 65535:
            raise UnusableError("has 32 bits per pixel; save it with 8 or 16")
        rounded = (pixels.astype(np.uint32) + 128) // 257
        result.paste(Image.fromarray(rounded.astype(np.uint8)), (0, top))
    return result


@lru_cache(maxsize=64)
def _to_srgb(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The transform from an embedded profile to sRGB; None if there is nothing to do, or the profile is invalid."""
    if not profile or mode not in ("RGB", "CMYK"):
        return None
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(own):
            return None
        return ImageCms.buildTransform(own, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError):
        return None
