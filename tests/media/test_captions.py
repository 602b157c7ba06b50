"""Captions: whatever people are called, no box is drawn."""

import numpy as np
import pytest
from PIL import ImageFont

from stylegan_cli.media import captions


def ink(text, width=200):
    return np.asarray(captions.line(text, captions.font_for([text], 18), width, 29))


@pytest.fixture
def no_fonts(monkeypatch):
    """A machine that has no font but Pillow's."""
    monkeypatch.setattr(captions, "SYSTEM_FONTS", ("no such font.ttf",))


@pytest.fixture
def a_font():
    """Skips where none of the system's fonts draws accents."""
    if captions.font_for(["é"], 18).getname()[0] == ImageFont.load_default(18).getname()[0]:
        pytest.skip("there is no font here but Pillow's")


@pytest.mark.usefixtures("no_fonts")
@pytest.mark.parametrize(
    ("name", "drawn"),
    [
        ("José Ångström", "Jose Angstrom"),
        ("Jose\u0301", "Jose"),  # as macOS writes names of files
        ("Łukasz, Ærø", "Lukasz, AEro"),
        ("ŞIĞI ığ", "SIGI ig"),
        ("Nguyễn – 1", "Nguyen - 1"),
        ("王小明", "???"),
        ("Дима 3", "???? 3"),
        ("नमस्ते", "????"),  # marks go with what they stand on
        ("q\u0303 \u2764\ufe0f 👨\u200d👩", "q ? ??"),
    ],
)
def test_what_pillows_font_has_not(name, drawn):
    assert np.array_equal(ink(name), ink(drawn))


@pytest.mark.parametrize("name", ["José", "Łukasz", "王", "नमस्ते", "\ue000", "𓀀"])
def test_no_box_on_this_machine(name):
    """Whichever fonts are here: what a font lacks looks like a character that nobody has."""
    font = captions.font_for([name], 18)
    for character in captions._drawable(name, font):
        assert captions._shape(font, character) != captions._shape(font, captions.NOBODYS)


def test_fonts_in_the_users_folder_are_not_asked(tmp_path, monkeypatch):
    before = captions.font_for(["é"], 18).getname()
    for name in captions.SYSTEM_FONTS:
        (tmp_path / name).write_bytes(b"broken")
    monkeypatch.chdir(tmp_path)
    assert captions.font_for(["é"], 18).getname() == before


@pytest.mark.usefixtures("a_font")
def test_a_broken_font_is_as_good_as_none(monkeypatch):
    shape = captions._shape

    def broken(font, character):
        if font.getname()[0] != ImageFont.load_default(18).getname()[0]:
            raise OSError("raster overflow")
        return shape(font, character)

    monkeypatch.setattr(captions, "_shape", broken)
    assert np.array_equal(ink("é"), ink("e"))


@pytest.mark.usefixtures("a_font")
def test_accents_are_drawn_where_a_font_has_them():
    assert not np.array_equal(ink("José"), ink("Jose"))
    assert np.array_equal(ink("José"), ink("Jose\u0301"))


@pytest.mark.usefixtures("a_font")
def test_a_sheet_has_one_font():
    """Whoever stands beside José is written like him."""
    assert captions.font_for(["jon", "José"], 18).getname() == captions.font_for(["José"], 18).getname()


def test_plain_letters_are_pillows_whatever_is_installed():
    """So that pictures are the same on all machines."""
    assert captions.font_for(["jon", "age +3", ""], 18).getname() == ImageFont.load_default(18).getname()


def test_what_cannot_be_seen_is_a_space():
    assert np.array_equal(ink("a\nb\t\x1b c\udc80"), ink("a b c"))


@pytest.mark.parametrize("name", ["m" * 100_000, "é" * 1000, "i" * 300])
def test_what_is_too_long_is_cut(name):
    drawn = ink(name, 64)
    assert drawn.shape == (29, 64, 3)
    assert (drawn < 128).any()


@pytest.mark.parametrize("width", [64, 128, 256])
def test_what_is_too_long_is_cut_in_the_middle(width):
    """The end tells captions of one person apart."""
    zero, one = (ink(f"Juergen Foto-aligned from {'m' * 1000}, variation {n}", width) for n in (0, 1))
    assert np.array_equal(zero[:, : width // 3], one[:, : width // 3])
    assert not np.array_equal(zero[:, width // 2 :], one[:, width // 2 :])
    font = captions.font_for(["m"], 18)
    shown = captions._fitting("Juergen Foto-aligned, variation 1", font, width)
    assert shown.startswith("Ju") and shown.endswith(" 1") and "…" in shown
    assert width - 20 < font.getlength(shown) <= width
