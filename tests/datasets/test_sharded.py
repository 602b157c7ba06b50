"""Data sets that several processes write: whole, in order, and the same however often somebody is killed."""

import io
import json
import os
import signal
import sys
import zipfile

import numpy as np
import pytest
from on_disk import files_in, refuse_names_once
from PIL import Image

from stylegan_cli.datasets import layout, sharded, shards
from stylegan_cli.datasets.layout import unfinished
from stylegan_cli.datasets.sharded import ShardedDataset
from stylegan_cli.datasets.sources import open_source, read_labels
from stylegan_cli.errors import StyleganError
from stylegan_cli.latents.files import npy_header
from stylegan_cli.media.encode import encode

COUNT, SHAPE = 5, (1, 4)
NEW = {"wishes": {"psi": 0.7}}


@pytest.fixture(autouse=True)
def small_folders(monkeypatch):
    for module in (layout, shards):
        monkeypatch.setattr(module, "FOLDER_SIZE", 2)


def picture(index):
    return encode(Image.new("RGB", (4, 4), (index, 0, 0)), "png")


def add(dataset, rank, most=COUNT):
    """Process `rank` makes `most` of its pictures; returns which."""
    numbers = np.flatnonzero(dataset.todo(rank))[:most].tolist()
    with dataset.adding(rank) as add_one:
        for index in numbers:
            add_one(index, picture(index), np.full(SHAPE, index))
    return numbers


def finish(dataset, classes=()):
    dataset.finish(classes, {}, lambda _: None)


def begin(path, processes=1):
    dataset = ShardedDataset(path, COUNT, SHAPE, "png")
    before = unfinished(path)
    dataset.begin(before or NEW, processes, anew=before is None)
    return dataset


def make(path, processes=1, classes=()):
    """From wherever it is to the end; returns which pictures were made."""
    dataset = begin(path, processes)
    made = [index for rank in range(processes) for index in add(dataset, rank)]
    finish(dataset, classes)
    dataset.close()
    return made


def contents(folder):
    """All files with their bytes; of a manifest what it says for good."""
    return {
        name: json.loads(content)["wishes"] if name.endswith("manifest.json") else content
        for name, content in files_in(folder).items()
    }


@pytest.fixture(params=["faces", "faces.zip"])
def name(request):
    return request.param


@pytest.fixture
def straight(name, tmp_path_factory):
    """What one process makes that nobody disturbs."""
    folder = tmp_path_factory.mktemp("straight")
    make(folder / name)
    return contents(folder)


def test_layout(straight, name):
    pictures = ["00000/img00000000.png", "00000/img00000001.png", "00001/img00000002.png"]
    if name == "faces":
        assert set(straight) > {f"faces/{path}" for path in [*pictures, "dataset.json", "manifest.json", "w.npy"]}
        shown, w = straight["faces/00001/img00000003.png"], straight["faces/w.npy"]
    else:
        assert sorted(straight) == ["faces-w.npy", "faces.zip"]
        with zipfile.ZipFile(io.BytesIO(straight["faces.zip"])) as archive:
            assert archive.testzip() is None
            assert archive.namelist()[:3] == pictures
            assert json.loads(archive.read("dataset.json")) == {"labels": None}
            shown, w = archive.read("00001/img00000003.png"), straight["faces-w.npy"]
    assert shown == picture(3)
    latents = np.load(io.BytesIO(w))
    assert (latents.shape, latents.dtype) == ((COUNT, *SHAPE), np.float32)
    assert latents[:, 0, 0].tolist() == [*range(COUNT)]


def test_classes_are_labels(tmp_path, name):
    make(tmp_path / name, 2, [i % 2 for i in range(COUNT)])
    with open_source(tmp_path / name) as source:
        assert [*read_labels(source, "json").of.values()] == [0, 1, 0, 1, 0]


@pytest.mark.parametrize("is_killed", [True, False])
def test_names_that_windows_refuses_for_a_moment(tmp_path, monkeypatch, is_killed):
    """Also the name that the latents get back after a process was killed when only the labels were missing."""
    dataset = begin(tmp_path / "faces")
    add(dataset, 0)
    if is_killed:
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(shards, "write_bytes", killed)
            finish(dataset)
        assert (tmp_path / "faces/w.npy").exists()
    dataset.close()
    refuse_names_once(monkeypatch)
    assert make(tmp_path / "faces") == []


@pytest.mark.parametrize("processes", [2, 3, COUNT + 2])
def test_any_number_of_processes(tmp_path, straight, name, processes):
    assert sorted(make(tmp_path / name, processes)) == [*range(COUNT)]
    assert contents(tmp_path) == straight


