"""What is kept of what a camera wrote, as any reader finds it."""

import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, TiffImagePlugin
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import IFDRational

from stylegan_cli.media import decoding, exif
from stylegan_cli.media.encode import FORMATS, encode

MAKE, SOFTWARE, ORIENTATION, DESCRIPTION, ARTIST, SETTINGS, PLACE = 271, 305, 274, 270, 315, 0x8769, 0x8825
VERSION, TAKEN, EXPOSURE, NOTES, WIDTH, SPACE, LENS = 0x9000, 0x9003, 0x829A, 0x927C, 0xA002, 0xA001, 0xA434
COMMENT = 0x9286
ODD = "Jürgen Gläß, ©"
THUMBNAIL, PRINTER = 0x0201, 0xA005


def camera(order):
    """As a camera writes it, of this byte order: everything of a kind of its own, and a thumbnail."""
    written = Image.Exif()
    written.endian = order
    written[MAKE], written[ORIENTATION], written[DESCRIPTION] = "Olympus", 6, '{"format": 1}'
    written[ARTIST] = ODD.encode()
    written[SOFTWARE], written[282] = "firmware 1.0", IFDRational(300)
    written[SETTINGS] = {
        VERSION: b"0232", TAKEN: "2020:02:03 04:05:06", EXPOSURE: IFDRational(1, 60), NOTES: b"preview" * 99,
        WIDTH: 4000, SPACE: 65535, LENS: "Zuiko 1:2.8", COMMENT: b"Anna", PRINTER: {1: "R98"},
    }  # fmt: skip
    written[PLACE] = {1: "N", 2: (IFDRational(52), IFDRational(30), IFDRational(5, 7)), 3: "E"}
    return written.tobytes().removeprefix(b"Exif\0\0")


def read(tiff):
    """The three directories: main, settings, place, each with types and values."""
    found = []
    start = struct.unpack_from("<L" if tiff[:2] == b"II" else ">L", tiff, 4)[0]
    for tag in (None, SETTINGS, PLACE):
        directory = TiffImagePlugin.ImageFileDirectory_v2(tiff[:8], group=tag)
        stream = io.BytesIO(tiff)
        stream.seek(found[0][tag][1] if tag else start)
        directory.load(stream)
        assert tag or not directory.next  # no thumbnail follows
        found.append({number: (directory.tagtype[number], directory[number]) for number in directory})
    return found


@pytest.mark.parametrize("order", "<>")
def test_what_is_kept_is_the_same_and_of_the_same_type(order):
    before = camera(order)
    (first, shot, place), (own, own_shot, own_place) = read(before), read(exif.kept(before))
    for tag in (MAKE, ARTIST, 282):
        assert own[tag] == first[tag]
    assert own[ARTIST][1].encode("latin-1").decode() == ODD
    for tag in (VERSION, TAKEN, EXPOSURE, LENS):
        assert own_shot[tag] == shot[tag]
    assert own_place == place


def test_nothing_is_kept_that_no_longer_holds():
    first, shot, _ = read(exif.kept(camera("<")))
    assert not {ORIENTATION, DESCRIPTION} & first.keys() and not {NOTES, WIDTH, PRINTER, COMMENT} & shot.keys()
    assert shot[SPACE][1] == 1  # sRGB
    assert first[SOFTWARE][1].startswith("stylegan ")


def test_the_colour_space_stays_if_the_colours_do():
    _, shot, _ = read(exif.kept(camera("<"), is_srgb=False))
    assert shot[SPACE][1] == 65535 and not {NOTES, WIDTH, PRINTER} & shot.keys()


def test_a_thumbnail_of_the_old_face_is_not_kept():
    """It is in a directory after the first one."""
    before = bytearray(camera("<"))
    (count,) = struct.unpack_from("<H", before, 8)
    struct.pack_into("<L", before, 10 + 12 * count, len(before))
    before += struct.pack("<HHHLLL", 1, THUMBNAIL, 4, 1, len(before) + 18, 0) + b"\xff\xd8 the old face"
    assert b"the old face" not in exif.kept(bytes(before))
    assert exif.kept(bytes(before)) == exif.kept(camera("<"))


