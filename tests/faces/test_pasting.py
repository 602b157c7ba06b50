"""Faces put back into photos: nothing changes but the face."""

import tracemalloc

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageFilter
from placing import drawn, placed, values

from stylegan_cli.faces import alignment, details, geometry, pasting

SIZE, CENTRE, EDGE = (360, 300), (180, 150), 160
TURNS = [0, 25, -45, 180]


def places(cut):
    """How far the photo's pixels are beside and below the middle of the crop, in shares of its edge: `[2, h, w]`."""
    y, x = np.indices(cut.size[::-1]) + 0.5
    from_middle = np.stack([x, y], axis=-1) - cut.corners.mean(axis=0)
    across, down = (cut.corners[3] - cut.corners[0], cut.corners[1] - cut.corners[0])
    return np.stack([from_middle @ axis for axis in (across, down)]) / cut.edge**2


def distance(cut):
    """How far the photo's pixels `[h, w]` are from the middle of the crop, across or down, in shares of its edge."""
    return np.abs(places(cut)).max(axis=0)


@pytest.fixture(scope="module")
def photo(faces):
    """A face amid something lively."""
    pixels = np.random.RandomState(1).randint(0, 255, (30, 36, 3), np.uint8)
    wall = Image.fromarray(pixels).resize(SIZE, Image.Resampling.BICUBIC)
    mask = drawn(Image.new("RGB", (8, 8), "white"), SIZE, CENTRE, 200, 0, "black").convert("L")
    return Image.composite(drawn(faces["laughing"], SIZE, CENTRE, 200), wall, mask)


@pytest.mark.parametrize("degrees", TURNS)
def test_an_unedited_face_changes_nothing(photo, degrees):
    """Beyond what drawing it twice costs in sharpness."""
    cut = placed(SIZE, CENTRE, EDGE, degrees)
    face = alignment.crop(photo, cut, 512)
    pasted = pasting.paste(photo, face, cut, None)
    assert np.abs(values(pasted) - values(photo)).mean() < 0.5
    assert np.abs(values(pasted) - values(photo)).max() < 40


@pytest.mark.parametrize("degrees", TURNS)
def test_with_its_details_an_unedited_face_changes_nothing_at_all(photo, degrees):
    cut = placed(SIZE, CENTRE, EDGE, degrees)
    shown = alignment.crop(photo, cut, 256)
    face, kept = details.kept(*[shown.filter(ImageFilter.GaussianBlur(3))] * 2, shown)
    pasted = pasting.paste(photo, face, cut, shown, kept=kept)
    assert np.abs(values(pasted) - values(photo)).max() <= 1


def test_details_finer_than_the_crop_stay_where_they_are_kept():
    noise = np.random.RandomState(0).randint(80, 176, (600, 600, 3), np.uint8)
    photo, cut = Image.fromarray(noise), placed((600, 600), (300, 300), 500)
    shown = alignment.crop(photo, cut, 128)
    face = Image.eval(shown, lambda grey: grey + 20)
    kept = np.ones((128, 128, 1), np.float32)
    kept[:, :64] = 0  # on the left, the edit redrew something
    change = values(pasting.paste(photo, face, cut, shown, kept=kept)) - values(photo)
    assert change[250:350, 360:440] == pytest.approx(20, abs=4)
    assert change[250:350, 160:240].std() > 5  # drawn twice, noise loses that much


@pytest.mark.parametrize("degrees", TURNS)
def test_beyond_a_margin_nothing_changes_at_all(photo, degrees):
    cut = placed(SIZE, CENTRE, EDGE, degrees)
    pasted = pasting.paste(photo, Image.new("RGB", (256, 256), "lime"), cut, alignment.crop(photo, cut, 256))
    assert (pasted.mode, pasted.size) == ("RGB", SIZE)
    changed = (values(pasted) != values(photo)).any(axis=2)
    assert not changed[distance(cut) > 0.5 + pasting.MARGIN].any()
    assert changed[distance(cut) < 0.3].all()


