"""Scores must order faces as anybody would, keep still where nothing changes, and say where there is no face."""

import math

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from stylegan_cli.errors import StyleganError, UsageError
from stylegan_cli.scorers import mesh, runtime, silhouette, tones
from stylegan_cli.scorers.scores import SCORES, Scorers

# How much scores may differ where a face does not: at most half of their standard deviation over people.
STEADY = {"age": 2, "gender": 2, "smile": 1, "yaw": 1, "pitch": 1.5, "roll": 0.4, "mouth-open": 0.03, "eyes": 0.02}
STEADY |= {"jaw": 0.01, "hair": 3, "hair-length": 15, "hairline": 4, "lips": 1, "glasses": 3, "skin": 3, "light": 3}
TURNED = ("yaw", "roll", "light")  # scores that change their sign in the mirror


@pytest.fixture(scope="module")
def scorers():
    return Scorers(SCORES)


@pytest.fixture(scope="module")
def seen(scorers, faces):
    """All scores of the four faces."""
    return {name: scorers(face) for name, face in faces.items()}


@pytest.mark.parametrize(
    "score, order, apart",
    [
        ("age", ["baby", "laughing", "old"], 15),
        ("gender", ["laughing", "old"], 10),
        ("smile", ["old", "laughing"], 4),
        ("yaw", ["laughing", "old"], 15),
        ("pitch", ["down", "baby"], 10),
        ("mouth-open", ["old", "baby", "laughing"], 0.1),
        ("eyes", ["laughing", "old", "baby"], 0.05),
        ("jaw", ["baby", "old"], 0.04),
        ("hair", ["down", "baby", "old"], 15),
        ("hair-length", ["baby", "laughing"], 50),
        ("hairline", ["down", "old"], 10),
        ("lips", ["old", "baby"], 3),
        ("skin", ["down", "laughing", "old"], 5),
        ("light", ["baby", "down"], 5),
    ],
)
def test_scores_order_faces(seen, score, order, apart):
    values = [seen[name][score] for name in order]
    assert min(np.diff(values)) > apart


def test_scores_have_the_units_that_they_say(seen):
    assert 0 <= seen["baby"]["age"] < 5
    assert 50 < seen["old"]["age"] < 80
    assert seen["laughing"]["gender"] < 0 < seen["old"]["gender"]
    assert seen["old"]["smile"] < 0 < seen["laughing"]["smile"]
    assert 10 < seen["old"]["yaw"] < 30
    assert -25 < seen["down"]["pitch"] < -8
    assert max(abs(scores["roll"]) for scores in seen.values()) < 3
    assert 0 <= seen["old"]["mouth-open"] < 0.05
    assert all(0 <= scores[name] <= 100 for scores in seen.values() for name in ("hair", "hairline", "skin"))


def test_in_the_mirror_only_sides_change(scorers, faces, seen):
    for name, face in faces.items():
        mirrored = scorers(ImageOps.mirror(face))
        turned = {score: -value if score in TURNED else value for score, value in seen[name].items()}
        assert mirrored == pytest.approx(turned, abs=1e-3)


def test_roll_is_clockwise(scorers, faces):
    straight, tilted = faces["laughing"], faces["laughing"].rotate(-10, Image.Resampling.BICUBIC)
    assert scorers(tilted)["roll"] - scorers(straight)["roll"] == pytest.approx(10, abs=2)


def test_colours_are_those_of_their_places(scorers, faces, seen):
    face, before = faces["laughing"], seen["laughing"]
    (mesh_there, _), pixels = mesh.read(face), np.array(face)
    darker = pixels.copy()
    darker[:, : face.width // 2] = darker[:, : face.width // 2] * 0.8
    assert scorers(Image.fromarray(darker))["light"] < before["light"] - 8
    above = np.s_[: int(mesh_there[mesh.TOP, 1] * face.height)]
    dyed = pixels.copy()
    dyed[above] = 80 + pixels[above] * 0.6
    assert scorers(Image.fromarray(dyed))["hair"] > before["hair"] + 8
    painted = face.copy()
    lips = [tuple(point) for point in mesh_there[tones.LIPS, :2] * face.width]
    ImageDraw.Draw(painted).polygon(lips, fill=(170, 20, 40))
    after = scorers(painted)
    assert after["lips"] > before["lips"] + 10
    assert after["skin"] == pytest.approx(before["skin"], abs=1)


def test_a_frame_is_seen(scorers, faces, seen):
    face = faces["laughing"].copy()
    points = mesh.read(face)[0][:, :2] * face.width
    draw = ImageDraw.Draw(face)
    for outer, inner in ((33, 133), (263, 362)):
        (left, _), (right, _) = sorted(map(tuple, points[[outer, inner]]))
        middle, radius = points[[outer, inner]].mean(axis=0), (right - left) * 0.8
        draw.ellipse(
            (middle[0] - radius, middle[1] - radius, middle[0] + radius, middle[1] + radius), outline="black", width=2
        )
    draw.line([tuple(points[133]), tuple(points[362])], fill="black", width=2)
    assert max(scores["glasses"] for scores in seen.values()) < 15 < scorers(face)["glasses"]


def test_without_hair_its_colour_is_not_known(scorers, faces, monkeypatch):
    monkeypatch.setattr(silhouette, "read", lambda _face: np.zeros((256, 256, 1), np.float32))
    scores = scorers(faces["old"])
    assert [name for name, value in scores.items() if math.isnan(value)] == ["hair"]
    assert scores["hair-length"] == scores["hairline"] == 0


@pytest.mark.parametrize("change", ["128 pixels", "1024 pixels", "moved"])
def test_small_changes_are_small(scorers, faces, seen, change):
    for name, face in faces.items():
        changed = {
            "128 pixels": lambda face: face.resize((128, 128), Image.Resampling.BOX),
            "1024 pixels": lambda face: face.resize((1024, 1024), Image.Resampling.BICUBIC),
            "moved": lambda face: face.transform(face.size, Image.Transform.AFFINE, (1, 0, 1, 0, 1, 1)),
        }[change](face)
        after = scorers(changed)
        assert {s: abs(after[s] - seen[name][s]) for s in SCORES if abs(after[s] - seen[name][s]) > STEADY[s]} == {}


def test_the_same_picture_has_the_same_scores(faces, seen):
    scorers = Scorers(["smile", "age"])
    assert [scorers(faces["old"]) for _ in range(3)] == [{n: seen["old"][n] for n in ("smile", "age")}] * 3


@pytest.mark.parametrize(
    "picture",
    [
        Image.new("RGB", (256, 256), "gray"),
        Image.new("RGB", (128, 128), "white"),
        Image.fromarray(np.random.RandomState(0).randint(0, 255, (256, 256, 3), np.uint8)),
    ],
    ids=["grey", "white", "noise"],
)
def test_without_a_face_all_are_nan(scorers, picture):
    assert all(map(math.isnan, scorers(picture).values()))


def test_assets_are_those_of_the_scores_asked_for():
    assert Scorers(["yaw", "pitch"]).assets == (mesh.MESH,)
    assert len(Scorers(SCORES).assets) == 5
    assert set(Scorers(["age", "yaw"]).assets) == set(SCORES["age"].assets)


def test_unknown_scores_are_named():
    with pytest.raises(UsageError, match="there is no score 'beauty'; scores are age, gender"):
        Scorers(["age", "beauty"])


def test_without_the_extra_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setattr(runtime, "find_spec", lambda _name: None)
    with pytest.raises(StyleganError, match=r'pip install "stylegan-cli\[scorers\]"$'):
        Scorers(["age"])
