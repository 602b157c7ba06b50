"""From pictures to a data set."""

import io
import json
import tracemalloc
import weakref
import zipfile

import numpy as np
import pytest
from PIL import Image

from stylegan_cli.datasets.collecting import Settings, collect
from stylegan_cli.datasets.framing import Framing
from stylegan_cli.datasets.layout import writing_pictures
from stylegan_cli.datasets.sources import open_source
from stylegan_cli.errors import StyleganError
from stylegan_cli.media.encode import encode


def photos(folder, count, size=8):
    """Pictures of shades 0, 1, 2, ..., black on the left."""
    folder.mkdir()
    for i in range(count):
        pixels = np.full((size, size, 3), i, np.uint8)
        pixels[:, : size // 2] = 0
        (folder / f"{i:04d}.png").write_bytes(encode(Image.fromarray(pixels), "png"))
    return folder


def ignore(*_):
    """For what is not looked at."""


def run(folder, out, classes=None, on_skip=ignore, on_picture=ignore, size=8, **settings):
    with open_source(folder) as source, writing_pictures(out, settings.get("format", "png")) as writer:
        frame = Framing(size, size, "none")
        collect(source, classes, Settings(frame, **settings), writer, on_skip, on_picture)


def shades(path):
    """What each picture of a data set shows at its left and right edge, and the labels."""
    with open_source(path) as source:
        images = [np.asarray(Image.open(io.BytesIO(source.read(name)))) for name in source.names]
        found = json.loads(source.read("dataset.json"))["labels"]
    return [(int(image[0, 0, 0]), int(image[0, -1, 0])) for image in images], found


@pytest.mark.parametrize("name", ["out", "out.zip"])
def test_pictures_in_order(tmp_path, name):
    run(photos(tmp_path / "photos", 50), tmp_path / name)
    assert shades(tmp_path / name) == ([(0, i) for i in range(50)], None)


def test_labels_follow_their_pictures(tmp_path):
    folder = photos(tmp_path / "photos", 3)
    (folder / "0001.png").write_bytes(b"broken")
    skipped = []
    classes = {f"{i:04d}.png": 10 * i for i in range(3)}
    run(folder, tmp_path / "out", classes, on_skip=lambda *why: skipped.append(why), mirror=True)
    pairs = list(zip([f"00000/img0000000{i}.png" for i in range(4)], [0, 0, 20, 20], strict=True))
    assert shades(tmp_path / "out") == ([(0, 0), (0, 0), (0, 2), (2, 0)], [list(pair) for pair in pairs])
    assert skipped == [("0001.png", "is not a picture of a known format")]


def test_limit_counts_pictures_that_were_taken(tmp_path):
    folder = photos(tmp_path / "photos", 20)
    (folder / "0000.png").write_bytes(b"broken")
    told = []
    run(folder, tmp_path / "out", limit=2, on_picture=told.append)
    assert shades(tmp_path / "out")[0] == [(0, 1), (0, 2)]
    assert told == [0, 1, 2]


@pytest.mark.parametrize("name", ["out", "out.zip"])
def test_nothing_usable_leaves_nothing(tmp_path, name):
    folder = photos(tmp_path / "photos", 2)
    with pytest.raises(StyleganError, match=r"none of the 2 pictures .* 0000.png is 8 x 8 and would"):
        run(folder, tmp_path / name, size=16)
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


@pytest.mark.parametrize("name", ["out", "out.zip"])
def test_interrupted_leaves_nothing(tmp_path, name):
    def interrupt(name, reason):
        raise KeyboardInterrupt

    folder = photos(tmp_path / "photos", 9)
    (folder / "0005.png").write_bytes(b"broken")
    with pytest.raises(KeyboardInterrupt):
        run(folder, tmp_path / name, on_skip=interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_an_empty_folder_stays_when_interrupted(tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(StyleganError, match="none of the 2 pictures"):
        run(photos(tmp_path / "photos", 2), tmp_path / "out", size=16)
    assert list((tmp_path / "out").iterdir()) == []
    run(tmp_path / "photos", tmp_path / "out")
    assert len(shades(tmp_path / "out")[0]) == 2


def test_pictures_and_files_do_not_pile_up(tmp_path, monkeypatch):
    """Of 200 pictures of noise, which no file makes small, few are in memory at once, decoded or encoded."""
    monkeypatch.setattr("stylegan_cli.processors.processors", lambda: 2)
    size, decoded, alive = 128, [], []

    def frame(image):
        decoded.append(weakref.ref(image))
        alive.append(sum(one() is not None for one in decoded))
        return image

    content = encode(Image.frombytes("RGB", (size, size), np.random.default_rng(0).bytes(size * size * 3)), "png")
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
        for i in range(200):
            archive.writestr(f"{i:04d}.png", content)
    Image.init()  # its modules would count
    tracemalloc.start()
    try:
        with open_source(tmp_path / "many.zip") as source, writing_pictures(tmp_path / "out.zip", "png") as writer:
            collect(source, None, Settings(frame), writer, ignore, ignore)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (len(alive), max(alive) < 20) == (200, True)
    assert peak / len(content) < 100
