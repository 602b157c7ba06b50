"""Picture files of all kinds to RGB."""

import io
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_profile import LINEAR, LINEAR_GREY, SRGB, SWAPPED
from PIL import Image, ImageCms
from png_by_hand import png

from stylegan_cli.media.decoding import UnusableError, decode, original, size_of

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning")
GOLDEN = Path(__file__).parents[1] / "golden"
GREYS = np.linspace(0, 65535, 64).reshape(8, 8)


def encoded(image, format, **options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def colours(content):
    image = decode(content)
    assert image.mode == "RGB"
    return np.asarray(image).astype(int)


def says_so(content, data):
    """Damages some bytes: then there is a picture, or one sentence."""
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(0, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert decode(bytes(damaged)).mode == "RGB"
    except UnusableError as error:
        assert len(str(error).splitlines()) == 1


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "TGA", "JPEG2000"])
def test_formats(format):
    image = Image.new("RGB", (16, 16), (200, 100, 50))
    assert np.abs(colours(encoded(image, format)) - (200, 100, 50)).max() <= 4


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "LA", "CMYK", "YCbCr"])
def test_modes(mode):
    image = Image.new("RGB", (4, 4), "white").convert(mode)
    tiff = {"format": "TIFF", "compression": "tiff_lzw"}  # uncompressed, Pillow before 13 cannot read its own YCbCr
    assert (colours(encoded(image, **(tiff if mode in ("CMYK", "YCbCr") else {"format": "PNG"}))) == 255).all()


def test_cmyk_jpeg_keeps_its_colours():
    image = Image.new("RGB", (16, 16), (200, 100, 50)).convert("CMYK")
    assert np.abs(colours(encoded(image, "JPEG", quality=95)) - (200, 100, 50)).max() <= 4


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_16_bit_grey_keeps_its_range(format):
    found = colours(encoded(Image.fromarray(GREYS.astype(np.uint16)), format))
    assert np.abs(found - (GREYS / 257)[..., None]).max() <= 0.5
    assert (found[0, 0, 0], found[-1, -1, 0]) == (0, 255)


def test_one_of_16_bit_greys_may_be_transparent():
    image = Image.fromarray(np.array([[0, 1000], [1001, 65535]], np.uint16))
    found = original(encoded(image, "PNG", transparency=1000))
    assert np.asarray(found.image)[..., 0].tolist() == [[0, 255], [4, 255]]
    kept = np.asarray(found.with_alpha(found.image))
    assert kept[..., 3].tolist() == [[255, 0], [255, 255]] and kept[0, 1, 0] == 4


