"""`stylegan dataset`."""

import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stylegan_cli.datasets import collecting

pytestmark = pytest.mark.filterwarnings("error", "ignore::ResourceWarning")


@pytest.fixture
def photos(here):
    """Four pictures that are no two alike in kind."""
    (here / "photos/sub").mkdir(parents=True)
    ramp = np.linspace(0, 65535, 400).reshape(20, 20).astype(np.uint16)
    Image.fromarray(ramp).save("photos/16-bit.png")
    Image.new("CMYK", (40, 20), (0, 255, 255, 0)).save("photos/cmyk.jpg")
    Image.new("RGBA", (20, 20), (0, 0, 255, 0)).save("photos/glass.png")
    frames = [Image.new("RGB", (20, 30), colour) for colour in ("lime", "black")]
    frames[0].save("photos/sub/film.gif", save_all=True, append_images=frames[1:])
    return here / "photos"


def pictures(path):
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name != "dataset.json")
        images = [Image.open(archive.open(name)) for name in names]
        return [np.asarray(image.convert("RGB")) for image in images], json.loads(archive.read("dataset.json"))


def test_pictures_of_all_kinds(stylegan, photos):
    result = stylegan("dataset", "photos", "-o", "out.zip", "--size", 16)
    assert (result.exit_code, result.stdout) == (0, "out.zip\n")
    assert result.stderr == "4 pictures of 16 x 16 pixels.\n"
    (grey, red, white, lime), about = pictures("out.zip")
    assert about == {"labels": None}
    assert (grey[0, 0, 0] < 10, grey[-1, -1, 0] > 245, np.ptp(grey, axis=2).max()) == (True, True, 0)
    for image, colour in ((red, (255, 0, 0)), (white, (255, 255, 255)), (lime, (0, 255, 0))):
        assert np.abs(image.astype(int) - colour).max() < 12


def test_what_is_left_out_is_listed(stylegan, photos):
    (photos / "broken.png").write_bytes(b"broken")
    (photos / "gone.png").symlink_to("nothing")
    Image.new("RGB", (1, 1)).save(photos / "dot.png")
    result = stylegan("dataset", "photos", "-o", "out", "--size", 16)
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        "left out: gone.png cannot be read (No such file or directory)",
        "left out: broken.png is not a picture of a known format",
        "left out: dot.png is 1 x 1 and would have to be enlarged; use --upscale to allow that",
        "3 files were left out.",
        "4 pictures of 16 x 16 pixels.",
    ]
    assert sorted(path.name for path in Path("out/00000").iterdir()) == [f"img0000000{i}.png" for i in range(4)]


def test_quiet(stylegan, photos):
    (photos / "broken.png").write_bytes(b"broken")
    result = stylegan("dataset", "photos", "-o", "out", "--size", 16, "-q")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "out\n", "")


def test_options_reach_the_pictures(stylegan, photos):
    options = ("--filter", "box", "--mirror", "--format", "webp", "--upscale", "--max-images", 2, "--transform", "pad")
    result = stylegan("dataset", "photos", "--dest", "out.zip", "--resolution", "32x32", *options)
    assert result.exit_code == 0, result.stderr
    found, _ = pictures("out.zip")
    assert [image.shape for image in found] == [(32, 32, 3)] * 4
    assert found[2][0].max() < 20
    with zipfile.ZipFile("out.zip") as archive:
        assert archive.namelist()[0] == "00000/img00000000.webp"


def test_wide_ones(stylegan, photos):
    stylegan("dataset", "photos", "-o", "out.zip", "--size", "16x8", "--transform", "center-crop-wide")
    found, _ = pictures("out.zip")
    assert all(image[:4].max() == 0 and image[4:12].max() > 0 for image in found)


def test_labels_of_folders_and_back(stylegan, here):
    for name in ("dogs/a", "cats/b", "cats/c"):
        Path(name).parent.mkdir(exist_ok=True, parents=True)
        Image.new("RGB", (8, 8)).save(f"{name}.png")
    result = stylegan("dataset", ".", "-o", "../pets.zip", "--size", 8)
    assert result.stderr == "3 pictures of 8 x 8 pixels in 2 classes from folders (0 cats, 1 dogs).\n"
    labels = [[f"00000/img0000000{i}.png", label] for i, label in enumerate((0, 0, 1))]
    assert pictures("../pets.zip")[1] == {"labels": labels, "classes": ["cats", "dogs"]}
    stylegan("dataset", "../pets.zip", "-o", "again.zip", "--size", 4)
    assert pictures("again.zip")[1] == {"labels": labels, "classes": ["cats", "dogs"]}