@pytest.mark.parametrize("degrees", TURNS)
def test_an_edit_amid_the_crop_changes_nothing_outside_of_it(photo, degrees):
    cut = placed(SIZE, CENTRE, EDGE, degrees)
    face = alignment.crop(photo, cut, 256)
    edited = face.copy()
    edited.paste((255, 0, 0), (96, 96, 160, 160))
    changed = (values(pasting.paste(photo, edited, cut, face)) != values(photo)).any(axis=2)
    assert not changed[distance(cut) > 0.5].any()


def test_of_who_was_there_nothing_is_left_beside_somebody_else(photo, faces):
    """Where their hair was, within the crop, there is the other's picture; beyond the crop nothing changes."""
    cut = placed(SIZE, CENTRE, EDGE)
    face = faces["old"].resize((256, 256))
    pasted = pasting.paste(photo, face, cut, None)
    beside = (slice(60, 200), slice(12, 30))  # outside of the face itself
    before, there = (values(alignment.crop(one, cut, 256))[beside].ravel() for one in (photo, pasted))
    here = values(face)[beside].ravel()
    assert np.corrcoef(here, there)[0, 1] > 0.95 and np.corrcoef(before, there)[0, 1] < 0.5
    changed = (values(pasted) != values(photo)).any(axis=2)
    assert not changed[distance(cut) > 0.5].any()


