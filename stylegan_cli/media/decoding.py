"""Picture files of any common format to upright RGB in sRGB. Error messages are worded to follow the file's name."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import IO

import numpy as np
from PIL import Image, ImageChops, ImageCms, ImageOps, UnidentifiedImageError

from stylegan_cli.errors import StyleganError
from stylegan_cli.pillow import BROKEN_PICTURE, in_words, open_picture

MAX_PIXELS = 89_478_485  # Pillow considers more an attack
MAX_BYTES = 1 << 28  # of a file
# How JPEGs begin and end; how many zeros at the end of a file are too many, at the least.
JPEG, JPEG_END, GAP = b"\xff\xd8\xff", b"\xff\xd9", 512
LOSSY, BEFORE_LOSSY = b"VP8 ", (b"VP8X", b"ICCP", b"ALPH")  # a WebP's chunk of pixels, and those that may precede it
STRIP = 256  # rows converted at once
PAPER = "white"  # behind transparent pictures
SRGB = b""  # stands for its profile
SAME = 3  # of 255: profiles that differ by less are taken for one, as those are that call themselves sRGB


class UnusableError(StyleganError):
    """One picture cannot be used; the message is worded to follow its name: "is encrypted"."""


class TooManyPixelsError(UnusableError):
    """The picture could be used if it were smaller."""


def too_large(size: int, most: int = MAX_BYTES) -> str | None:
    """Why a file of this many bytes (when unpacked) is not read; None if it may be."""
    if size <= most:
        return None
    return f"has {math.ceil(size / 2**20):,} MiB, more than the limit of {most >> 20:,}"


@dataclass(frozen=True)
class Original:
    """A picture file's pixels as they are: upright RGB in the colours of an ICC `profile`, or sRGB if that is empty.
    If some are transparent, `image` is on white, and `rgba` is not."""

    image: Image.Image
    profile: bytes = b""
    rgba: Image.Image | None = None

    def in_srgb(self) -> Image.Image:
        """The upright RGB picture, converted to sRGB."""
        return self.image if self.profile == SRGB else _converted(self.image, self.profile, SRGB)

    def matched(self, srgb: Image.Image) -> Image.Image:
        """An sRGB picture in this one's colours."""
        return srgb if self.profile == SRGB else _converted(srgb, SRGB, self.profile)

    def with_alpha(self, edited: Image.Image) -> Image.Image:
        """An edited `image`, as transparent as the file. On white it looks as `edited` does, as far as its transparency
        allows; what did not change keeps the file's colours, even where they cannot be seen."""
        if self.rgba is None:
            return edited
        result = self.rgba.copy()
        left, first, right, last = ImageChops.difference(edited, self.image).getbbox() or (0, 0, 0, 0)
        for top in range(first, last, STRIP):
            box = (left, top, right, min(top + STRIP, last))
            pixels, before, after = (np.array(one.crop(box), np.float32) for one in (self.rgba, self.image, edited))
            change, alpha = after - before, pixels[..., 3:] / 255
            pixels[..., :3] += np.divide(change, alpha, out=np.zeros_like(change), where=alpha > 0)
            result.paste(Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8)), box)
        return result


def decode(content: bytes) -> Image.Image:
    """The first picture in a file: upright, RGB, converted to sRGB, on white where it is transparent. Raises
    `UnusableError`."""
    return original(content).in_srgb()


def original(content: bytes, max_pixels: int = MAX_PIXELS) -> Original:
    """As `decode`, but RGB pixels keep their own colours, and transparent pictures are also there without the white.
    Pillow opens nothing with more than twice MAX_PIXELS, whatever `max_pixels` is."""
    try:
        image = _opened(content)
        if image.width * image.height > max_pixels:
            raise TooManyPixelsError(f"has {image.width} x {image.height} pixels, which is too many")
        if image.format == "PNG":
            image.verify()  # by checksums: decoding alone would accept the zeros in a half-written file as pixels
            image = _opened(content)
        elif _lacks_its_end(content):
            raise UnusableError("is damaged (it ends in zeros: it was not copied completely)")
        image.load()
        if image.mode in ("P", "PA") and image.palette is None:
            raise UnusableError("is damaged (it has no palette)")
    except (UnusableError, MemoryError):
        raise
    except UnidentifiedImageError:
        raise UnusableError("is not a picture of a known format") from None
    except Image.DecompressionBombError:
        raise TooManyPixelsError(f"has more than {2 * MAX_PIXELS:,} pixels, which is too many") from None
    except BROKEN_PICTURE as error:
        raise UnusableError(f"is damaged ({in_words(error)})") from None
    try:
        ImageOps.exif_transpose(image, in_place=True)
    except MemoryError:
        raise
    except BROKEN_PICTURE:
        pass  # damaged EXIF data do not make a picture useless
    return _to_rgb(image)