def test_what_sample_makes(stylegan, tiny_stylegan):
    """Data sets of sampled pictures, with latents beside them, are sources as well."""
    tiny_stylegan("sample", "-n", 3, "--dataset", "made", "--size", 32)
    assert stylegan("dataset", "made", "-o", "small.zip", "--size", 16).exit_code == 0
    assert len(pictures("small.zip")[0]) == 3


def squares(folder, *edges, labels=None):
    folder.mkdir()
    for number, edge in enumerate(edges):
        Image.new("RGB", (edge, edge)).save(folder / f"{number}.png")
    if labels:
        (folder / "dataset.json").write_text(json.dumps({"labels": [[f"{i}.png", label] for i, label in labels]}))


def test_classes_are_counted_among_what_is_written(stylegan, here):
    squares(here / "six", *[8] * 6, labels=enumerate((0, 0, 0, 0, 1, 2)))
    told = stylegan("dataset", "six", "-o", "a.zip", "--size", 8, "--max-images", 4).stderr
    assert told == "4 pictures of 8 x 8 pixels in 1 class.\n"
    told = stylegan("dataset", "six", "-o", "b.zip", "--size", 8, "--max-images", 5).stderr
    assert told == "5 pictures of 8 x 8 pixels in 2 classes.\n"


def test_a_picture_of_another_size_is_named_even_without_a_label(stylegan, here):
    squares(here / "six", 8, 4, 8, 8, labels=[(0, 3)])
    result = stylegan("dataset", "six", "-o", "a.zip")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: 1.png is 4 x 4, but the first picture is 8 x 8;")


def test_labels_are_needed_for_what_is_taken(stylegan, here):
    squares(here / "six", 8, 4, 8, 8, labels=[(0, 3), (2, 1)])
    result = stylegan("dataset", "six", "-o", "a.zip", "--size", 8, "--max-images", 2)
    assert result.exit_code == 0, result.stderr
    assert pictures("a.zip")[1]["labels"] == [["00000/img00000000.png", 3], ["00000/img00000001.png", 1]]
    result = stylegan("dataset", "six", "-o", "b.zip", "--size", 8)
    assert result.exit_code == 1
    assert "dataset.json in six has no label for 3.png; fix it" in result.stderr
    assert not (here / "b.zip").exists()


def test_missing_labels_are_told_before_an_hour_of_work(stylegan, here, monkeypatch):
    squares(here / "six", *[8] * 6, labels=[(i, 0) for i in range(5)])
    monkeypatch.setattr(collecting, "encode", lambda *_: pytest.fail("pictures were written"))
    result = stylegan("dataset", "six", "-o", "b.zip", "--size", 8)
    assert (result.exit_code, "no label for 5.png" in result.stderr) == (1, True)


def test_no_size_is_needed_where_all_are_alike(stylegan, here):
    squares(here / "alike", 16, 16)
    result = stylegan("dataset", "alike", "-o", "a.zip")
    assert result.stderr == "2 pictures of 16 x 16 pixels.\n"
    squares(here / "mixed", 16, 32)
    squares(here / "odd", 20)
    for source, code, said in (
        ("mixed", 1, "1.png is 32 x 32, but the first picture is 16 x 16; give --size, or remove it"),
        ("odd", 2, "give --size"),
    ):
        result = stylegan("dataset", source, "-o", "b.zip")
        assert (result.exit_code, len(result.stderr.splitlines())) == (code, 1)
        assert said in result.stderr
    result = stylegan("dataset", "alike", "-o", "b.zip", "--transform", "pad")
    assert (result.exit_code, "leave out --transform" in result.stderr) == (2, True)
    assert not (here / "b.zip").exists()