@pytest.mark.parametrize("is_other", [False, True])
def test_faces_beside_it_stay(photo, is_other):
    """What is nearer to them, in units of each face, is theirs: also of somebody small."""
    cut = placed(SIZE, CENTRE, EDGE)
    large, small = (
        placed(SIZE, (CENTRE[0] + 110, CENTRE[1]), EDGE),
        placed(SIZE, (CENTRE[0] - 70, CENTRE[1]), EDGE // 4),
    )
    reference = None if is_other else alignment.crop(photo, cut, 256)
    lime = Image.new("RGB", (256, 256), "lime")
    x = (np.arange(SIZE[0]) + 0.5 - CENTRE[0]) / EDGE
    row = [(values(one) != values(photo)).any(axis=2)[CENTRE[1]] for one in (
        pasting.paste(photo, lime, cut, reference), pasting.paste(photo, lime, cut, reference, None, [large, small])
    )]  # fmt: skip
    theirs = (np.abs(x + 70 / EDGE) < 0.06) | (x > 110 / EDGE / 2 + 2 * pasting.BETWEEN)
    assert row[0][theirs & (np.abs(x) < 0.45)].all()
    assert not row[1][theirs].any()
    assert row[1][np.abs(x) < 0.25].all()


def test_the_photo_given_is_left_as_it_is(photo):
    before = photo.copy()
    lime = Image.new("RGB", (64, 64), "lime")
    pasting.paste(photo, lime, placed(SIZE, CENTRE, EDGE), lime)
    assert not ImageChops.difference(photo, before).getbbox()


def test_there_is_no_seam(photo):
    """From pixel to pixel the change itself is small all around, where an edit reaches the border of the crop."""
    cut = placed(SIZE, CENTRE, EDGE, 10)
    face = alignment.crop(photo, cut, 256)
    other = face.point(lambda value: 40 + value * 0.8)
    change = values(pasting.paste(photo, other, cut, face)) - values(photo)
    rim = (distance(cut) > 0.4)[1:, 1:, None]
    for axis in (0, 1):
        steps = np.abs(np.diff(change, axis=axis))[: SIZE[1] - 1, : SIZE[0] - 1]
        assert (steps * rim).max() < 30


CASTS = {"darker": lambda value: value * 0.8, "lighter": lambda value: 20 + value * 0.9}


@pytest.mark.parametrize("name", CASTS)
def test_colours_become_those_of_the_photo(photo, name):
    """A generator's picture is a little darker or lighter than the photo; that is no edit."""
    cut = placed(SIZE, CENTRE, EDGE)
    face = alignment.crop(photo, cut, 256)
    drawn_so = face.point(CASTS[name])
    pasted = pasting.paste(photo, drawn_so, cut, drawn_so)
    assert abs((values(pasted) - values(photo))[distance(cut) < 0.3].mean()) < 6


def test_what_was_edited_stays(photo):
    cut = placed(SIZE, CENTRE, EDGE, 15)
    face = alignment.crop(photo, cut, 256)
    edited = face.copy()
    edited.paste((255, 0, 0), (96, 96, 160, 160))
    pasted = pasting.paste(photo, edited, cut, face)
    inside = values(pasted)[distance(cut) < 0.1]
    assert np.abs(inside - (255, 0, 0)).max() < 20
    assert np.abs(values(pasted) - values(photo))[distance(cut) > 0.25].mean() < 2


def test_hair_beside_the_face_goes_along_only_where_it_was_edited(photo):
    """In a corner of the crop, outside of the face's oval."""
    cut = placed(SIZE, CENTRE, EDGE)
    face = alignment.crop(photo, cut, 256)
    edited = face.copy()
    edited.paste((255, 0, 0), (30, 30, 62, 62))
    pasted = values(pasting.paste(photo, edited, cut, face))
    across, down = places(cut)
    corner = (np.abs(across + 0.32) < 0.03) & (np.abs(down + 0.32) < 0.03)
    assert np.abs(pasted[corner] - (255, 0, 0)).max() < 60
    assert np.abs(pasted - values(photo))[(across > 0.3) & (down > 0.3) & (distance(cut) < 0.5)].mean() < 2


def test_around_an_edit_details_are_the_edited_faces(photo):
    """Single hairs beside a mass of it change no colour that is compared, but belong to it; farther away they stay."""
    cut = placed(SIZE, CENTRE, EDGE)
    face = alignment.crop(photo, cut, 256)
    fine = (np.indices((256, 256)).sum(axis=0) // 2 % 2 * 2 - 1) * 40
    hairy = values(face)
    hairy[20:80, 8:80] = 128 + fine[20:80, 8:80, None]
    plain = hairy.copy()
    plain[20:80, 8:80] = 128
    hairy[30:62, 42:74] = (255, 0, 0)
    edited, reference = (Image.fromarray(one.clip(0, 255).astype(np.uint8)) for one in (hairy, plain))
    pasted = values(alignment.crop(pasting.paste(photo, edited, cut, reference), cut, 256))
    before = values(alignment.crop(photo, cut, 256))
    beside, far = (
        np.abs(((pasted - before) * fine[..., None] / 40)[32:60, columns].mean())
        for columns in (slice(36, 40), slice(16, 20))
    )
    assert beside > 10 > 3 > far


HAIR, WALL, FLAG, JACKET = (100, 70, 40), (180, 180, 190), (20, 40, 160), (230, 60, 40)
GREYER = np.array([100, 110, 120])


def test_hair_that_leaves_the_crop_takes_on_its_colour():
    """Grey hair has no brown rim where the crop ends. The wall stays as it is, and a flag,
    of which the crop shows nothing, almost."""
    cut = placed(SIZE, CENTRE, EDGE)
    top = round(cut.corners[:, 1].min())
    pixels = np.random.RandomState(2).normal(WALL, 5, (*SIZE[::-1], 3))
    pixels[top - 20 : 200, 130:230] += np.subtract(HAIR, WALL)
    pixels[top - 20 : top - 1, 190:230] += np.subtract(FLAG, HAIR)
    photo = Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8))
    face = alignment.crop(photo, cut, 256)
    turned = values(face).mean(axis=2, keepdims=True) < 125
    edited = Image.fromarray((values(face) + turned * GREYER).clip(0, 255).astype(np.uint8))
    change = values(pasting.paste(photo, edited, cut, face)) - values(photo)
    near = slice(top - 6, top + 6)
    assert np.abs(change[near, 140:170].mean(axis=(0, 1)) - GREYER).max() < 15
    assert np.abs(change[top - 6 : top - 2, 195:225]).mean() < GREYER.mean() / 3
    assert np.abs(change[near, 105:125]).mean() < 2


