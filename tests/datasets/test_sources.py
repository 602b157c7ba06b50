"""Pictures in folders and zips, and their labels."""

import io
import json
import os
import stat
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from stylegan_cli.datasets import sources
from stylegan_cli.datasets.sources import Labels, open_source, read_labels
from stylegan_cli.errors import StyleganError, UsageError
from stylegan_cli.media.decoding import UnusableError


def fill(path, files):
    """A folder or, where `path` ends in .zip, a zip with these contents."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return path
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(content)
    return path


@pytest.fixture(params=["photos", "photos.zip"])
def place(request, tmp_path):
    return tmp_path / request.param


def listed(path):
    with open_source(path) as source:
        return source.names, source.refused


def labels(path, mode="auto"):
    with open_source(path) as source:
        return read_labels(source, mode)


def test_pictures_by_their_endings_in_order(place):
    hidden = {"._b.JPG": "", "sub/.x.png": "", ".thumbs/b.png": "", "sub/.trash/old/a.png": ""}
    fill(place, {"b.JPG": "b", "sub/a.png": "a", "c.webp": "c", "notes.txt": "", **hidden})
    with open_source(place) as source:
        assert source.names == ["b.JPG", "c.webp", "sub/a.png"]
        assert [source.read(name) for name in source.names] == [b"b", b"c", b"a"]
        assert source.refused == []


def test_pictures_of_kinds_that_are_not_read_are_listed(place):
    fill(place, {"a.png": "a", "b.DNG": "b", "raw/c.cr2": "c", "._b.DNG": ""})
    names, refused = listed(place)
    assert names == ["a.png"]
    assert sorted(name for name, _ in refused) == ["b.DNG", "raw/c.cr2"]
    assert all("save it as JPEG or PNG" in reason for _, reason in refused)


def test_a_folder_around_everything_in_a_zip(tmp_path):
    path = fill(tmp_path / "p.zip", {"top/a/1.png": "", "top/b/2.png": "", "top/dataset.json": '{"labels": null}'})
    assert listed(path)[0] == ["a/1.png", "b/2.png"]
    with open_source(path) as source:
        assert source.has_labels()


def test_a_zip_with_the_separators_of_windows(tmp_path):
    path = fill(tmp_path / "p.zip", {"x\\cats\\1.png": "", "x\\dogs\\2.png": "", "x\\dogs\\.thumb.png": ""})
    assert listed(path)[0] == ["cats/1.png", "dogs/2.png"]


@pytest.mark.parametrize("files", [{}, {"notes.txt": "", "dataset.json": "{}"}])
def test_no_picture(place, files):
    if not files and place.suffix != ".zip":
        place.mkdir()
    with pytest.raises(StyleganError, match="there is no picture in"):
        listed(fill(place, files))


def test_no_place(tmp_path):
    with pytest.raises(UsageError, match="there is no folder or zip"):
        listed(tmp_path / "nowhere")


def newer_zip():
    """One that says it takes version 9.9 of the format to read it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.png", "")
        archive.getinfo("a.png").extract_version = 99
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["cifar-10-python.tar.gz", "pictures.7Z", "data.mdb"])
def test_other_archives_are_told(tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(StyleganError, match=r"is neither a folder nor a zip; unpack it .* dataset_tool\.py make a zip"):
        open_source(tmp_path / name).__enter__()


def test_a_member_without_a_name_is_left_out(tmp_path):
    path = fill(tmp_path / "p.zip", {"good.png": ""})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(zipfile.ZipInfo(""), b"")
    assert listed(path) == (["good.png"], [])


@pytest.mark.parametrize("content", [b"", b"PK\3\4 no zip", b"text", newer_zip()])
def test_no_zip(tmp_path, content):
    (tmp_path / "p.zip").write_bytes(content)
    with pytest.raises(StyleganError, match="neither a folder nor a readable zip"):
        listed(tmp_path / "p.zip")


def test_symbolic_links_are_followed_once(tmp_path):
    fill(tmp_path / "photos", {"a.png": "", "sub/b.png": ""})
    fill(tmp_path / "elsewhere", {"c.png": ""})
    (tmp_path / "photos/sub/loop").symlink_to(tmp_path / "photos")
    (tmp_path / "photos/else").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "photos/gone.png").symlink_to(tmp_path / "nothing")
    (tmp_path / "photos/self.png").symlink_to(tmp_path / "photos/self.png")
    names, refused = listed(tmp_path / "photos")
    assert names == ["a.png", "else/c.png", "sub/b.png"]
    assert sorted(name for name, _ in refused) == ["gone.png", "self.png"]
    assert all(reason.startswith("cannot be read") for _, reason in refused)