def test_nothing_is_made_twice_or_lost_when_the_processes_change(tmp_path, straight, name):
    first = begin(tmp_path / name, 3)
    made = [*add(first, 0, 1), *add(first, 2)]
    first.close()
    second = begin(tmp_path / name, 2)
    assert second.there() == len(made)
    made += add(second, 1)
    second.close()
    made += make(tmp_path / name)
    assert sorted(made) == [*range(COUNT)]
    assert contents(tmp_path) == straight


def test_the_manifest_tells_who_writes_what(tmp_path):
    first = begin(tmp_path / "faces")
    add(first, 0, 2)
    first.close()
    make(tmp_path / "faces", 2)
    manifest = json.loads((tmp_path / "faces/manifest.json").read_text())
    assert manifest["runs"] == [{"there": 0, "shares": [[0, 5]]}, {"there": 2, "shares": [[0, 3], [3, 5]]}]
    assert manifest["count"] == COUNT


def test_shares_are_equal_in_what_is_missing():
    there = np.zeros(1000, bool)
    there[:600] = True
    shares = sharded._shares(there, 4)
    assert [(~there[first:stop]).sum() for first, stop in shares] == [100] * 4
    assert (shares[0][0], shares[-1][1]) == (0, 1000)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills copies of itself")
@pytest.mark.filterwarnings("ignore:This process.*fork:DeprecationWarning")
def test_killed_before_every_single_step(tmp_path, straight, name):
    """A copy of this process is killed at its first look at the disk, another one at the second, and so on."""
    for moment in range(1000):
        folder = tmp_path / str(moment)
        folder.mkdir()
        if not (pid := os.fork()):
            try:
                kill_me_at(moment)
                make(folder / name, 2)
            finally:
                os._exit(0)
        _, status = os.waitpid(pid, 0)
        dataset = ShardedDataset(folder / name, COUNT, SHAPE, "png")
        missing = COUNT - dataset.there() if unfinished(folder / name) else COUNT
        assert len(make(folder / name, 1 + moment % 3)) == missing
        assert contents(folder) == straight
        if not status:
            break
    assert moment > 60


def kill_me_at(moment):
    moments = iter(range(moment))

    def hook(event, _):
        is_look = event.startswith(("os.", "open", "shutil.")) and event != "os.kill"
        if is_look and next(moments, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


@pytest.mark.parametrize("name", ["faces.zip"])
def test_a_zip_that_was_cut_anywhere(tmp_path, straight, name):
    """As by a process that was killed while it wrote, or a disk that was full."""
    whole = begin(tmp_path / name)
    add(whole, 0, 2)
    whole.close()
    shard = whole.folder / "shard0.zip"
    content = shard.read_bytes()
    second = content.index(b"PK", 1)
    for length in range(len(content)):
        shard.write_bytes(content[:length])
        assert whole.there() == (length >= second)
    made = make(tmp_path / name)
    assert made == [1, 2, 3, 4]
    assert contents(tmp_path) == straight


def test_killed_when_only_the_name_was_missing(tmp_path, monkeypatch):
    """The zip already had its directory."""
    monkeypatch.setattr(shards, "rename_alone", killed)
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "faces.zip")
    monkeypatch.undo()
    assert zipfile.is_zipfile(tmp_path / "faces.zip.part/shard0.zip")
    assert make(tmp_path / "faces.zip") == []
    with zipfile.ZipFile(tmp_path / "faces.zip") as archive:
        assert len(archive.namelist()) == COUNT + 2


def killed(*_):
    raise KeyboardInterrupt


def test_whoever_is_killed_after_a_picture_has_it(tmp_path, name):
    """And its latents: both are on their way to the disk before the next one is made."""
    dataset = begin(tmp_path / name)
    with dataset.adding(0) as add_one:
        for index in range(2):
            add_one(index, picture(index), np.full(SHAPE, index + 1))
            assert dataset.there() == index + 1
            assert (dataset.folder / "w.npy.part").read_bytes().endswith(np.full(SHAPE, index + 1, "<f4").tobytes())
    dataset.close()


def test_one_process_copies_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "read_grown", killed)
    make(tmp_path / "faces.zip")
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "other.zip", 2)


def test_an_ending_in_capitals_is_a_zip(tmp_path):
    make(tmp_path / "faces.ZIP")
    assert zipfile.is_zipfile(tmp_path / "faces.ZIP")
    assert unfinished(tmp_path / "faces.ZIP") is None


