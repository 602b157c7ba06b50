"""Photo files, and what is none. How pictures are decoded is tested with `media.decoding`."""

import os

import pytest
from PIL import Image
from png_by_hand import png

from stylegan_cli.errors import StyleganError
from stylegan_cli.media import photos


def test_a_photo_may_have_any_name(tmp_path):
    Image.new("L", (32, 16), 200).save(tmp_path / "a photo #1.png", "JPEG")
    photo = photos.read(tmp_path / "a photo #1.png")
    assert (photo.mode, photo.size) == ("RGB", (32, 16))
    assert photo.getextrema() == ((200, 200),) * 3


def endless(path):
    path.touch()
    os.truncate(path, 257 << 20)


BROKEN = {
    "text.jpg": (lambda path: path.write_text("This is a letter, not a photo."), "is not a picture of a known format"),
    "empty.jpg": (lambda path: path.touch(), "is empty"),
    "endless.jpg": (endless, "has 257 MiB, more than the limit of 256"),
    "raw.DNG": (lambda path: Image.new("RGB", (64, 64)).save(path, "TIFF"), "has a format that cannot be read here"),
    "bomb.png": (
        lambda path: path.write_bytes(png(14_000, 14_000, 8, 2, b"")),
        "pixels, which is too many; make it smaller, or use another photo",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_photo_costs_one_sentence(tmp_path, name):
    write, reason = BROKEN[name]
    write(tmp_path / name)
    with pytest.raises(StyleganError) as raised:
        photos.read(tmp_path / name)
    sentence = str(raised.value)
    assert sentence.startswith(f"{tmp_path / name} ")
    assert reason in sentence
    assert "use another photo" in sentence
    assert "\n" not in sentence


def test_a_missing_file(tmp_path):
    with pytest.raises(StyleganError, match=r"none\.jpg cannot be read \(No such file"):
        photos.read(tmp_path / "none.jpg")
