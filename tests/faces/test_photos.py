"""Photo files of every kind, and what is none. How pictures are decoded is tested with `media.decoding`."""

import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from stylegan_cli.errors import StyleganError
from stylegan_cli.faces import photos

COLOUR = (200, 100, 50)
PLAIN = Image.new("RGB", (32, 32), COLOUR)


def palette(path):
    """Index 0 is transparent, index 1 has the colour."""
    image = Image.new("P", (32, 32), 1)
    image.putpalette([0, 0, 0, *COLOUR])
    image.paste(0, (0, 0, 16, 32))
    image.save(path, transparency=0)


KINDS = {
    "cmyk.jpg": lambda path: PLAIN.convert("CMYK").save(path, quality=95),
    "rgba.png": lambda path: PLAIN.convert("RGBA").save(path),
    "palette.png": palette,
    "still.gif": lambda path: PLAIN.save(path),
    "animated.gif": lambda path: PLAIN.save(path, save_all=True, append_images=[Image.new("RGB", (32, 32), "blue")]),
    "animated.webp": lambda path: PLAIN.save(
        path, save_all=True, append_images=[Image.new("RGB", (32, 32), "blue")], lossless=True
    ),
    "grey16.png": lambda path: Image.fromarray(np.full((32, 32), 100 * 257, np.uint16)).save(path),
    "one pixel.png": lambda path: PLAIN.crop((0, 0, 1, 1)).save(path),
    "wrong name.png": lambda path: PLAIN.save(path, "JPEG", quality=95),
}


@pytest.mark.parametrize("name", KINDS)
def test_kinds(tmp_path, name):
    KINDS[name](tmp_path / name)
    photo = photos.read(tmp_path / name)
    assert photo.mode == "RGB"
    *_, last = np.asarray(photo).reshape(-1, 3).astype(int)
    assert np.abs(last - (100 if "grey" in name else COLOUR)).max() <= 4
    if "palette" in name:
        assert photo.getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_orientations_come_out_upright(tmp_path, orientation):
    """The top left corner is red and the top right green, however the camera was held."""
    upright = Image.new("RGB", (64, 32), "black")
    upright.paste("red", (0, 0, 16, 16))
    upright.paste("lime", (48, 0, 64, 16))
    turn = Image.Transpose
    stored = {
        2: turn.FLIP_LEFT_RIGHT, 3: turn.ROTATE_180, 4: turn.FLIP_TOP_BOTTOM, 5: turn.TRANSPOSE,
        6: turn.ROTATE_90, 7: turn.TRANSVERSE, 8: turn.ROTATE_270,
    }  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = upright.transpose(stored[orientation]) if orientation in stored else upright
    image.save(tmp_path / "photo.jpg", exif=exif, quality=95, subsampling=0)
    found = photos.read(tmp_path / "photo.jpg")
    assert found.size == (64, 32)
    assert np.abs(np.asarray(found).astype(int) - np.asarray(upright)).max() < 60


def bomb(path, edge):
    """A PNG header that promises a picture of this edge, and no pixels."""

    def chunk(content):
        return struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))

    header = chunk(b"IHDR" + struct.pack(">IIBBBBB", edge, edge, 8, 2, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT") + chunk(b"IEND"))


def cut_off(path):
    Image.effect_noise((128, 128), 64).save(path)
    path.write_bytes(path.read_bytes()[:3000])


def endless(path):
    path.touch()
    os.truncate(path, 257 << 20)


BROKEN = {
    "text.jpg": (lambda path: path.write_text("This is a letter, not a photo."), "is not a picture of a known format"),
    "empty.jpg": (lambda path: path.touch(), "is empty"),
    "endless.jpg": (endless, "has 257 MiB, more than the limit of 256"),
    "cut.jpg": (cut_off, "is damaged"),
    "cut.png": (cut_off, "is damaged"),
    "bomb.png": (lambda path: bomb(path, 14_000), "pixels, which is too many"),
    "huge.png": (lambda path: bomb(path, 1_000_000), "pixels, which is too many"),
    "drawing.svg": (lambda path: path.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>"), "known format"),
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