def test_hair_cut_off_by_the_photo_takes_on_its_colour():
    """Where the photo ends, its details are kept, but not the colours that they had."""
    cut = placed(SIZE, (180, 60), EDGE)
    pixels = np.random.RandomState(2).normal(WALL, 5, (*SIZE[::-1], 3))
    pixels[:120, 130:230] += np.subtract(HAIR, WALL)
    photo = Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8))
    face = alignment.crop(photo, cut, 256)
    turned = values(face).mean(axis=2, keepdims=True) < 140
    edited = Image.fromarray((values(face) + turned * GREYER).clip(0, 255).astype(np.uint8))
    change = values(pasting.paste(photo, edited, cut, face)) - values(photo)
    assert np.abs(change[:8, 140:220] - GREYER).mean() < 20


@pytest.mark.parametrize("centre", [(40, 150), (180, 30), (330, 280), (180, 290)])
def test_a_face_cut_off_keeps_the_photo_sharp(photo, centre):
    """Crops are blurred where they leave the photo, before they do: that must not come back."""
    cut = placed(SIZE, centre, EDGE, 5)
    face = alignment.crop(photo, cut, 512)
    pasted = pasting.paste(photo, face, cut, None)
    assert pasted.size == SIZE
    assert np.abs(values(pasted) - values(photo))[distance(cut) < 0.4].mean() < 3
    assert np.abs(values(pasted) - values(photo)).max() < 50


def test_what_an_edit_changes_only_beyond_the_photo_changes_no_colour_in_it():
    """A wall, and above the photo's edge a mirror image of it, which the edit makes red."""
    cut = placed(SIZE, (180, 30), EDGE)
    photo = Image.new("RGB", SIZE, WALL)
    face = alignment.crop(photo, cut, 256)
    edited = face.copy()
    edited.paste((255, 0, 0), (0, 0, 256, round((EDGE / 2 - 30) / EDGE * 256) - 8))
    assert np.abs(values(pasting.paste(photo, edited, cut, face)) - WALL).max() <= 3


@pytest.mark.parametrize("centre", [(30, 40), (330, 150), (180, 290)])
@pytest.mark.parametrize(("finest", "most"), [(1024, 1.5), (32, 8)])  # the mirror is as coarse as the pixels
def test_beyond_the_photo_is_its_mirror_image(photo, centre, finest, most, monkeypatch):
    """In its place, also if the photo is much larger than what is compared: a silhouette sees all of it."""
    monkeypatch.setattr(pasting, "FINEST", finest)
    cut, seen, border = placed(SIZE, centre, EDGE, 5), [], 160
    pasting.paste(
        photo, Image.new("RGB", (64, 64)), cut, None, lambda picture: seen.append(picture) or np.ones((9, 9, 1))
    )
    mirrored = Image.fromarray(np.pad(np.asarray(photo), ((border, border), (border, border), (0, 0)), "symmetric"))
    wide = 1 + 2 * pasting.MARGIN
    corners = geometry.inside(cut.corners, geometry.WHOLE * wide - pasting.MARGIN) + border
    there = values(seen[0])
    expected = values(geometry.cut(mirrored, corners, len(there)))
    assert np.abs(there - expected).mean() < most


@pytest.mark.parametrize(("edge", "size"), [(20, 64), (20, 1024), (280, 512), (280, 1024)])
def test_faces_of_any_size_go_back(photo, edge, size):
    cut = placed(SIZE, CENTRE, edge)
    face = alignment.crop(photo, cut, size)
    assert np.abs(values(pasting.paste(photo, face, cut, face)) - values(photo)).mean() < 2


def test_memory_does_not_grow_with_the_photo(monkeypatch):
    monkeypatch.setattr(pasting, "FINEST", 256)  # quicker
    face = Image.new("RGB", (256, 256), "lime")
    peaks = []
    for edge in (300, 600):
        photo = Image.new("RGB", (edge, edge), "grey")
        tracemalloc.start()
        pasting.paste(photo, face, placed(photo.size, (edge / 2, edge / 2), 0.9 * edge), face)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0] < 40e6