@pytest.mark.parametrize("size", ["--size=16x8", "--resolution=16,8", "--width=16 --height 8"])
def test_sizes_as_nvidia_spells_them(stylegan, photos, size):
    words = ("--source=photos", "--dest", "out.zip", "--transform=center-crop-wide", *size.split())
    assert stylegan("dataset", *words).stderr == "4 pictures of 16 x 16 pixels.\n"


def test_a_size_that_no_model_has(stylegan, photos):
    result = stylegan("dataset", "photos", "-o", "out.zip", "--size", 20)
    assert result.stderr == (
        "4 pictures of 20 x 20 pixels; models are trained at powers of two, and this is not one.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere", "-o", "out", "--size", "8"], 2, "there is no folder or zip nowhere"),
        (["photos", "-o", "out", "--size", "big"], 2, "--size takes pixels like 64"),
        (["photos", "-o", "out", "--size", "8x"], 2, "--size takes pixels like 64"),
        (["photos", "-o", "out", "--size", "9" * 5000], 2, "--size takes pixels like 64"),
        (["photos", "-o", "out", "--size", "0"], 2, "sizes are from 1 to"),
        (["photos", "-o", "out", "--width", "8", "--height", "0"], 2, "greater than or equal to 1, not 0"),
        (["photos", "-o", "out", "--width", "8"], 2, "--size, or --width and --height together"),
        (["photos", "-o", "out", "--width", "8", "--height", "8", "--size", "8"], 2, "--size, or --width and"),
        (["photos", "-o", "out.tar", "--size", "8"], 2, "data sets are .zip files or folders"),
        (["photos", "-o", "out", "--size", "8", "--format", "gif"], 2, "unknown format 'gif'"),
        (["photos", "-o", "out", "--size", "8", "--labels", "csv"], 2, "no label mode 'csv'"),
        (["photos", "-o", "photos", "--size", "8"], 1, "the folder photos is not empty"),
        (["photos", "-o", "photos", "--size", "8", "--force"], 1, "the folder photos is not empty"),
        (["photos", "-o", "photos/set", "--size", "8"], 2, "photos/set is inside photos: pictures would count twice"),
        (["photos", "-o", "old.zip", "--size", "8"], 1, "old.zip exists"),
        (
            ["photos", "-o", "out", "--size", "512", "-q"],
            1,
            "none of the 4 pictures in photos can be used: 16-bit.png is",
        ),
        (["empty", "-o", "out", "--size", "8"], 1, "there is no picture in empty"),
        (["old.zip", "-o", "out", "--size", "8"], 1, "old.zip is neither a folder nor a readable zip"),
        (["photos", "-o", "out", "--size", "8", "--labels", "json"], 1, "there is no dataset.json in photos"),
    ],
)
def test_mistakes_cost_one_sentence(stylegan, photos, here, arguments, code, message):
    (here / "empty").mkdir()
    (here / "old.zip").write_text("precious")
    before = sorted(here.rglob("*"))
    result = stylegan("dataset", *arguments)
    assert result.exit_code == code
    assert len(result.stderr.splitlines()) == 1
    assert message in result.stderr
    assert sorted(here.rglob("*")) == before


def test_an_ending_in_capitals_is_a_zip(stylegan, photos, here):
    assert stylegan("dataset", "photos", "-o", "out.ZIP", "--size", 8).stdout == "out.ZIP\n"
    assert len(pictures("out.ZIP")[0]) == 4


def test_force_replaces_a_zip(stylegan, photos, here):
    (here / "old.zip").write_text("worthless")
    assert stylegan("dataset", "photos", "-o", "old.zip", "--size", 8, "--force").exit_code == 0
    assert len(pictures("old.zip")[0]) == 4


def test_no_space_left(stylegan, photos, here, monkeypatch):
    """The disk is full when the third picture comes."""
    real = zipfile.ZipFile.writestr
    count = iter(range(100))

    def writestr(self, *arguments):
        if next(count) == 2:
            raise OSError(28, os.strerror(28))
        real(self, *arguments)

    monkeypatch.setattr(zipfile.ZipFile, "writestr", writestr)
    result = stylegan("dataset", "photos", "-o", "out.zip", "--size", 8)
    assert (result.exit_code, result.stderr) == (
        1,
        "Error: there is no space left to write out.zip; free some space.\n",
    )
    assert [path.name for path in here.iterdir()] == ["photos"]
