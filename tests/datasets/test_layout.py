"""Data sets in NVIDIA's layout."""

import errno
import io
import json
import os
import zipfile

import numpy as np
import pytest
from on_disk import files_in, refuse_names_once
from PIL import Image

from stylegan_cli.datasets import layout
from stylegan_cli.datasets.layout import FOLDER_SIZE, writing_pictures
from stylegan_cli.datasets.sources import open_source
from stylegan_cli.errors import StyleganError
from stylegan_cli.files import part_of
from stylegan_cli.media.encode import encode


def picture(i):
    return encode(Image.new("RGB", (4, 4), (i % 256, 0, 0)), "png")


def write(path, count):
    with writing_pictures(path, "png") as writer:
        for i in range(count):
            writer.add(picture(i))


def contents(path):
    if path.suffix.lower() == ".zip":
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
            return {name: archive.read(name) for name in archive.namelist()}
    return files_in(path)


@pytest.mark.parametrize("name", ["faces", "faces.zip", "faces.ZIP"])
def test_layout(tmp_path, name):
    write(tmp_path / name, 3)
    files = contents(tmp_path / name)
    pictures = [f"00000/img0000000{i}.png" for i in range(3)]
    assert sorted(files) == [*pictures, "dataset.json"]
    assert json.loads(files["dataset.json"]) == {"labels": None}
    for i, picture_name in enumerate(pictures):
        assert np.asarray(Image.open(io.BytesIO(files[picture_name])))[0, 0, 0] == i


def test_the_same_pictures_make_the_same_zip(tmp_path, monkeypatch):
    write(tmp_path / "one.zip", 3)
    monkeypatch.setattr("time.time", lambda: 2e9)
    write(tmp_path / "two.zip", 3)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_a_thousand_a_folder(tmp_path):
    write(tmp_path / "faces.zip", FOLDER_SIZE + 1)
    assert "00001/img00001000.png" in contents(tmp_path / "faces.zip")


def test_read_as_nvidias_loader_does(tmp_path):
    """The lines of ImageFolderDataset in NVIDIA's dataset.py that find the pictures of a zip."""
    write(tmp_path / "faces.zip", 3)
    archive = zipfile.ZipFile(tmp_path / "faces.zip")
    all_fnames = set(archive.namelist())
    extensions = Image.registered_extensions()
    image_fnames = sorted(fname for fname in all_fnames if fname[fname.rindex(".") :].lower() in extensions)
    assert [Image.open(archive.open(fname)).size for fname in image_fnames] == [(4, 4)] * 3
    assert json.load(archive.open("dataset.json"))["labels"] is None


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
@pytest.mark.parametrize("name", ["faces", "faces.zip"])
def test_what_is_interrupted_leaves_nothing(tmp_path, name, error):
    with pytest.raises(error), writing_pictures(tmp_path / name, "png") as writer:
        writer.add(picture(0))
        raise error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["new", "empty", "faces.zip"])
def test_one_process_at_a_time(tmp_path, name):
    (tmp_path / "empty").mkdir()
    refused = pytest.raises(StyleganError, match=rf"{name} is being written by another process; wait until it ends")
    with writing_pictures(tmp_path / name, "png") as writer:
        with refused, writing_pictures(tmp_path / name, "png"):
            pass
        writer.add(picture(3))
    assert contents(tmp_path / name)["00000/img00000000.png"] == picture(3)
    assert not list(tmp_path.glob(".*"))


def test_nothing_is_half_written_into_an_empty_folder(tmp_path):
    """Nobody takes what a killed process leaves there for a data set, and the next one removes it."""
    left = tmp_path / f".{tmp_path.name}.1.part"
    (left / "00000").mkdir(parents=True)
    (left / "00000/img00000000.png").write_bytes(picture(0))
    with writing_pictures(tmp_path, "png") as writer:
        assert not left.exists()
        writer.add(picture(3))
        with pytest.raises(StyleganError, match="there is no picture"), open_source(tmp_path):
            pass
    assert sorted(contents(tmp_path)) == ["00000/img00000000.png", "dataset.json"]


def test_a_folder_that_has_been_filled_meanwhile(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(StyleganError, match="is not empty; choose another name"), writing_pictures(tmp_path, "png"):
        pass
    assert (tmp_path / "mine.txt").read_text() == "precious"


@pytest.mark.parametrize("name", [".DS_Store", "Thumbs.db", "desktop.ini", "._00000"])
def test_a_folder_that_looks_empty_is(tmp_path, name):
    (tmp_path / name).write_bytes(b"Finder's")
    write(tmp_path, 1)
    assert sorted(contents(tmp_path)) == sorted([name, "00000/img00000000.png", "dataset.json"])


@pytest.mark.parametrize("name", [".", "new", "faces.zip"])
def test_names_that_windows_refuses_for_a_moment(tmp_path, monkeypatch, name):
    refuse_names_once(monkeypatch)
    write(tmp_path / name, 1)
    assert "dataset.json" in contents(tmp_path / name)


@pytest.mark.parametrize("name", ["faces", "faces.zip"])
def test_a_disk_that_is_full_at_the_very_end(tmp_path, monkeypatch, name):
    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(layout, "labels_file", fail)
    with (
        pytest.raises((OSError, StyleganError), match=r"(?i)no space left"),
        writing_pictures(tmp_path / name, "png") as writer,
    ):
        writer.add(picture(0))
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    with writing_pictures(tmp_path / name, "png") as again:  # nobody holds it any more
        again.add(picture(1))
    assert contents(tmp_path / name)["00000/img00000000.png"] == picture(1)


@pytest.mark.parametrize("name", ["folder", "link"])
def test_a_folder_that_was_there_stays_when_writing_fails(tmp_path, name):
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o750)
    (tmp_path / "link").symlink_to(folder)
    before = folder.stat()
    with pytest.raises(OSError, match="lost"), writing_pictures(tmp_path / name, "png") as writer:
        writer.add(picture(0))
        (folder / "mine.png").touch()
        raise OSError("lost")
    assert list(folder.iterdir()) == [folder / "mine.png"]
    assert (folder.stat().st_ino, folder.stat().st_mode) == (before.st_ino, before.st_mode)
    assert (tmp_path / "link").is_symlink()


def test_labels_come_last_into_a_folder_that_was_there(tmp_path, monkeypatch):
    """Whatever stops it halfway: what has none is no whole data set."""
    moved, really = [], layout.rename

    def rename(path, target):
        moved.append(target)
        if len(moved) > 1:
            raise OSError("lost")
        return really(path, target)

    monkeypatch.setattr(layout, "rename", rename)
    with pytest.raises(OSError, match="lost"):
        write(tmp_path, 1)
    assert sorted(contents(tmp_path)) == ["00000/img00000000.png"]


@pytest.mark.parametrize("name", ["faces", "faces.v2"])
def test_what_a_killed_process_left_is_in_no_data_set(tmp_path, name):
    """Not even where this process has its number."""
    path, ours = tmp_path / name, part_of(tmp_path / name)
    for left in (ours, tmp_path / ours.name.replace(str(os.getpid()), "1")):
        (left / "00000").mkdir(parents=True)
        (left / "00000/img00000001.png").write_bytes(picture(9))
    (tmp_path / ".other.1.part").mkdir()
    (tmp_path / "mine.png").write_bytes(picture(0))
    with open_source(tmp_path) as source:
        assert source.names == ["mine.png"]
    with writing_pictures(path, "png") as writer:
        writer.add(picture(0))
    assert sorted(contents(path)) == ["00000/img00000000.png", "dataset.json"]
    assert [left.name for left in tmp_path.glob(".*")] == [".other.1.part"]