def test_a_face_larger_than_the_photo_goes_back(photo):
    cut = placed(SIZE, CENTRE, 900)
    face = alignment.crop(photo, cut, 1024)
    change = np.abs(values(pasting.paste(photo, face, cut, face)) - values(photo))
    assert change[distance(cut) < 0.05].mean() < 2
    assert change[0].mean() < 6


@pytest.fixture
def before_a_wall():
    """Somebody, her crop, and what an edit makes of it: grey hair, and another wall."""
    cut = placed(SIZE, CENTRE, EDGE)
    pixels = np.random.RandomState(2).normal(WALL, 5, (*SIZE[::-1], 3))
    pixels[110:260, 140:220] += np.subtract(HAIR, WALL)
    photo = Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8))
    face = alignment.crop(photo, cut, 256)
    hair = values(face).mean(axis=2, keepdims=True) < 125
    edited = Image.fromarray((values(face) + np.where(hair, GREYER, -60)).clip(0, 255).astype(np.uint8))
    return photo, face, cut, edited


def brown(picture):
    """A silhouette of what is redder than any WALL: HAIR, grey or not."""
    red, _, blue = np.moveaxis(values(picture.resize((256, 256))), 2, 0)
    return (red - blue > 15)[..., None].astype(np.float32)


def red(picture):
    """Where there is a JACKET."""
    red, _, blue = np.moveaxis(values(picture.resize((64, 64))), 2, 0)
    return (red - blue > 120)[..., None].astype(np.float32)


@pytest.mark.parametrize("silhouette", [brown, None])
def test_clothes_stay(before_a_wall, silhouette):
    """The generator draws others, in the crop and thus around it; but hair that grows over them is drawn."""
    photo, face, cut, _ = before_a_wall
    photo.paste(JACKET, (120, 200, 240, 300))
    face = alignment.crop(photo, cut, 256)
    edited = values(face)
    edited[values(face)[..., 0] - values(face)[..., 2] > 120] = (250, 130, 60)
    edited[200:240, 70:90] = HAIR
    edited = Image.fromarray(edited.clip(0, 255).astype(np.uint8))
    change = values(pasting.paste(photo, edited, cut, face, silhouette, (), red)) - values(photo)
    before = values(pasting.paste(photo, edited, cut, face, silhouette)) - values(photo)
    clothes = np.s_[206:, 160:235]
    assert np.abs(change[clothes]).max() < 12 and np.abs(before[clothes]).max() > 40
    assert np.abs(change[230:, :]).max() < 12 < np.abs(before[230:, :]).max()
    hair = np.s_[204:215, 146:153]
    assert np.abs((values(photo) + change)[hair].mean(axis=(0, 1)) - HAIR).max() < 40


def test_what_is_behind_people_stays(before_a_wall):
    photo, face, cut, edited = before_a_wall
    change, other = (
        values(pasting.paste(photo, edited, cut, face, silhouette)) - values(photo) for silhouette in (brown, None)
    )
    assert np.abs(change[130:210, 150:210] - GREYER).mean() < 12
    wall = np.ones(SIZE[::-1], bool)
    wall[95:275, 125:235] = False
    assert np.abs(change[wall]).mean() < 0.5 < 10 < np.abs(other[wall & (distance(cut) < 0.45)]).mean()


def test_loose_hair_goes_along(before_a_wall):
    """Silhouettes do not reach so far."""
    photo, face, cut, edited = before_a_wall

    def tight(picture):
        seen = Image.fromarray((brown(picture)[..., 0] * 255).astype(np.uint8))
        return np.asarray(seen.filter(ImageFilter.MinFilter(11)), np.float32)[..., None] / 255

    change = values(pasting.paste(photo, edited, cut, face, tight)) - values(photo)
    for edge in (141, 215):  # the outermost pixels of the hair
        assert np.abs(change[130:210, edge : edge + 4].mean(axis=(0, 1)) - GREYER).max() < 25


