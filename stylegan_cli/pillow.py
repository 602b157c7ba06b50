"""Pillow: silences its warnings, opens only formats of pictures, lists their endings and the errors that it raises for
damaged ones, and says where recipes are in them."""

from __future__ import annotations

import logging
import struct
import warnings
import zlib
from functools import cache
from typing import IO

from PIL import Image, UnidentifiedImageError

BROKEN_PICTURE = (
    *(OSError, SyntaxError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, EOFError),
    *(RuntimeError, MemoryError, struct.error, zlib.error, Image.DecompressionBombError),
)
# Not everything that Pillow opens: some formats run other programs (EPS), others are not photos or drawings.
FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "BMP", "GIF", "TIFF", "PPM", "JPEG2000", "TGA", "AVIF", "HEIF")
PICTURES = (  # endings of picture files that can be read
    *(".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"),
    *(".jp2", ".j2k", ".jpx", ".tga", ".avif", ".mpo", ".jfif", ".heic", ".heif"),
)
UNREAD = (  # and of those that cannot: the raw formats of cameras
    *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2"),
)
CHUNK, EXIF_DESCRIPTION = "stylegan", 0x010E  # recipes are in a PNG's text chunk, or this EXIF entry of WebP and JPEG
# It warns about large pictures, whose size is checked when they are decoded, and about damage that does not affect the
# pixels, or that is reported anyway. (What libtiff itself prints about damaged compressed TIFFs cannot be silenced.)
warnings.filterwarnings("ignore", module=r"PIL\.")
logging.getLogger("PIL").addHandler(logging.NullHandler())


def open_picture(file: IO[bytes]) -> Image.Image:
    """A picture of one of the FORMATS, its header read. Raises the errors in BROKEN_PICTURE."""
    Image.init()
    is_heif = file.read(8)[4:] == b"ftyp"  # or of the family that it belongs to
    file.seek(0)
    if is_heif:
        _learn_heif()
    return Image.open(file, formats=[name for name in FORMATS if name in Image.OPEN])


@cache
def _learn_heif() -> None:
    """Lets Pillow open what iPhones save."""
    from pi_heif import register_heif_opener

    register_heif_opener()


def in_words(error: BaseException) -> str:
    """One of these errors as a message of one line."""
    if isinstance(error, UnidentifiedImageError):
        return "its format is unknown"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error).splitlines() or [type(error).__name__])[0]
