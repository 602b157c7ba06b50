"""Picture files, with the recipe inside."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from stylegan_cli.errors import StyleganError
from stylegan_cli.media import png
from stylegan_cli.pillow import CHUNK, EXIF_DESCRIPTION

FORMATS = ("png", "webp", "jpg")
TRANSPARENT = ("png", "webp")  # those that can be
# The maximum number of characters in a recipe. A JPEG segment holds 65,533 bytes, of which EXIF itself needs some.
# Pillow opens no PNG with more than 64 MiB of text; in WebP, a longer recipe would hold more values than can be read.
ROOM = {"png": 60_000_000, "webp": 60_000_000, "jpg": 65_000}
EDGES = {"webp": 16_383, "jpg": 65_500}  # pixels at most


def has_room(format: str, recipe: str) -> bool:
    """Whether a picture file can hold this recipe and still be opened: JPEG holds only short ones, PNG and WebP all but
    those of sheets of many photos."""
    return len(recipe) < ROOM[format]


def check_edges(format: str, width: int, height: int) -> None:
    """Raises StyleganError if a picture of this size, in pixels, cannot be written; PNG has no limit."""
    if max(width, height) > EDGES.get(format, max(width, height)):
        raise StyleganError(
            f"{format} pictures have at most {EDGES[format]} pixels per edge, but this one is {width} x {height}; use "
            "--format png, or a smaller --size"
        )


def encode_pixels(pixels: np.ndarray, format: str) -> bytes:
    """`encode` for `[h, w, 3]` uint8, without anything else in the file."""
    return png.encode(pixels) if format == "png" else encode(Image.fromarray(pixels), format)


def encode(
    image: Image.Image, format: str, recipe: str | None = None, exif: bytes = b"", profile: bytes = b""
) -> bytes:
    """The picture file's bytes: `png` (lossless), `webp` or `jpg` (quality 95), with a recipe, which is left out if it
    is too long, or with what `media.exif` kept of a photo, in the colours of an ICC `profile` (empty: sRGB). RGBA
    pictures need a format in TRANSPARENT."""
    check_edges(format, *image.size)
    if recipe and not has_room(format, recipe):
        recipe = None
    if format == "png":
        colours = image if image.mode in ("RGB", "RGBA") else image.convert("RGB")
        return png.encode(np.asarray(colours), {CHUNK: recipe} if recipe else None, exif, profile)
    buffer, described = io.BytesIO(), Image.Exif()
    if recipe:
        described[EXIF_DESCRIPTION] = recipe
    about = b"Exif\0\0" + exif if exif else described.tobytes()
    # WebP's `exact`: colours stay even where they cannot be seen.
    image.save(buffer, "WEBP" if format == "webp" else "JPEG", quality=95, exif=about, icc_profile=profile, exact=True)
    return buffer.getvalue()