def test_what_is_kept_is_kept_again():
    once = exif.kept(camera(">"))
    assert exif.kept(once) == once


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_holds_it(format):
    """And nothing but it: no orientation by which a viewer would turn the picture."""
    own = exif.kept(camera("<"))
    content = encode(Image.new("RGB", (32, 16), "red"), format, exif=own)
    assert decoding.exif(content) == own
    with Image.open(io.BytesIO(content)) as image:
        assert image.getexif()[MAKE] == "Olympus"
        assert image.getexif().get_ifd(SETTINGS)[TAKEN] == "2020:02:03 04:05:06"
    assert decoding.decode(content).size == (32, 16)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_every_photo_gives_it(format):
    buffer, before = io.BytesIO(), Image.Exif()
    before[MAKE], before[ARTIST] = "Olympus", "somebody"
    Image.new("RGB", (32, 16), "red").save(buffer, format, exif=before)
    found = Image.Exif()
    found.load(exif.kept(decoding.exif(buffer.getvalue())))
    assert (dict(found).keys() - {SOFTWARE, 282, 283, 296}, found[MAKE]) == ({MAKE, ARTIST}, "Olympus")


def test_values_begin_at_even_places():
    """As TIFF demands: there are readers that rely on it."""
    kept = exif.kept(camera("<"))
    (count,) = struct.unpack_from("<H", kept, 8)
    entries = [struct.unpack_from("<HHLL", kept, place) for place in range(10, 10 + 12 * count, 12)]
    assert [number % 2 for tag, _, number, _ in entries if tag == ARTIST] == [1]
    assert all(
        at % 2 == 0 for tag, kind, number, at in entries if (kind == 2 and number > 4) or tag in (SETTINGS, PLACE)
    )


def test_directories_may_be_named_by_a_kind_of_their_own():
    """TIFF's supplement 1 has a type for places of directories."""
    before = bytearray(camera("<"))
    for place in range(10, 200, 12):
        if struct.unpack_from("<H", before, place)[0] in (SETTINGS, PLACE):
            struct.pack_into("<H", before, place + 2, 13)
    assert exif.kept(bytes(before)) == exif.kept(camera("<"))


def test_an_entry_that_lies_outside_is_left_out():
    before = bytearray(camera("<"))
    (place,) = (place for place in range(10, 200, 12) if struct.unpack_from("<H", before, place)[0] == ARTIST)
    struct.pack_into("<L", before, place + 8, len(before) - 4)
    first, shot, _ = read(exif.kept(bytes(before)))
    assert ARTIST not in first
    assert first[MAKE][1] == "Olympus" and shot[TAKEN]


def test_what_comes_after_the_pixels_of_a_png_is_found():
    own = exif.kept(camera("<"))
    content = encode(Image.new("RGB", (8, 8)), "png", exif=own)
    start, end = content.index(b"eXIf") - 4, content.index(b"IDAT") - 4
    moved = content[:start] + content[end:-12] + content[start:end] + content[-12:]
    assert decoding.exif(moved) == own


def test_a_text_called_exif_is_none():
    notes, buffer = PngInfo(), io.BytesIO()
    notes.add_itxt("exif", "II*")
    Image.new("RGB", (8, 8)).save(buffer, "PNG", pnginfo=notes)
    assert decoding.exif(buffer.getvalue()) == b""


def test_none_gives_none():
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "GIF")
    assert decoding.exif(buffer.getvalue()) == exif.kept(b"") == b""
    content = [encode(Image.new("RGB", (8, 8)), format) for format in FORMATS]
    assert [exif.kept(decoding.exif(one)) for one in content] == [b""] * 3


@pytest.mark.parametrize("format", FORMATS)
def test_whose_software_made_a_picture_is_seen(format):
    plain, signed, of_camera = (
        decoding.exif(encode(Image.new("RGB", (8, 8)), format, exif=about))
        for about in (b"", exif.signed(), exif.kept(camera(">")))
    )
    assert [exif.is_signed(tiff) for tiff in (plain, signed, of_camera)] == [False, True, True]
    assert [exif.is_signed(tiff) for tiff in (camera("<"), exif.signed()[:20])] == [False, False]
    assert exif.kept(signed) == b""  # there is nothing of a camera


def test_too_much_is_left_out():
    """A JPEG file could not hold it."""
    written = Image.Exif()
    written[MAKE], written[ARTIST] = "Olympus", "a" * 70_000
    assert exif.kept(written.tobytes().removeprefix(b"Exif\0\0")) == b""
    written[ARTIST] = "a" * 50_000
    assert encode(Image.new("RGB", (8, 8)), "jpg", exif=exif.kept(written.tobytes().removeprefix(b"Exif\0\0")))


@settings(max_examples=300)
@given(st.data())
def test_damaged_data_stop_nothing(data):
    content = bytearray(camera(data.draw(st.sampled_from("<>"))))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    kept = exif.kept(bytes(content[: data.draw(st.integers(0, len(content)))]))
    assert exif.is_signed(kept) == bool(kept)
    assert len(kept) <= exif.MOST
    assert encode(Image.fromarray(np.zeros((4, 4, 3), np.uint8)), "jpg", exif=kept)
