"""Scores that are kept in the cache."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from stylegan_cli.cli.options import Generation, Output
from stylegan_cli.cli.scoring import Scoring
from stylegan_cli.cli.studio import Studio
from stylegan_cli.pictures import Face


class Scorers:
    """In place of the scorers."""

    names = ("size", "age")

    def __init__(self, **versions):
        self.versions, self.seen = versions, []

    def __call__(self, image):
        self.seen.append(image)
        return {"size": float(image.width), "age": float("nan")}


@pytest.fixture
def cache(monkeypatch, tmp_path):
    folder = tmp_path / "cache"
    monkeypatch.setenv("STYLEGAN_CACHE", str(folder))
    return folder


@pytest.fixture
def studio(cache, here, tiny_model):
    return Studio(Generation(str(tiny_model)), Output())


def somebody(studio, by=0.0):
    return Face(torch.full((studio.generator.num_ws, studio.generator.w_dim), by))


def times_seen(studio, shown, scorers=None):
    """How often scorers have to look at it, in a new run."""
    scorers = scorers or Scorers()
    scores = Scoring(studio, scorers)(shown)
    assert scores["size"] == 256 if isinstance(shown, Face) else shown.width
    assert scores["age"] != scores["age"]
    return len(scorers.seen)


def test_faces_are_known_by_all_that_they_are_drawn_from(studio, monkeypatch):
    face = somebody(studio)
    assert times_seen(studio, face) == 1
    assert times_seen(studio, somebody(studio)) == 0
    assert times_seen(studio, somebody(studio, by=0.1)) == 1
    assert times_seen(studio, face, Scorers(age=["another network"])) == 1
    for attribute, other in (("precision", "bf16"), ("is_compiled", True)):
        with monkeypatch.context() as patch:
            patch.setattr(studio, attribute, other)
            assert times_seen(studio, face) == 1
    assert times_seen(studio, face) == 0


def test_pictures_are_known_by_their_pixels(studio):
    red, blue = (Image.new("RGB", (8, 8), colour) for colour in ("red", "blue"))
    assert [times_seen(studio, picture) for picture in (red, blue, red.copy(), red.resize((4, 16)))] == [1, 1, 0, 1]


def test_a_line_that_was_not_written_to_its_end_spoils_no_other(studio, cache):
    faces = [somebody(studio, by) for by in (0.1, 0.2, 0.3)]
    assert [times_seen(studio, face) for face in faces[:2]] == [1, 1]
    (path,) = (cache / "scores").iterdir()
    path.write_bytes(path.read_bytes()[:-7] + b"\xff")
    assert [times_seen(studio, face) for face in faces] == [0, 1, 1]
    assert [times_seen(studio, face) for face in faces] == [0, 0, 0]


@pytest.mark.parametrize("line", ['["KEY", {}]', '["KEY", {"size": 1, "age": null}]', "[]", '["KEY", 1]'])
def test_what_is_not_a_face_s_scores_is_passed_over(studio, cache, line):
    face = somebody(studio)
    times_seen(studio, face)
    (path,) = (cache / "scores").iterdir()
    key = path.read_text().split('"')[1]
    path.write_text(line.replace("KEY", key))
    assert [times_seen(studio, face) for _ in range(2)] == [1, 0]


def test_a_cache_that_cannot_be_written_is_no_error(studio, cache):
    Path(cache).write_text("a file")
    assert [times_seen(studio, somebody(studio)) for _ in range(2)] == [1, 1]