def test_anew_takes_nothing_that_is_not_of_a_data_set(tmp_path, name):
    dataset = begin(tmp_path / name)
    add(dataset, 0)
    (dataset.folder / "notes.txt").write_text("precious")
    (dataset.folder / "00000").mkdir(exist_ok=True)
    (dataset.folder / "00000/img1.png").write_text("precious")
    older = "00000/img00000007.jpg" if name == "faces" else "shard7.zip"
    (dataset.folder / older).write_text("of an older data set")
    dataset.close()
    dataset.begin(NEW, 1, anew=True)
    dataset.close()
    left = [path.name for path in dataset.folder.rglob("*") if path.is_file()]
    assert sorted(left) == ["img1.png", "manifest.json", "notes.txt", "w.npy.part"]


def test_a_film_in_the_making_beside_it_stays(tmp_path):
    for name in (".film.12.part.gif", ".film.gif.lock"):
        (tmp_path / name).touch()
    (tmp_path / ".manifest.12.part.json").touch()
    make(tmp_path)
    assert sorted(path.name for path in tmp_path.glob(".*")) == [".film.12.part.gif", ".film.gif.lock"]


def test_pictures_of_somebody_else_beside_them(tmp_path):
    """Whose numbers are too large."""
    dataset = begin(tmp_path / "faces")
    (dataset.folder / "00000").mkdir(exist_ok=True)
    (dataset.folder / "00000" / f"img{COUNT + 2:08d}.png").write_bytes(b"")
    assert dataset.there() == 0
    dataset.close()


def test_who_lost_its_latents_begins_anew(tmp_path):
    dataset = begin(tmp_path / "faces")
    add(dataset, 0, 2)
    (dataset.folder / "w.npy.part").unlink()
    dataset.close()
    assert make(tmp_path / "faces") == [*range(COUNT)]


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("kept", [2.0, 1.9, 1.0, 0.0, -3.0])
def test_who_lost_some_latents_is_made_again(tmp_path, name, processes, kept):
    """As after a power failure: the file ends too early, after `kept` rows or within its header."""
    begun = begin(tmp_path / name, processes)
    for rank in range(processes):
        add(begun, rank, 2 - rank * (processes - 1))
    was_there = [*np.flatnonzero(begun._pictures.there())]
    begun.close()
    latents = begun.folder / "w.npy.part"
    content = latents.read_bytes()
    latents.write_bytes(content[: len(npy_header((COUNT, *SHAPE))) + int(kept * 16)])
    assert make(tmp_path / name) == [i for i in range(COUNT) if i not in was_there or i >= max(int(kept), 0)]
    where = tmp_path / ("faces-w.npy" if name.endswith(".zip") else "faces/w.npy")
    assert np.load(where)[:, 0, 0].tolist() == [*range(COUNT)]
    if name.endswith(".zip"):
        with zipfile.ZipFile(tmp_path / name) as archive:
            names = [one for one in archive.namelist() if one.endswith(".png")]
            assert names == sorted(set(names)) and len(names) == COUNT
    else:
        assert len([*(tmp_path / name).rglob("*.png")]) == COUNT


def test_what_is_no_whole_file_is_no_picture(tmp_path):
    """A power failure leaves names of empty files; somebody may have made a folder."""
    begun = begin(tmp_path / "faces")
    add(begun, 0, 3)
    begun.close()
    folder = tmp_path / "faces" / "00000"
    (folder / "img00000000.png").write_bytes(b"")
    (folder / "img00000001.png").unlink()
    assert make(tmp_path / "faces") == [0, 1, 3, 4]


def test_a_picture_that_has_gone_is_missed(tmp_path):
    dataset = begin(tmp_path / "faces")
    add(dataset, 0)
    (dataset.folder / "00000/img00000001.png").unlink()
    with pytest.raises(StyleganError, match=r"lost 1 of 5 pictures .* the same command"):
        finish(dataset)
    dataset.close()
    assert make(tmp_path / "faces") == [1]


def test_nobody_else_is_at_it_meanwhile(tmp_path, name):
    dataset = begin(tmp_path / name)
    made = add(dataset, 0, 2)
    with pytest.raises(StyleganError, match=rf"{name} is being sampled by another process; wait until it ends, or"):
        begin(tmp_path / name)
    made += add(dataset, 0)
    finish(dataset)
    dataset.close()
    assert made == [*range(COUNT)]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"name": "a web site"}', "1", "[" * 100_000], ids=range(6))
def test_other_manifests_are_none(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    assert unfinished(tmp_path) is None
