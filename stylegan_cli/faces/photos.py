"""Photos as people have them."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from stylegan_cli.errors import StyleganError
from stylegan_cli.media import decoding

MAX_PIXELS = 2 * decoding.MAX_PIXELS  # 179 megapixels, half a gigabyte once decoded: Pillow opens no more


def read(path: Path) -> Image.Image:
    """A photo as upright RGB: turned as its EXIF says, in sRGB, over white where it is transparent; of animations the
    first picture."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StyleganError(f"{path} cannot be read ({error.strerror})") from None
    try:
        return decoding.decode(content, MAX_PIXELS)
    except decoding.UnusableError as error:
        problem = str(error) if content else "is empty"
        raise StyleganError(f"{path} {problem}; use another photo, or save it again as PNG or JPEG") from None
