"""Reading photos, of any format that people have."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from stylegan_cli.errors import StyleganError
from stylegan_cli.media import decoding, exif

MAX_PIXELS = 2 * decoding.MAX_PIXELS  # 179 megapixels, half a gigabyte once decoded: Pillow opens no more


def read(path: Path) -> Image.Image:
    """A photo as upright RGB: rotated according to its EXIF data, in sRGB, on white where it is transparent; the first
    picture of an animation. Raises StyleganError if it cannot be read."""
    try:
        return decoding.decode(_content(path), MAX_PIXELS)
    except decoding.UnusableError as error:
        raise StyleganError(f"{path} {error}; use another photo, or save it again as PNG or JPEG") from None


def about(path: Path) -> bytes:
    """What a photo's file says of camera, date, place and so on, as far as `media.exif` keeps it."""
    return exif.kept(decoding.exif(_content(path)))


def _content(path: Path) -> bytes:
    try:
        if problem := decoding.too_large(path.stat().st_size):
            raise decoding.UnusableError(problem)
        content = path.read_bytes()
    except OSError as error:
        raise StyleganError(f"{path} cannot be read ({error.strerror})") from None
    if not content:
        raise decoding.UnusableError("is empty")
    return content
