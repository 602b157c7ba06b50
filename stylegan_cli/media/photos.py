"""Reading photos, of any format that people have."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from stylegan_cli.errors import StyleganError
from stylegan_cli.latents.photo import is_film
from stylegan_cli.media import decoding, exif
from stylegan_cli.media.decoding import Original
from stylegan_cli.pillow import UNREAD

MAX_PIXELS = 2 * decoding.MAX_PIXELS  # 179 megapixels, half a gigabyte once decoded: Pillow opens no more


def read(path: Path) -> Image.Image:
    """A photo as upright RGB: rotated according to its EXIF data, in sRGB, on white where it is transparent; the first
    picture of an animation. Raises StyleganError if it cannot be read."""
    return _original(path)[0].in_srgb()


def read_for_pasting(path: Path) -> tuple[Original, bytes]:
    """A photo as `read` does, but in its own colours, and with its transparency; and what its file says of camera,
    date, place and so on, as far as `media.exif` keeps it, signed by this software."""
    original, content = _original(path)
    return original, exif.kept(decoding.exif(content), is_srgb=not original.profile) or exif.signed()


def is_pasted(path: Path) -> bool:
    """Whether a photo, which can be read, is one into which this software pasted faces."""
    return exif.is_signed(decoding.exif(_content(path)))


def _original(path: Path) -> tuple[Original, bytes]:
    """A photo, and its file's content."""
    try:
        content = _content(path)
        return decoding.original(content, MAX_PIXELS), content
    except decoding.TooManyPixelsError as error:
        raise StyleganError(f"{path} {error}; make it smaller, or use another photo") from None
    except decoding.UnusableError as error:
        raise StyleganError(f"{path} {error}; use another photo, or save it again as PNG or JPEG") from None


def _content(path: Path) -> bytes:
    if is_film(str(path)):
        raise StyleganError(f"{path} is a film, which only stylegan edit takes, as the only person")
    try:
        if path.name.lower().endswith(UNREAD):  # Pillow would open the preview in some of them
            raise decoding.UnusableError("has a format that cannot be read here")
        if problem := decoding.too_large(path.stat().st_size):
            raise decoding.UnusableError(problem)
        content = path.read_bytes()
    except OSError as error:
        raise StyleganError(f"{path} cannot be read ({error.strerror})") from None
    if not content:
        raise decoding.UnusableError("is empty")
    return content