def test_what_comes_to_light_has_the_colours_of_what_is_behind(before_a_wall):
    """Where an edit takes hair off, the generator draws its own wall, which is another."""
    photo, face, cut, _ = before_a_wall
    edited = Image.fromarray(np.full((256, 256, 3), np.subtract(WALL, 60), np.uint8))
    edited.paste(HAIR, (112, 80, 160, 256))
    pasted, other = (values(pasting.paste(photo, edited, cut, face, silhouette)) for silhouette in (brown, None))
    for x in (148, 212):
        assert np.abs(pasted[150:200, x - 3 : x + 4] - WALL).mean() < 15
        assert np.abs(other[150:200, x - 3 : x + 4] - WALL).mean() > 40


def test_hair_that_grows_over_the_wall_ends_where_the_crop_does(before_a_wall):
    """It leaves no shadow on the wall beyond, and at its lower border ends in strands."""
    photo, face, cut, _ = before_a_wall
    edited = face.copy()
    edited.paste(HAIR, (0, 60, 64, 256))
    change = np.abs(values(pasting.paste(photo, edited, cut, face, brown)) - values(photo)).mean(axis=2)
    assert change[120:200, 115:130].min() > 30
    assert change[:, :98].max() < 12 and change[233:, :130].max() < 12
    ends = (change[120:230, 112:132] > 30).sum(axis=0)
    assert np.ptp(ends) > 0.03 * EDGE and ends.max() < 110 - 0.03 * EDGE


@pytest.mark.parametrize(("top", "is_less"), [(60, True), (0, False)])  # a strand less is no less
def test_hair_that_an_edit_takes_off_goes_beyond_the_crop_too(before_a_wall, top, is_less):
    _, _, cut, _ = before_a_wall
    pixels = np.random.RandomState(2).normal(WALL, 5, (*SIZE[::-1], 3))
    pixels[50:280, 140:220] += np.subtract(HAIR, WALL)
    photo = Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8))
    face = alignment.crop(photo, cut, 256)
    edited = Image.fromarray(np.full((256, 256, 3), np.subtract(WALL, 60), np.uint8))
    edited.paste(HAIR, (64, top, 192 if is_less else 180, 256))
    pasted = values(pasting.paste(photo, edited, cut, face, brown))
    there = WALL if is_less else HAIR
    for height in (np.s_[56:68], np.s_[72:90]):  # beyond the crop, and in it
        assert np.abs(pasted[height, 150:210].mean(axis=(0, 1)) - there).max() < 25
    assert np.abs(pasted[240:270, 150:210].mean(axis=(0, 1)) - HAIR).max() < 10


@pytest.fixture
def somebody_else():
    """Long hair from above the crop to below it, her place, and another person with short hair before a dark wall."""
    cut = placed(SIZE, CENTRE, EDGE)
    pixels = np.random.RandomState(2).normal(WALL, 5, (*SIZE[::-1], 3))
    pixels[55:280, 130:230] += np.subtract(HAIR, WALL)
    face = Image.fromarray(np.full((256, 256, 3), np.subtract(WALL, 120), np.uint8))
    face.paste(HAIR, (96, 32, 160, 256))
    return Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8)), face, cut


def test_behind_somebody_else_is_the_wall_of_the_photo(somebody_else):
    """Beside their head, where hair was, and above it; but shoulders stay, low in the crop as below it."""
    pasted = values(pasting.paste(somebody_else[0], somebody_else[1], somebody_else[2], None, brown))
    for x in (140, 220):
        assert np.abs(pasted[120:200, x - 5 : x + 6].mean(axis=(0, 1)) - WALL).max() < 15
        assert np.abs(pasted[216:228, x - 5 : x + 6].mean(axis=(0, 1)) - HAIR).max() < 15
    assert np.abs(pasted[62:85, 150:210].mean(axis=(0, 1)) - WALL).max() < 15
    assert np.abs(pasted[150:200, 170:190].mean(axis=(0, 1)) - HAIR).max() < 15
    below = (slice(232, 300), slice(0, 360))
    assert (pasted[below] == values(somebody_else[0])[below]).all()


