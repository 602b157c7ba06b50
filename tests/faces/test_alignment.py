"""Where a face is in its photo, the crop of it, and the way back in the PNG."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from placing import drawn, placed

from stylegan_cli.errors import MALFORMED, StyleganError, UsageError
from stylegan_cli.faces import alignment, detection, geometry
from stylegan_cli.faces.alignment import Alignment
from stylegan_cli.faces.detection import Detection
from stylegan_cli.media.encode import encode

CUT = Alignment(placed((300, 200), (150, 100), 120, 7).quad, (300, 200), 2, "ab" * 32)


def frontal(apart=60.0, nose=0.0):
    """A face with its eyes so far apart, and its nose so far beside the middle, in distances between the eyes."""
    points = np.array([(-0.5, 0), (0.5, 0), (nose, 0.6), (-0.4, 1), (0.4, 1)]) * apart + (150, 80)
    return Detection(np.array([100.0, 40.0, 200.0, 160.0]), 0.99, points, geometry.square(points))


def difference(one, other):
    """How far two pictures differ: the root of the mean square, of 255."""
    return np.sqrt(np.square(np.asarray(one, float) - np.asarray(other, float)).mean())


# What is written down


def test_plain_and_back():
    assert Alignment.from_plain(json.loads(json.dumps(CUT.to_plain()))) == CUT


def altered(**changes):
    return CUT.to_plain() | changes


QUAD = [list(corner) for corner in CUT.quad]
DAMAGED = {
    "a list": [],
    "a number": 3,
    "nothing": {},
    "no size": {key: value for key, value in CUT.to_plain().items() if key != "size"},
    "three corners": altered(quad=QUAD[:3]),
    "words": altered(quad="abcd"),
    "nan": altered(quad=[[float("nan"), 0], *QUAD[1:]]),
    "infinite size": altered(size=[float("inf"), 200]),
    "one length": altered(size=[300]),
    "beyond all sizes": altered(size=[10**400, 200]),
    "no photo's size": altered(size=[0, 200]),
    "face 0": altered(face=0),
    "a point": altered(quad=[[150, 100]] * 4),
    "a line": altered(quad=[[100, 100], [100, 100], [200, 100], [200, 100]]),
    "a lozenge": altered(quad=[[100, 50], [120, 150], [220, 150], [200, 50]]),
    "in the mirror": altered(quad=QUAD[::-1]),
    "a fifth corner's place": altered(quad=[*QUAD[:2], [0, 0], QUAD[3]]),
    "outside": altered(quad=[[x + 500, y] for x, y in QUAD]),
    "beyond all numbers": altered(quad=[[-1e308, -1e308], [-1e308, 1e308], [1e308, 1e308], [1e308, -1e308]]),
    "enormous": altered(quad=placed((300, 200), (150, 100), 5000).quad),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", DAMAGED)
def test_what_is_no_square_in_a_photo_is_refused(name):
    with pytest.raises(MALFORMED):
        Alignment.from_plain(DAMAGED[name])


def test_a_png_carries_its_alignment(tmp_path):
    face = Image.effect_noise((16, 16), 50).convert("RGB")
    (tmp_path / "face.png").write_bytes(alignment.to_png(face, CUT, "party.jpg"))
    assert alignment.read(tmp_path / "face.png") == CUT
    with Image.open(tmp_path / "face.png") as image:
        assert difference(image, face) == 0
        assert json.loads(image.info[alignment.PLACE_CHUNK])["file"] == "party.jpg"


def other_pictures(folder):
    Image.new("RGB", (8, 8)).save(folder / "plain.png")
    Image.new("RGB", (8, 8)).save(folder / "photo.jpg")
    (folder / "text.png").write_text("hello")
    (folder / "empty.png").touch()
    (folder / "cut.png").write_bytes((folder / "plain.png").read_bytes()[:20])
    return sorted(folder.iterdir())


def test_other_pictures_carry_none(tmp_path):
    assert [alignment.read(path) for path in other_pictures(tmp_path)] == [None] * 5


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"quad": [[1e999]]}', "[" * 100_000], ids=range(6))
def test_a_damaged_alignment_is_told(tmp_path, text):
    info = PngInfo()
    info.add_text(alignment.PLACE_CHUNK, text)
    Image.new("RGB", (8, 8)).save(tmp_path / "face.png", pnginfo=info)
    with pytest.raises(StyleganError, match=r"face\.png contains a damaged alignment \(.*\); align the photo again"):
        alignment.read(tmp_path / "face.png")


# Which face


def test_the_same_place():
    """On a photo that was saved again a face is known by its place, whatever others there are."""
    left, right = frontal(), frontal(80)
    right = replace(right, points=right.points + 600, square=right.square + 600)
    known = alignment.alignment(left, (1000, 1000), 2, "before")
    assert alignment.same_place([right, left], known, "now") == replace(known, photo="now")
    assert alignment.same_place([right], known, "now") is None
    assert alignment.same_place([], known, "now") is None


REFUSED = [
    ([], None, StyleganError, r"no face was found in me\.jpg; a face must be uncovered .*, or crop this one"),
    ([], 2, StyleganError, r"no face was found in me\.jpg"),
    ([frontal()], 2, UsageError, r"no me\.jpg#2: me\.jpg shows 1 face; 1 is the largest"),
    ([frontal()] * 3, 4, UsageError, r"no me\.jpg#4: me\.jpg shows 3 faces; 1 is the largest"),
    ([frontal(12)], None, StyleganError, r"the face in me\.jpg is too small: its eyes are 12 pixels apart, .* 16 are"),
    ([frontal(15.97)], None, StyleganError, r"its eyes are 15\.9 pixels apart, but at least 16 are needed"),
]


@pytest.mark.parametrize(("found", "face", "kind", "said"), REFUSED)
def test_faces_that_cannot_be_had(found, face, kind, said):
    with pytest.raises(kind, match=said) as raised:
        alignment.choose(found, face, "me.jpg")
    assert raised.type is kind


def test_the_largest_face_is_the_default():
    found = [frontal(60), frontal(40), frontal(12)]
    assert [alignment.choose(found, face, "me.jpg") for face in (None, 1, 2)] == [1, 1, 2]


@pytest.mark.parametrize(
    ("face", "size", "said"),
    [
        (frontal(), (300, 260), []),
        (frontal(), (210, 260), ["is cut off by the photo's edge: the missing part is filled with a mirror image"]),
        (frontal(30), (300, 260), ["is small: eyes 30 pixels apart, in a crop of 120"]),
        (frontal(nose=0.6), (300, 260), ["is turned far to the side, which models of frontal faces draw poorly"]),
        (frontal(nose=-0.6), (300, 260), ["is turned far to the side, which models of frontal faces draw poorly"]),
    ],
)
def test_remarks(face, size, said):
    assert alignment.remarks(face, alignment.alignment(face, size)) == said


# Crops


@pytest.mark.parametrize(("edge", "degrees"), [(192, 0), (250, 20), (250, -70), (250, 180), (700, 10), (1200, 0)])
def test_the_crop_of_a_face_in_a_photo_is_the_face(faces, edge, degrees):
    """However large and turned it is there."""
    for face in faces.values():
        where = (1400, 1300), (690, 640), edge, degrees
        cut = placed(*where)
        middle = (12, 12, 180, 180)
        assert difference(alignment.crop(drawn(face, *where), cut, 192).crop(middle), face.crop(middle)) < 5


def test_crops_of_any_size_show_the_same(faces):
    cut = placed((192, 192), (96, 96), 150, 12)
    small, large = (alignment.crop(faces["old"], cut, size) for size in (100, 1024))
    assert large.size == (1024, 1024)
    assert difference(large.resize((100, 100), Image.Resampling.BOX), small) < 5


@pytest.fixture
def cut_off(faces):
    """A face whose photo ends at 60 % of the crop, and its crop."""
    photo = faces["laughing"].crop((0, 0, 115, 192))
    return photo, alignment.crop(photo, placed(photo.size, (96, 96), 192), 192)


def test_what_is_missing_goes_on_as_a_blurred_mirror_image(cut_off):
    photo, crop = (np.asarray(picture, float) for picture in cut_off)
    assert np.abs(crop[:, :90] - photo[:, :90]).max() < 2
    mirrored = photo[:, ::-1]
    beside, far = slice(115, 125), slice(180, 192)
    ours, theirs = (rows[:, columns].mean(axis=1) for rows, columns in ((crop, beside), (mirrored, slice(0, 10))))
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.9
    assert np.abs(np.diff(crop[:, beside], axis=0)).mean() < np.abs(np.diff(photo[:, -10:], axis=0)).mean() / 2
    assert crop[:, far].std(axis=(0, 1)).max() < photo.std(axis=(0, 1)).min() / 2


@pytest.mark.parametrize("centre", [(0, 96), (192, 96), (96, 0), (96, 192), (5, 5), (187, 187)])
def test_a_photo_of_one_colour_goes_on_in_it(centre):
    """Nothing black comes in from outside."""
    crop = alignment.crop(Image.new("RGB", (192, 192), (200, 120, 40)), placed((192, 192), centre, 300, 15), 64)
    assert crop.getextrema() == ((200, 200), (120, 120), (40, 40))


def test_beyond_is_told_for_each_side():
    cut = placed((100, 80), (20, 70), 60)
    assert cut.beyond() == pytest.approx([10, 0, 0, 20])
    assert cut.beyond(0.25) == pytest.approx([0, 0, 0, 5])
    assert placed((100, 80), (50, 40), 60).beyond().any() == np.False_


def test_what_is_missing_comes_out_of_the_photo_backwards():
    """A bar near the edge comes again beyond it, as far from it."""
    photo = np.full((192, 115, 3), 100, np.uint8)
    photo[:, 95:105] = 250
    crop = np.asarray(alignment.crop(Image.fromarray(photo), placed((115, 192), (96, 96), 192), 192), float)
    columns = crop.mean(axis=(0, 2))
    assert columns[125:133].mean() > columns[113:117].mean() + 30
    assert columns[140:].max() < 130


def test_aligned_faces_fill_their_pictures(faces):
    """Small, moved, upside down or none, they do not."""
    for name, face in faces.items():
        there = Image.new("RGB", (2 * face.width, face.height), "gray")
        there.paste(face)
        for picture in (face, there, face.rotate(180), Image.new("RGB", face.size, "gray")):
            assert alignment.is_aligned(detection.detect(picture), picture.size) is (picture is face), name


def test_only_the_same_photo_looks_alike(faces):
    """Saved again, or smaller; no two of these people, however similar."""
    for name, face in faces.items():
        known = alignment.look(face)
        assert alignment.is_alike(known, Image.open(io.BytesIO(encode(face.resize((100, 100)), "jpg"))))
        assert not alignment.is_alike(known, Image.new("RGB", (100, 100), "navy"))
        assert not any(alignment.is_alike(known, other) for other in faces.values() if other is not face), name


def test_places_on_photos_of_different_sizes_are_not_the_same():
    assert CUT.is_near(replace(CUT, face=1, photo=""))
    assert not CUT.is_near(replace(CUT, size=(301, 200)))
