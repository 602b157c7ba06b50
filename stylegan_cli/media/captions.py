"""Captions: one line of text on a strip, in a font that this machine has."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from math import ceil

from PIL import Image, ImageDraw, ImageFont
from PIL.ImageFont import FreeTypeFont

PAPER = "white"
INK = "black"
# Pillow's own font has little more than ASCII. Most machines have some of these, which are tried in this order.
SYSTEM_FONTS = (
    *("DejaVuSans.ttf", "arial.ttf", "Arial Unicode.ttf", "NotoSans-Regular.ttf", "NotoSansCJK-Regular.ttc"),
    *("DroidSansFallbackFull.ttf", "wqy-microhei.ttc", "msyh.ttc", "malgun.ttf"),
)
NOBODYS = "\uffff"  # never a character, so every font draws its replacement box for it
LATIN = re.compile(r"LATIN (CAPITAL|SMALL) LETTER (?:SHARP |DOTLESS )?([A-Z]{1,2})(?: WITH .*)?")


def font_for(texts: Iterable[str], size: int) -> FreeTypeFont:
    """The first font that has all characters of these texts, or else the most of them; Pillow's own font comes first.
    `size` is in pixels."""
    text = _plain(" ".join(texts))
    fonts = [_own(size)] if text.isascii() else [_own(size), *_of_the_system(size)]
    return min(fonts, key=lambda font: _gaps(font, text))


def line(text: str, font: FreeTypeFont, width: int, height: int) -> Image.Image:
    """The text, or as much of it as fits, in the middle of a strip of `width` x `height` pixels."""
    strip = Image.new("RGB", (width, height), PAPER)
    ImageDraw.Draw(strip).text((width / 2, height / 2), _shown(text, font, width), INK, font, "mm")
    return strip


def width_of(text: str, font: FreeTypeFont, most: int) -> int:
    """The width, in pixels, of a strip that the text fits on, or as much of it as fits on one of `most` pixels."""
    return ceil(font.getlength(_shown(text, font, most)))


def _shown(text: str, font: FreeTypeFont, width: int) -> str:
    """The text as it is drawn, or as much of it as fits."""
    plain = _plain(text)
    if len(plain) > 2 * width:  # no letter is narrower than a pixel; other people's captions may be extremely long
        plain = _shortened(plain, 2 * width)
    return _fitting(_drawable(plain, font), font, width)


def _own(size: int) -> FreeTypeFont:
    font = ImageFont.load_default(size)
    assert isinstance(font, FreeTypeFont)  # always so since Pillow's own font takes a size
    return font


def _of_the_system(size: int) -> Iterator[FreeTypeFont]:
    for name in SYSTEM_FONTS:
        try:
            # Not a file of this name in the user's current folder: this path, below a file, never exists.
            yield ImageFont.truetype(f"{__file__}/{name}", size)
        except OSError:
            continue


def _plain(text: str) -> str:
    """The text without line breaks and other invisible characters; accents, which macOS separates in file names, are
    combined with their letters."""
    shown = (character for character in text if unicodedata.category(character) != "Cf")  # format characters
    seen = "".join(character if character.isprintable() else " " for character in shown)
    return unicodedata.normalize("NFC", " ".join(seen.split()))


def _gaps(font: FreeTypeFont, text: str) -> int:
    """How many characters the font lacks; all of them if it is broken."""
    try:
        return len(_missing(font, text))
    except OSError:
        return len(text)


def _missing(font: FreeTypeFont, text: str) -> set[str]:
    """The characters that the font draws a box for, tested one by one, without the layout that joins them."""
    glyphs = font.font_variant(layout_engine=ImageFont.Layout.BASIC)
    box = _shape(glyphs, NOBODYS)
    return {character for character in set(text) if not character.isspace() and _shape(glyphs, character) == box}


def _shape(font: FreeTypeFont, character: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(character)
    return mask.size, bytes(mask)


def _drawable(text: str, font: FreeTypeFont) -> str:
    """The text without characters that the font lacks: letters lose their accents, others become question marks."""
    return text.translate({ord(character): _stand_in(character) for character in _missing(font, text)})


def _stand_in(character: str) -> str:
    category = unicodedata.category(character)
    if category in ("Pd", "Mn", "Me"):
        return "-" if category == "Pd" else ""  # dashes; marks on other characters
    latin = LATIN.fullmatch(unicodedata.name(character, ""))
    if latin is None:
        return "?"
    return latin[2] if latin[1] == "CAPITAL" else latin[2].lower()


def _fitting(text: str, font: FreeTypeFont, width: int) -> str:
    if font.getlength(text) <= width:
        return text
    letters = range(1, len(text))
    return _shortened(text, bisect_right(letters, width, key=lambda n: ceil(font.getlength(_shortened(text, n)))))


def _shortened(text: str, letters: int) -> str:
    """The text with so many of its letters: the first and the last, as captions of one person differ at the end."""
    last = (letters + 1) // 2
    return f"{text[: letters - last]}…{text[len(text) - last :]}"