def test_folders_without_numbers_are_told_apart(tmp_path, monkeypatch):
    """As on some network drives of Windows."""
    fill(tmp_path / "photos", {"a.png": "", "one/b.png": "", "two/c.png": ""})
    (tmp_path / "photos/two/loop").symlink_to(tmp_path / "photos")
    stat = Path.stat

    def without_number(path, **more):
        found = list(stat(path, **more))
        found[1] = found[2] = 0
        return os.stat_result(found)

    monkeypatch.setattr(Path, "stat", without_number)
    assert listed(tmp_path / "photos")[0] == ["a.png", "one/b.png", "two/c.png"]


def test_pipes_are_no_files(tmp_path):
    fill(tmp_path / "photos", {"a.png": ""})
    os.mkfifo(tmp_path / "photos/pipe.png")
    assert listed(tmp_path / "photos")[1] == [("pipe.png", "is not a file")]


@pytest.mark.parametrize("name", ["../a.png", "/etc/a.png", "x/../../a.png", "x\\..\\a.png", "C:\\a.png", "C:a.png"])
def test_names_that_lead_out_of_a_zip(tmp_path, name):
    path = fill(tmp_path / "p.zip", {name: "", "good.png": ""})
    assert listed(path) == (["good.png"], [(name, "has a name that leads out of the zip")])
    with pytest.raises(StyleganError, match=r"no picture in .* can be used: .* leads out"):
        listed(fill(tmp_path / "q.zip", {name: ""}))


def test_members_that_are_no_pictures(tmp_path):
    path = tmp_path / "p.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        link = zipfile.ZipInfo("link.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("bomb.png", "")
        archive.getinfo("bomb.png").file_size = 300 << 20
        archive.writestr("inner.zip", "")
        archive.writestr("good.png", "")
        archive.writestr("secret.png", "")
        archive.getinfo("secret.png").flag_bits |= 1
    names, refused = listed(path)
    assert names == ["good.png"]
    reasons = dict(refused)
    assert {name: reasons[name].split()[1:4] for name in reasons} == {
        "link.png": ["a", "symbolic", "link"],
        "bomb.png": ["300", "MiB,", "more"],
        "inner.zip": ["a", "zip", "inside"],
        "secret.png": ["encrypted"],
    }


def test_a_member_with_a_broken_sum(tmp_path):
    path = fill(tmp_path / "p.zip", {"a.png": "content"})
    path.write_bytes(path.read_bytes().replace(b"content", b"c0ntent"))
    with open_source(path) as source, pytest.raises(UnusableError, match="cannot be unpacked"):
        source.read("a.png")


def test_a_member_whose_name_is_no_text_where_it_begins(tmp_path):
    path, name = fill(tmp_path / "p.zip", {"\u00e9.png": "", "b.png": ""}), "\u00e9".encode()
    path.write_bytes(path.read_bytes().replace(name, b"\xff\xff", 1))
    with open_source(path) as source, pytest.raises(UnusableError, match="cannot be unpacked"):
        source.read("\u00e9.png")


NVIDIA = {"00000/img0.png": "", "00000/img1.png": ""}


def with_json(place, about, files=NVIDIA):
    return fill(place, {**files, "dataset.json": about if isinstance(about, str) else json.dumps(about)})


@pytest.mark.parametrize("mode", ["auto", "json"])
def test_labels_of_nvidias_layout(place, mode):
    pairs = [["00000/img1.png", 7], ["00000/img0.png", 2], ["gone.png", 1]]
    assert labels(with_json(place, {"labels": pairs}), mode) == Labels({"00000/img0.png": 2, "00000/img1.png": 7})


def test_no_labels(place):
    with_json(place, {"labels": None})
    assert labels(place) == labels(place, "none") == Labels()
    with pytest.raises(StyleganError, match="contains no labels"):
        labels(place, "json")