@pytest.mark.parametrize(("mode", "kind"), [("I;16", "<u2"), ("I;16B", ">u2")])
def test_large_16_bit_pictures_take_little_memory(mode, kind):
    """They are converted by strips, whose borders do not show."""
    column = np.linspace(0, 65535, 1000).astype(np.uint16)
    array = np.broadcast_to(column[:, None], (1000, 2000)).astype(kind)
    content = encoded(Image.frombytes(mode, (2000, 1000), array.tobytes()), "TIFF")
    tracemalloc.start()
    found = decode(content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.abs(np.asarray(found)[:, 0, 0] - column / 257).max() <= 0.5
    assert peak < 6 * array.size


def test_16_bit_colour():
    row = b"\0" + struct.pack(">6H", 0xC800, 0x6400, 0x3200, 65535, 0, 0x8000)
    assert colours(png(2, 1, 16, 2, row)).tolist() == [[[200, 100, 50], [255, 0, 128]]]


@pytest.mark.parametrize(
    ("array", "reason"), [(np.full((4, 4), 1 << 20, np.int32), "32 bits"), (np.ones((4, 4), np.float32), "floating")]
)
def test_pixels_without_a_known_white(array, reason):
    with pytest.raises(UnusableError, match=reason):
        decode(encoded(Image.fromarray(array), "TIFF"))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_ones_are_on_white(mode):
    image = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    assert (colours(encoded(image.convert(mode), "PNG", **({"transparency": 0} if mode == "P" else {}))) == 255).all()


@pytest.mark.parametrize("format", ["PNG", "JPEG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_orientations_come_out_upright(orientation, format):
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
    found = colours(encoded(image, format, exif=exif, quality=95, subsampling=0))
    assert found.shape == (32, 64, 3)
    assert np.abs(found - np.asarray(upright)).max() < 60


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP"])
def test_first_frame_of_animated_ones(format):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    content = encoded(frames[0], format, save_all=True, append_images=frames[1:])
    assert np.abs(colours(content) - (255, 0, 0)).max() <= 4


def test_profiles_are_converted_to_srgb():
    """Red and green change places in the profile of this picture; a broken profile is left alone."""
    image = Image.new("RGB", (4, 4), (200, 100, 50))
    assert np.abs(colours(encoded(image, "PNG", icc_profile=SWAPPED)) - (100, 200, 50)).max() <= 2
    clear = image.convert("RGBA")
    clear.putpixel((0, 0), (0, 0, 0, 0))
    found = colours(encoded(clear, "PNG", icc_profile=SWAPPED)).reshape(-1, 3)
    assert np.abs(found[1:] - (100, 200, 50)).max() <= 2 and (found[0] == 255).all()
    for profile in (SRGB, b"nonsense"):
        assert (colours(encoded(image, "PNG", icc_profile=profile)) == (200, 100, 50)).all()


def test_a_profile_is_not_taken_for_srgb_by_its_name():
    assert "sRGB" in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(LINEAR)))
    content = encoded(Image.new("RGB", (4, 4), (128, 128, 128)), "PNG", icc_profile=LINEAR)
    assert np.abs(colours(content) - 188).max() <= 1
    assert original(content).profile == LINEAR


@pytest.mark.parametrize("clear", [{}, {"transparency": 1}])
def test_profiles_hold_for_palettes(clear):
    image = Image.new("P", (4, 4), 0)
    image.putpalette([200, 100, 50, 1, 2, 3])
    assert np.abs(colours(encoded(image, "PNG", icc_profile=SWAPPED, **clear)) - (100, 200, 50)).max() <= 2


@pytest.mark.parametrize(("mode", "clear"), [("LA", {}), ("L", {"transparency": 3})])
def test_profiles_of_grey_hold_for_what_is_transparent(mode, clear):
    image = Image.new(mode, (4, 4), (128, 255) if mode == "LA" else 128)
    image.putpixel((0, 0), (128, 0) if mode == "LA" else 3)
    found = original(encoded(image, "PNG", icc_profile=LINEAR_GREY, **clear))
    shown = np.asarray(found.in_srgb()).astype(int)
    assert (shown[0, 0] == 255).all() and np.abs(shown[1:] - 188).max() <= 1
    assert found.profile == b"" and np.asarray(found.rgba)[0, 0, 3] == 0


@pytest.mark.parametrize("format", ["PNG", "WEBP", "JPEG"])
def test_damaged_exif_data_do_not_matter(format):
    image = Image.new("RGB", (4, 4), "red")
    found = colours(encoded(image, format, exif=b"Exif\0\0garbage garbage"))
    assert np.abs(found - (255, 0, 0)).max() <= 4


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF"])
def test_profiles_of_grey_are_converted_to_srgb(format):
    """As scanners and photo editors write them; one for colours says nothing about grey."""
    image = Image.new("L", (4, 4), 128)
    assert np.abs(colours(encoded(image, format, icc_profile=LINEAR_GREY)) - 188).max() <= 1
    assert (colours(encoded(image, format, icc_profile=SWAPPED)) == 128).all()


def test_profiles_of_16_bit_grey_are_converted_to_srgb():
    image = Image.fromarray(np.full((4, 4), 128 * 257, np.uint16))
    assert np.abs(colours(encoded(image, "PNG", icc_profile=LINEAR_GREY)) - 188).max() <= 1


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_an_original_keeps_its_colours(mode):
    own = Image.new("RGB", (4, 4), (200, 100, 50))
    found = original(encoded(own.convert(mode), "PNG", icc_profile=SWAPPED))
    assert np.array_equal(np.asarray(found.image), np.asarray(own)) and found.profile == SWAPPED
    srgb = found.in_srgb()
    assert np.abs(np.asarray(srgb).astype(int) - (100, 200, 50)).max() <= 2
    assert np.abs(np.asarray(found.matched(srgb)).astype(int) - (200, 100, 50)).max() <= 2
    assert not srgb.info and not found.image.info  # Pillow would write a profile into other files


CLEAR = Image.new("RGBA", (8, 4), (200, 100, 50, 255))
CLEAR.paste((20, 40, 60, 0), (0, 0, 4, 4))


@pytest.mark.parametrize(
    ("mode", "options"),
    [("RGBA", {}), ("RGBA", {"icc_profile": SWAPPED}), ("LA", {}), ("P", {}), ("RGB", {"transparency": (20, 40, 60)})],
)
def test_what_is_transparent_stays_so_with_its_colours(mode, options):
    image = CLEAR.convert(mode)
    if mode == "P":
        image = CLEAR.convert("RGB").convert("P", palette=Image.Palette.ADAPTIVE)
        options = {"transparency": image.getpixel((0, 0))}
    found = original(encoded(image, "PNG", **options))
    assert np.array_equal(np.asarray(found.image)[0, 0], (255, 255, 255))
    kept = np.asarray(found.with_alpha(found.image))
    assert np.array_equal(kept, np.asarray(CLEAR.convert(mode if mode == "LA" else "RGBA").convert("RGBA")))


@pytest.mark.parametrize("orientation", [1, 6])
def test_transparency_turns_with_its_picture(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = original(encoded(CLEAR, "PNG", exif=exif))
    turned = CLEAR if orientation == 1 else CLEAR.transpose(Image.Transpose.ROTATE_270)
    assert np.array_equal(np.asarray(found.with_alpha(found.image)), np.asarray(turned))


def test_what_changes_looks_on_white_as_it_was_made():
    """As far as possible: half a pixel cannot be darker than half white. Where nothing can be seen, nothing changes."""
    alphas = np.arange(256, dtype=np.uint8)[None].repeat(300, axis=0)
    pixels = np.random.default_rng(0).integers(0, 256, (300, 256, 3), np.uint8)
    found = original(encoded(Image.fromarray(np.dstack([pixels, alphas])), "PNG"))
    edited = np.array(found.image)
    edited[5:280, :, 1:] //= 2
    kept = np.asarray(found.with_alpha(Image.fromarray(edited)))
    assert np.array_equal(kept[..., 3], alphas)
    is_same = (edited == found.image).all(axis=2) | (alphas == 0)
    assert np.array_equal(kept[is_same, :3], pixels[is_same]) and not is_same[5:280, 1:].any()
    shown = decode(encoded(Image.fromarray(kept), "PNG"))
    possible = np.maximum(edited, 255 - alphas[..., None].astype(int))
    assert np.abs(np.asarray(shown).astype(int) - possible).max() <= 1


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_an_edit_of_what_is_opaque_is_itself(mode):
    found = original(encoded(Image.new(mode, (4, 4), "red"), "PNG"))
    edited = Image.new("RGB", (4, 4), "blue")
    assert found.with_alpha(edited) is edited


@pytest.mark.parametrize("profile", [SRGB, b"nonsense", b""])
def test_an_original_without_colours_of_its_own_is_srgb(profile):
    found = original(encoded(Image.new("RGB", (4, 4), (200, 100, 50)), "PNG", icc_profile=profile))
    assert found.profile == b"" and found.in_srgb() is found.image is found.matched(found.image)


PHONE = (GOLDEN / "phone.heic").read_bytes()


def test_photos_of_iphones():
    """Upright, although they are stored lying on their side."""
    with Image.open(GOLDEN / "faces" / "laughing.jpg") as image:
        expected = np.asarray(image.crop((0, 0, 192, 160))).astype(int)
    assert np.abs(colours(PHONE) - expected).mean() < 5


def test_sizes_are_known_without_decoding():
    assert set(size_of(io.BytesIO(PHONE))) == {192, 160}
    for format in ("PNG", "JPEG", "WEBP"):
        assert size_of(io.BytesIO(encoded(Image.new("RGB", (30, 20)), format))) == (30, 20)


@settings(max_examples=100)
@given(st.data())
def test_damaged_photos_of_iphones_say_so(data):
    says_so(PHONE[: data.draw(st.integers(12, len(PHONE)))], data)


def test_a_bomb_of_iphones():
    """Its header says 65,536 x 65,536 pixels."""
    size = PHONE.index(b"ispe") + 8
    with pytest.raises(UnusableError, match="too many"):
        decode(PHONE[:size] + struct.pack(">II", 1 << 16, 1 << 16) + PHONE[size + 8 :])


@pytest.mark.parametrize("content", [b"", b"text", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"])
def test_what_is_no_picture(content):
    with pytest.raises(UnusableError, match="not a picture"):
        decode(content)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_cut_off(format):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    content = encoded(noise, format)
    with pytest.raises(UnusableError):
        decode(content[: len(content) // 2])


@pytest.mark.parametrize("mode", ["L", "RGB", "P"])
def test_a_png_half_written(mode):
    """Its tail is zeros, as after a crash."""
    noise = Image.effect_noise((64, 64), 90).convert(mode)
    content = encoded(noise, "PNG")
    for cut in range(len(content) // 2, len(content) - 20, len(content) // 40):
        with pytest.raises(UnusableError, match="is damaged"):
            decode(content[:cut] + bytes(len(content) - cut))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("format", ["JPEG", "WEBP", "AVIF", "MPO", "HEIC"])
def test_photos_copied_partly_say_so(format, share):
    """The rest of the file is zeros, which decoders take for pixels."""
    if format == "HEIC":
        content = (GOLDEN / "phone.heic").read_bytes()
    else:
        noise = Image.effect_noise((128, 128), 90).convert("RGB")
        content = encoded(noise, format, quality=90)
    decode(content)
    kept = int(len(content) * share)
    with pytest.raises(UnusableError, match="is damaged"):
        decode(content[:kept] + bytes(len(content) - kept))


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
def test_transparent_webps_copied_partly_say_so(share):
    """Their profile and their transparency come before their pixels."""
    clear = Image.effect_noise((128, 128), 90).convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize((128, 128)))
    content = encoded(clear, "WEBP", icc_profile=SWAPPED)
    decode(content)
    kept = int(len(content) * share)
    with pytest.raises(UnusableError, match="is damaged"):
        decode(content[:kept] + bytes(len(content) - kept))


@pytest.mark.parametrize("colour", ["black", "navy"])
def test_lossless_webps_of_few_colours_are_whole(colour):
    """Most of their files are zeros."""
    plain = Image.new("RGB", (2400, 2400), colour)
    plain.putpixel((0, 0), (130, 130, 0))
    assert decode(encoded(plain, "WEBP", lossless=True, method=0, quality=0)).size == (2400, 2400)


@pytest.mark.parametrize("format", ["JPEG", "WEBP", "AVIF"])
@pytest.mark.parametrize("colour", ["white", "black", "navy"])
def test_pictures_of_one_colour_are_whole(format, colour):
    """Coders may write long runs of zeros for them."""
    plain = Image.new("RGB", (2400, 2400), colour)
    assert decode(encoded(plain, format)).size == (2400, 2400)


def test_padded_exif_data_at_the_end_are_no_damage():
    exif = Image.Exif()
    exif[0xEA1C] = bytes(2060)  # as Windows' Explorer leaves
    for format in ("JPEG", "WEBP"):
        decode(encoded(Image.new("RGB", (64, 64), "navy"), format, exif=exif))


def test_jpegs_may_be_padded():
    """As cameras do, up to a whole block of the card."""
    content = encoded(Image.effect_noise((64, 64), 90).convert("RGB"), "JPEG")
    assert decode(content + bytes(4096)).tobytes() == decode(content).tobytes()


def test_a_palette_that_is_not_there():
    content = png(2, 1, 8, 3, b"\0\1\2")
    with pytest.raises(UnusableError, match="it has no palette"):
        decode(content)


@pytest.mark.parametrize("edge", [10_000, 60_000])
def test_bombs(edge):
    """A few bytes that say they are many pixels."""
    with pytest.raises(UnusableError, match="too many"):
        decode(png(edge, edge, 1, 0, b""))


@settings(max_examples=150)
@given(st.sampled_from(["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "TGA", "PPM", "AVIF", "JPEG2000"]), st.data())
def test_damaged_ones_say_so(format, data):
    says_so(encoded(Image.radial_gradient("L").resize((32, 32)).convert("RGB"), format), data)


def test_without_memory_nothing_is_called_damaged(monkeypatch):
    def load(self):
        raise MemoryError

    content = encoded(Image.new("RGB", (4, 4)), "JPEG")
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    with pytest.raises(MemoryError):
        decode(content)
