"""Picture files, with the recipe inside."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from stylegan_cli.errors import StyleganError
from stylegan_cli.media import png
from stylegan_cli.recipes import CHUNK, EXIF_DESCRIPTION

FORMATS = ("png", "webp", "jpg")
# A JPEG segment holds 65,533 bytes; EXIF's own frame takes some of them.
JPEG_ROOM = 65_000
EDGES = {"webp": 16_383, "jpg": 65_500}  # pixels at most


def has_room(format: str, recipe: str) -> bool:
    """Whether a picture file can hold this recipe: PNG and WebP hold any, JPEG only a short one."""
    return format != "jpg" or len(recipe) < JPEG_ROOM


def check_edges(format: str, width: int, height: int) -> None:
    """That a picture of this size can be written; only PNG takes any."""
    if max(width, height) > EDGES.get(format, max(width, height)):
        raise StyleganError(
            f"{format} pictures have at most {EDGES[format]} pixels an edge, and this one is {width} x {height}; use "
            "--format png, or a smaller --size"
        )


def encode(image: Image.Image, format: str, recipe: str | None = None) -> bytes:
    """The picture file's bytes: `png` (lossless), `webp` or `jpg` (quality 95); a recipe without room is left out."""
    check_edges(format, *image.size)
    if format == "png":
        rgb = image if image.mode == "RGB" else image.convert("RGB")
        return png.encode(np.asarray(rgb), {CHUNK: recipe} if recipe else None)
    buffer, exif = io.BytesIO(), Image.Exif()
    if recipe and has_room(format, recipe):
        exif[EXIF_DESCRIPTION] = recipe
    image.save(buffer, "WEBP" if format == "webp" else "JPEG", quality=95, exif=exif)
    return buffer.getvalue()