def test_labels_from_folders(place):
    fill(place, {"dog/a.png": "", "cat/x/b.png": "", "cat/c.png": ""})
    expected = Labels({"dog/a.png": 1, "cat/x/b.png": 0, "cat/c.png": 0}, ("cat", "dog"))
    assert labels(place) == labels(place, "folders") == expected


@pytest.mark.parametrize(
    "names", [["2019/a.png", "2020/b.png"], ["one/a.png"], ["one/a.png", "two/b.png", "c.png"], ["a.png"]]
)
def test_auto_sees_no_classes_where_folders_may_mean_something_else(place, names):
    assert labels(fill(place, dict.fromkeys(names, ""))) == Labels()


def test_folders_on_demand(place):
    fill(place, {"2019/a.png": "", "2020/b.png": ""})
    assert labels(place, "folders").names == ("2019", "2020")


def test_classes_may_be_one_hot(place):
    about = {"labels": [["00000/img0.png", [0.0, 1.0, 0.0]], ["00000/img1.png", [1, 0, 0]]]}
    assert labels(with_json(place, about)).of == {"00000/img0.png": 1, "00000/img1.png": 0}


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"labels": [["00000/img0.png", 1]]}, "labels for 1 of 2 pictures, but none for 00000/img1.png"),
        ({"labels": [["elsewhere.png", 1]]}, "labels for 0 of 2 pictures"),
        ({"labels": [["00000/img0.png", -1], ["00000/img1.png", 0]]}, "the class -1, but classes are whole numbers"),
        ({"labels": [["00000/img0.png", 1.5], ["00000/img1.png", 0]]}, "the class 1.5"),
        ({"labels": [["00000/img0.png", True], ["00000/img1.png", 0]]}, "the class True"),
        ({"labels": [["00000/img0.png", [0.5, 0.5]], ["00000/img1.png", 0]]}, r"the class \[0.5, 0.5\]"),
        ({"labels": ["00000/img0.png"]}, "is not"),
        ({"labels": 5}, "is not"),
        ({}, "is not"),
        ([], "is not"),
        ("{", "is not"),
        ("[" * 100_000, "is not"),
        ("\xff", "is not"),
    ],
)
def test_labels_that_do_not_fit(place, about, message):
    with pytest.raises(StyleganError, match=f"dataset.json in .*{message}"):
        labels(with_json(place, about))


def test_labels_of_too_many_bytes_are_not_read(place, monkeypatch):
    monkeypatch.setattr(sources, "MAX_LABELS", 20)
    with_json(place, {"labels": None, "of": "the year"})
    monkeypatch.setattr(sources, "LABEL", 9)  # for each of two pictures
    with pytest.raises(StyleganError, match=r"dataset.json in .* has 1 MiB, more than the limit of 0; fix it, or"):
        labels(place)
    monkeypatch.setattr(sources, "LABEL", 90)
    assert labels(place) == Labels()


def test_encrypted_labels(tmp_path):
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        archive.writestr("a.png", "")
        archive.writestr("dataset.json", "{}")
        archive.getinfo("dataset.json").flag_bits |= 1
    with pytest.raises(StyleganError, match=r"dataset.json in .* is encrypted; fix it"):
        labels(tmp_path / "p.zip")


@pytest.mark.parametrize(("mode", "message"), [("json", "there is no dataset.json"), ("folders", "is in no folder")])
def test_labels_that_are_not_there(place, mode, message):
    with pytest.raises(StyleganError, match=message):
        labels(fill(place, {"a.png": ""}), mode)


def test_a_way_to_labels_that_there_is_not(place):
    with pytest.raises(UsageError, match="no label mode 'csv'"):
        labels(fill(place, {"a.png": ""}), "csv")


def test_what_is_unfinished_is_no_source(tmp_path):
    """Its pictures are those that the processes happened to make."""
    folder = tmp_path / "faces"
    (folder / "00000").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(folder / "00000/img00000000.png")
    (folder / "manifest.json").write_text('{"wishes": {}, "runs": []}')
    with pytest.raises(StyleganError, match=r"faces is unfinished; run the stylegan sample"), open_source(folder):
        pass
    (folder / "dataset.json").write_text("{}")
    with open_source(folder) as source:
        assert source.names == ["00000/img00000000.png"]