def _lacks_its_end(content: bytes) -> bool:
    """Whether a JPEG, a lossy WebP or a file of a kind that iPhones save ends in many zeros, as those do that were
    copied only partly: decoders take them for pixels. Behind its end, a JPEG may be padded with them. (Lossless WebPs
    of few colours consist of zeros.)"""
    if content.startswith(JPEG):
        return content.endswith(bytes(GAP)) and not content.rstrip(b"\0").endswith(JPEG_END)
    coded = content if content[4:8] == b"ftyp" else _lossy_webp(content)
    return coded.endswith(bytes(max(GAP, len(coded) // 8)))


def _lossy_webp(content: bytes) -> bytes:
    """The pixels in the file of a lossy WebP, without the EXIF data behind them, which may be padded; empty if it is
    none."""
    at = 12 if content[8:12] == b"WEBP" else len(content)
    while True:
        name, size = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], "little")
        if name not in BEFORE_LOSSY:
            return content[at + 8 : at + 8 + size] if name == LOSSY else b""
        at += 8 + size + size % 2


def exif(content: bytes) -> bytes:
    """The EXIF data in a picture file that can be decoded, as it is there, in TIFF's format; empty if there is none."""
    with _opened(content) as image:
        if image.format == "TIFF":
            return content
        if image.format == "PNG":
            image.load()  # it may come after the pixels
        found = image.info.get("exif")
        return found.removeprefix(b"Exif\0\0") if isinstance(found, bytes) else b""  # a PNG's text can be called exif


def size_of(file: IO[bytes]) -> tuple[int, int]:
    """The width and height of a picture, as its file's header has them. Raises the errors in BROKEN_PICTURE."""
    with open_picture(file) as image:
        return image.size


def _opened(content: bytes) -> Image.Image:
    return open_picture(io.BytesIO(content))


def _to_rgb(image: Image.Image) -> Original:
    profile, rgba = image.info.get("icc_profile") or b"", None
    if image.mode.startswith("I"):
        image = _from_16_bits(image)
    if image.mode == "P" and not image.has_transparency_data:
        image = image.convert("RGB")
    elif image.mode in ("L", "LA") and image.has_transparency_data:
        image, profile = _from_clear_grey(image.convert("LA"), profile), SRGB
    if image.mode == "F":
        raise UnusableError("has floating-point pixels; save it with 8 or 16 bits per channel")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        rgba = image if image.getchannel("A").getextrema() != (255, 255) else None
        image = Image.alpha_composite(Image.new("RGBA", image.size, PAPER), image).convert("RGB")
    is_known = image.mode == "RGB" and _transform(profile, SRGB, "RGB") and _transform(SRGB, profile, "RGB")
    own = profile if is_known else SRGB
    if rgba is not None:
        alpha, rgba = rgba.getchannel("A"), _converted(rgba.convert("RGB"), profile, own)
        rgba.putalpha(alpha)
    return Original(_converted(image, profile, own), own, rgba)


def _from_clear_grey(image: Image.Image, profile: bytes) -> Image.Image:
    """LA to RGBA in sRGB: a profile of grey holds for the grey alone."""
    result = _converted(image.getchannel("L"), profile, SRGB)
    result.putalpha(image.getchannel("A"))
    return result


def _from_16_bits(image: Image.Image) -> Image.Image:
    """Scales 16 bits to 8; Pillow itself would clip at 255. In strips, because large pictures as arrays take
    gigabytes. What is of the grey that a PNG calls transparent is."""
    clear = image.info.get("transparency")
    result = Image.new("L" if clear is None else "LA", image.size)
    for top in range(0, image.height, STRIP):
        pixels = np.asarray(image.crop((0, top, image.width, min(top + STRIP, image.height))))
        if pixels.min() < 0 or pixels.max() > 65535:
            raise UnusableError("has 32 bits per pixel; save it with 8 or 16")
        strip = Image.fromarray(((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8))
        if clear is not None:
            strip.putalpha(Image.fromarray(np.where(pixels == clear, 0, 255).astype(np.uint8)))
        result.paste(strip, (0, top))
    return result


def _converted(image: Image.Image, profile: bytes, to: bytes) -> Image.Image:
    """The picture in another profile, without what its file said: Pillow would write some of that into other files."""
    transform = _transform(profile, to, image.mode)
    result = transform.apply(image) if transform else image.convert("RGB")
    result.info = {}
    return result


@lru_cache(maxsize=64)
def _transform(profile: bytes, to: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The transform between two profiles; None if it changes nothing that can be seen, or if one of them is invalid."""
    if profile == to or mode not in ("L", "RGB", "CMYK"):
        return None
    try:
        transform = ImageCms.buildTransform(_profile(profile), _profile(to), mode, "RGB")
    except (ImageCms.PyCMSError, OSError):
        return None
    if mode == "RGB" and _most_change(transform) <= SAME:
        return None
    return transform


def _most_change(transform: ImageCms.ImageCmsTransform) -> int:
    """By how much a transform changes RGB colours at most, of 4096 in all."""
    colours = np.mgrid[0:256:17, 0:256:17, 0:256:17].astype(np.uint8).reshape(3, 64, 64).transpose(1, 2, 0)
    after = np.asarray(transform.apply(Image.fromarray(colours)))
    return int(np.abs(after.astype(int) - colours).max())


def _profile(content: bytes) -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB") if content == SRGB else io.BytesIO(content))
