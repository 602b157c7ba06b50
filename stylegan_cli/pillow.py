"""Pillow: silences its warnings, lists the endings of the files that it reads and the errors that it raises for damaged
ones, and says where recipes are in them."""

from __future__ import annotations

import logging
import struct
import warnings
import zlib
from functools import cache

from PIL import Image, UnidentifiedImageError

BROKEN_PICTURE = (
    *(OSError, SyntaxError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, EOFError),
    *(RuntimeError, MemoryError, struct.error, zlib.error, Image.DecompressionBombError),
)
HEIF = (".heic", ".heif")  # of iPhones
PICTURES = (  # endings of picture files that can be read
    *(".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"),
    *(".jp2", ".j2k", ".jpx", ".tga", ".avif", ".mpo", ".jfif", *HEIF),
)
UNREAD = (  # and of those that cannot: the raw formats of cameras
    *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2"),
)
CHUNK, EXIF_DESCRIPTION = "stylegan", 0x010E  # recipes are in a PNG's text chunk, or this EXIF entry of WebP and JPEG
# It warns about large pictures, whose size is checked when they are decoded, and about damage that does not affect the
# pixels, or that is reported anyway. (What libtiff itself prints about damaged compressed TIFFs cannot be silenced.)
warnings.filterwarnings("ignore", module=r"PIL\.")
logging.getLogger("PIL").addHandler(logging.NullHandler())


@cache
def learn_heif() -> None:
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
