"""What edited faces keep of their photo."""

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageFilter

from stylegan_cli.faces import details

SIZE = 256
MIDDLE = np.s_[64:-64, 64:-64]


def kept(*pictures):
    return details.kept(*pictures)[0]


def values(picture):
    return np.asarray(picture, np.float32)


def plain(grey):
    return Image.new("RGB", (SIZE, SIZE), (grey,) * 3)


def textured(seed, blur, contrast=1.0):
    """A picture with structure that a generator could have drawn."""
    noise = np.random.RandomState(seed).randint(0, 256, (SIZE, SIZE, 3), np.uint8)
    smooth = values(Image.fromarray(noise).filter(ImageFilter.GaussianBlur(blur)))
    return Image.fromarray((128 + (smooth - 128) * contrast * 40 / smooth.std()).clip(40, 215).astype(np.uint8))


def speckled(picture, seed):
    """The same with details that no generator draws."""
    noise = np.random.RandomState(seed).randint(-28, 29, (SIZE, SIZE, 3))
    return Image.fromarray((np.asarray(picture, np.int16) + noise).clip(0, 255).astype(np.uint8))


def like(a, b):
    """How much of the one is in the other, 0 to 1."""
    a, b = (one - one.mean() for one in (a, b))
    return float((a * b).sum() / (b * b).sum())


@pytest.mark.parametrize("size", [64, 100, 256])
@pytest.mark.parametrize("drawn", [plain(120), textured(0, 6)], ids=["plain", "textured"])
def test_an_edit_that_does_nothing_leaves_what_the_crop_shows(drawn, size):
    drawn, shown = (one.resize((size, size)) for one in (drawn, speckled(drawn, 1)))
    assert values(kept(drawn, drawn, shown)) == pytest.approx(values(shown), abs=1)


def test_small_pictures_get_the_details_of_a_larger_crop():
    shown = speckled(plain(120), 3)
    face, drawn = (plain(grey).resize((64, 64)) for grey in (130, 120))
    assert values(kept(face, drawn, shown)) == pytest.approx(values(shown) + 10, abs=1)
    sizes = {(30, 16): 32, (300, 64): 512, (300, 1024): 1024, (3000, 64): 1024, (3000, 2048): 2048, (0.5, 16): 16}
    assert {given: details.crop_size(*given) for given in sizes} == sizes


def test_details_brighter_than_white_are_white():
    drawn = plain(230)
    shown = plain(230)
    shown.paste((255, 255, 255), (100, 100, 104, 104))
    assert values(kept(plain(250), drawn, shown))[100:104, 100:104] == pytest.approx(255, abs=1)


def test_what_an_edit_smooths_is_smoothed_in_the_details():
    """Wrinkles, say, that the generator draws fainter than they are."""
    drawn = textured(1, 3)
    lines = values(drawn) - 128
    shown, after = (Image.fromarray((128 + by * lines).clip(0, 255).astype(np.uint8)) for by in (1.5, 0.5))
    added = values(kept(after, drawn, shown)) - values(after)
    assert 0.15 < like(added, lines) < 0.35


def test_small_edits_are_added_to_what_the_crop_shows():
    shown = speckled(plain(120), 2)
    assert values(kept(plain(130), plain(120), shown)) == pytest.approx(values(shown) + 10, abs=1)


def test_details_move_with_the_face():
    drawn, moved = textured(3, 6), ImageChops.offset(textured(3, 6), 7, -4)
    shown = speckled(drawn, 4)
    speckles = values(shown) - values(drawn)
    added = values(kept(moved, drawn, shown)) - values(moved)
    assert like(added[MIDDLE], np.roll(speckles, (-4, 7), (0, 1))[MIDDLE]) > 0.5
    assert abs(like(added[MIDDLE], speckles[MIDDLE])) < 0.1


def test_where_an_edit_redraws_structure_no_details_are_left():
    """There they would lie across the new ones, like a ghost; elsewhere they stay."""
    drawn = textured(5, 3)
    shown = speckled(drawn, 6)
    speckles = values(shown) - values(drawn)
    after = drawn.copy()
    after.paste(textured(7, 3).crop((0, 0, 128, SIZE)), (0, 0))
    added = values(kept(after, drawn, shown)) - values(after)
    assert added[:, 16:100].std() < speckles.std() / 4
    assert like(added[:, 160:], speckles[:, 160:]) > 0.8


def test_light_is_no_movement():
    drawn = textured(8, 6, contrast=0.5)
    shown = speckled(drawn, 9)
    light = np.linspace(-50, 50, SIZE)[None, :, None]
    after = Image.fromarray((np.asarray(drawn) + light).clip(0, 255).astype(np.uint8))
    added = values(kept(after, drawn, shown)) - values(after)
    assert like(added[MIDDLE], (values(shown) - values(drawn))[MIDDLE]) > 0.9


def test_where_an_edit_changes_colours_much_those_of_the_photo_are_left_out():
    """The photo's light, which the generator did not draw, is no part of hair that is black now."""
    shown = plain(150)
    after = plain(120)
    after.paste((10,) * 3, (0, 0, 128, SIZE))
    found = values(kept(after, plain(120), shown))
    assert found[:, :80] == pytest.approx(10, abs=1)
    assert found[:, 176:] == pytest.approx(150, abs=1)