def test_the_pattern_of_the_wall_goes_on_behind_somebody_else(somebody_else):
    """As if nobody had stood there, and not as its mean colour."""
    photo, face, cut = somebody_else
    pixels, stripes = values(photo), np.where(np.arange(SIZE[1]) // 8 % 2, 40, -40)[:, None, None]
    wall = np.abs(pixels - WALL).max(axis=2, keepdims=True) < 40
    photo = Image.fromarray((pixels + stripes * wall).clip(0, 255).astype(np.uint8))
    blurred = ImageFilter.BoxBlur(9)
    pasted = values(pasting.paste(photo, face, cut, None, lambda picture: brown(picture.filter(blurred))))
    beside = pasted[120:184, 132:142].mean(axis=(1, 2))
    assert np.corrcoef(beside, stripes[120:184, 0, 0])[0, 1] > 0.8 and np.ptp(beside) > 40


def test_whoever_is_only_probably_seen_leaves_no_colour_on_the_wall(somebody_else):
    photo, face, cut = somebody_else
    pasted = values(pasting.paste(photo, face, cut, None, lambda picture: 0.8 * brown(picture)))
    assert np.abs(pasted[120:200, 142:158].mean(axis=(0, 1)) - WALL).max() < 40


def test_hair_and_an_ear_beside_the_crop_come_off(somebody_else):
    """Of a head that is turned away; hands and shoulders, farther down, stay."""
    photo, face, cut = somebody_else
    for top, bottom in ((100, 152), (210, 260)):
        photo.paste(HAIR, (80, top, 130, bottom))
    pasted = values(pasting.paste(photo, face, cut, None, brown))
    assert np.abs(pasted[120:145, 93:99].mean(axis=(0, 1)) - WALL).max() < 30
    assert np.abs(pasted[215:225, 93:99].mean(axis=(0, 1)) - HAIR).max() < 5


def test_the_whole_head_of_somebody_else_is_drawn(somebody_else):
    """Up to the crop's border, and with its own outline there."""
    photo, face, cut = somebody_else
    face.paste(HAIR, (96, 3, 160, 256))
    pasted = values(pasting.paste(photo, face, cut, None, brown))
    top = round(float(np.asarray(cut.corners)[:, 1].min()))
    assert abs(pasted[top + 4 : top + 7, 170:190, 0].mean() - HAIR[0]) < 35
    assert np.abs(pasted[top - 10 : top - 3, 170:190].mean(axis=(0, 1)) - WALL).max() < 20


def test_long_hair_of_somebody_else_ends_in_strands():
    """Beside the neck, not all at the same height; the neck itself goes down to the edge of the crop."""
    cut = placed(SIZE, CENTRE, EDGE)
    face = Image.new("RGB", (256, 256), "white")
    pasted = values(pasting.paste(Image.new("RGB", SIZE), face, cut, None))[..., 0]
    left, top = (round(float(edge)) for edge in np.asarray(cut.corners).min(axis=0))
    ends = (pasted[top + EDGE // 2 :] > 128).sum(axis=0)[left : left + EDGE]
    hair, neck = ends[EDGE // 20 : EDGE // 7], ends[EDGE // 2 - EDGE // 8 : EDGE // 2 + EDGE // 8]
    assert np.ptp(neck) <= 1 and np.ptp(hair) > 0.03 * EDGE
    assert hair.min() > 0.3 * EDGE and hair.max() < neck.min() - 0.03 * EDGE


def test_clothes_of_somebody_else_do_not_come_along(somebody_else):
    """Nor do they take hair with them that is beside the throat."""
    photo, face, cut = somebody_else
    dressed = face.copy()
    for left in (0, 204):
        dressed.paste(JACKET, (left, 190, left + 52, 256))
    without, pasted = (values(pasting.paste(photo, one, cut, None, brown, (), red)) for one in (face, dressed))
    assert np.abs(pasted - without).max() < 60 and np.abs(pasted - without).mean() < 0.1
    dressed.paste(HAIR, (64, 32, 192, 256))
    assert np.abs(values(pasting.paste(photo, dressed, cut, None, brown, (), red))[215:220, 145:215] - HAIR).mean() < 15


def test_clothes_stay_however_high_they_are(somebody_else):
    """A shoulder beside the chin: it is no hair that somebody else does not have."""
    photo, face, cut = somebody_else
    photo.paste(JACKET, (130, 160, 150, 260))
    pasted = values(pasting.paste(photo, face, cut, None, brown, (), red))
    assert np.abs(pasted[164:216, 133:147] - JACKET).max() < 12
    assert np.abs(pasted[164:200, 215:225].mean(axis=(0, 1)) - WALL).max() < 15


def test_bystanders_of_somebody_else_do_not_come_along(somebody_else):
    photo, face, cut = somebody_else
    beside = face.copy()
    beside.paste(HAIR, (20, 60, 60, 150))
    without, pasted = (values(pasting.paste(photo, one, cut, None, brown)) for one in (face, beside))
    assert np.abs(pasted - without).max() < 60 and np.abs(pasted - without).mean() < 0.1


def test_where_no_wall_is_seen_none_is_made_up(somebody_else):
    _, face, cut = somebody_else
    photo = Image.new("RGB", SIZE, HAIR)
    changed = (values(pasting.paste(photo, face, cut, None, brown)) != HAIR).any(axis=2)
    assert changed[distance(cut) < 0.4].any() and not changed[distance(cut) > 0.5].any()


def test_whoever_is_not_seen_in_their_own_picture_goes_in_all_the_same(somebody_else):
    """A drawing, or a model's failure, rather than nobody: the one who was there would just be gone."""
    photo, _, cut = somebody_else
    pasted = values(pasting.paste(photo, Image.new("RGB", (256, 256), (20, 60, 200)), cut, None, brown))
    assert np.abs(pasted[140:160, 170:190] - (20, 60, 200)).max() < 8


def test_where_nobody_is_seen_faces_go_back_all_the_same(before_a_wall):
    """A cat's, or what else a model draws."""
    photo, face, cut, edited = before_a_wall
    seen = pasting.paste(photo, edited, cut, face, lambda _picture: np.zeros((256, 256, 1), np.float32))
    assert not ImageChops.difference(seen, pasting.paste(photo, edited, cut, face)).getbbox()


def test_a_black_and_white_photo_stays_one(photo):
    cut = placed(SIZE, CENTRE, EDGE)
    grey = photo.convert("L").convert("RGB")
    face = alignment.crop(photo, cut, 256)  # in colour, as models draw
    edited = ImageChops.invert(face)
    pasted = values(pasting.paste(grey, edited, cut, face))
    assert np.ptp(pasted, axis=2).max() == 0
    assert np.ptp(values(pasting.paste(photo, edited, cut, face)), axis=2).max() > 50
    assert (pasted != values(grey)).any()


@pytest.mark.parametrize("is_other", [False, True])
def test_an_old_photo_keeps_its_tint(photo, is_other):
    """What sepia and yellowed paper add to greys, however noisy the scan."""
    cut = placed(SIZE, CENTRE, EDGE)
    tint, noise = (1, 0.85, 0.65), np.random.RandomState(3).normal(0, 5, (*SIZE[::-1], 3))
    old = Image.fromarray((values(photo.convert("L"))[..., None] * tint + noise).clip(0, 255).astype(np.uint8))
    face = alignment.crop(photo, cut, 256)
    pasted = alignment.crop(pasting.paste(old, ImageChops.invert(face), cut, None if is_other else face), cut, 32)
    red, green, blue = np.moveaxis(values(pasted), 2, 0)
    assert np.abs(green - 0.85 * red).mean() < 4 and np.abs(blue - 0.65 * red).mean() < 6


def test_what_was_drawn_otherwise_casts_no_light_around_it(photo):
    """A hat that the generator did not draw, or drew: its colours are not those of the light on the face."""
    cut = placed(SIZE, CENTRE, EDGE)
    drawn_so = alignment.crop(photo, cut, 256)
    drawn_so.paste((0, 255, 0), (80, 60, 176, 110))
    change = values(pasting.paste(photo, drawn_so, cut, drawn_so)) - values(photo)
    across, down = places(cut)
    below = (np.abs(across) < 0.15) & (np.abs(down) < 0.05)
    assert np.abs(change[below].mean(axis=0)).max() < 12
