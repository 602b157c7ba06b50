"""Picture files, with the recipe inside."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from stylegan_cli.errors import StyleganError
from stylegan_cli.media import png
from stylegan_cli.pillow import CHUNK, EXIF_DESCRIPTION

FORMATS = ("png", "webp", "jpg")
# Characters of a recipe at most. A JPEG segment holds 65,533 bytes, of which EXIF's own frame takes some. Pillow opens
# no PNG with more than 64 MiB of text; in WebP a recipe as long would hold more values than are read again.
ROOM = {"png": 60_000_000, "webp": 60_000_000, "jpg": 65_000}
EDGES = {"webp": 16_383, "jpg": 65_500}  # pixels at most


def has_room(format: str, recipe: str) -> bool:
    """Whether a picture file can hold this recipe, and is opened again with it: JPEG holds a short one only, PNG and
    WebP any but those of sheets of many photos."""
    return len(recipe) < ROOM[format]


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
    if recipe and not has_room(format, recipe):
        recipe = None
    if format == "png":
        rgb = image if image.mode == "RGB" else image.convert("RGB")
        return png.encode(np.asarray(rgb), {CHUNK: recipe} if recipe else None)
    buffer, exif = io.BytesIO(), Image.Exif()
    if recipe:
        exif[EXIF_DESCRIPTION] = recipe
    image.save(buffer, "WEBP" if format == "webp" else "JPEG", quality=95, exif=exif)
    return buffer.getvalue()
