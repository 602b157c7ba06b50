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
WEBP_EDGE = 16_383


def has_room(format: str, recipe: str) -> bool:
    """Whether a picture file can hold this recipe: PNG and WebP hold any, JPEG only a short one."""
    return format != "jpg" or len(recipe) < JPEG_ROOM


def encode(image: Image.Image, format: str, recipe: str | None = None) -> bytes:
    """The picture file's bytes: `png` (lossless), `webp` or `jpg` (quality 95); a recipe without room is left out."""
    if format == "webp" and max(image.size) > WEBP_EDGE:
        raise StyleganError(
            f"WebP pictures have at most {WEBP_EDGE} pixels an edge, and this one is {image.width} x {image.height}; "
            "use --format png, or a smaller --size"
        )
    if format == "png":
        rgb = image if image.mode == "RGB" else image.convert("RGB")
        return png.encode(np.asarray(rgb), {CHUNK: recipe} if recipe else None)
    buffer, exif = io.BytesIO(), Image.Exif()
    if recipe and has_room(format, recipe):
        exif[EXIF_DESCRIPTION] = recipe
    image.save(buffer, "WEBP" if format == "webp" else "JPEG", quality=95, exif=exif)
    return buffer.getvalue()
