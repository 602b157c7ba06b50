"""Pillow made quiet, what it lets through when a picture file is damaged, and where recipes are in picture files."""

from __future__ import annotations

import logging
import struct
import warnings
import zlib

from PIL import Image, UnidentifiedImageError

BROKEN_PICTURE = (
    *(OSError, SyntaxError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, EOFError),
    *(RuntimeError, MemoryError, struct.error, zlib.error, Image.DecompressionBombError),
)
CHUNK, EXIF_DESCRIPTION = "stylegan", 0x010E  # a PNG's text chunk, and the EXIF entry of WebP and JPEG
# It warns of large pictures, whose size is checked where they are decoded, and of damage that does not affect the
# pixels, or that is reported anyway. (What libtiff prints by itself, of damaged TIFFs that are compressed, stays.)
warnings.filterwarnings("ignore", module=r"PIL\.")
logging.getLogger("PIL").addHandler(logging.NullHandler())


def in_words(error: BaseException) -> str:
    """One of these, on one line."""
    if isinstance(error, UnidentifiedImageError):
        return "it is of no known format"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error).splitlines() or [type(error).__name__])[0]
