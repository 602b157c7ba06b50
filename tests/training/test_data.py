"""Training pictures: what is refused, and in which order the rest comes."""

import json
import re
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small_runs import write_pictures

from stylegan_cli.errors import StyleganError
from stylegan_cli.training import data
from stylegan_cli.training.data import DamagedError, Loader, Pictures

CPU = torch.device("cpu")
PHONE = (Path(__file__).parent.parent / "golden" / "phone.heic").read_bytes()


def add(folder, name, size=(16, 16), mode="RGB"):
    Image.new(mode, size).save(folder / name)


def broken(folder, change):
    write_pictures(folder)
    change(folder)
    return folder


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda f: [p.unlink() for p in f.iterdir()], "there is no picture in"),
        (lambda f: [p.unlink() for p in f.iterdir() if p.name != "000.png"], "holds 1 picture, but training needs at"),
        (lambda f: add(f, "001.png", (32, 32)), "001.png in .* is 32 x 32, but 000.png is 16 x 16"),
        (lambda f: add(f, "001.png", (16, 24)), "001.png in .* is 16 x 24, which is not square"),
        (lambda f: (f / "001.png").write_bytes(b"hello"), "001.png in .* cannot be read as a picture"),
        (lambda f: (f / "a.heic").write_bytes(PHONE), "a.heic in .* is 1(60|92) x 1(60|92), which is not square"),
        (lambda f: [add(f, p.name, (1, 1)) for p in f.iterdir()], "are 1 x 1, .* powers of two from 8"),
        (lambda f: [add(f, p.name, (20, 20)) for p in f.iterdir()], "are 20 x 20, .* stylegan dataset --size"),
    ],
    ids=["empty", "one", "mixed", "oblong", "corrupt", "of an iPhone", "one pixel", "no power of two"],
)
def test_what_cannot_be_trained_on(tmp_path, change, sentence):
    with pytest.raises(StyleganError, match=sentence):
        Pictures(broken(tmp_path / "broken", change), None)


def test_pixels_that_turn_out_damaged(tmp_path):
    def cut(folder):
        path = folder / "001.png"
        path.write_bytes(path.read_bytes()[:-60])

    found = Pictures(broken(tmp_path / "cut", cut), None)
    with pytest.raises(DamagedError, match=r"001.png in .* is damaged"):
        Loader(found, 0, mirror=False).take(range(24), CPU)


def test_a_picture_that_was_replaced_meanwhile(tmp_path):
    folder = write_pictures(tmp_path / "pictures", size=16)
    found = Pictures(folder, None)
    add(folder, "001.png", (32, 32))
    with pytest.raises(DamagedError, match=r"001.png in .* is 32 x 32; when training began, it was 16 pixels wide"):
        Loader(found, 0, mirror=False).take(range(24), CPU)


def test_a_zip_is_checked_by_its_headers(tmp_path):
    """Large ones would take minutes to read; a damaged picture is found when it is needed."""
    pictures, path, seen = write_pictures(tmp_path / "pictures", size=64), tmp_path / "pictures.zip", []
    Image.effect_noise((64, 64), 99).convert("RGB").save(pictures / "000.png")  # larger than what is read at once
    with zipfile.ZipFile(path, "w") as archive:
        for picture in sorted(pictures.iterdir()):
            archive.writestr(picture.name, picture.read_bytes())
    content = path.read_bytes()
    end = (pictures / "000.png").read_bytes()[-30:]
    path.write_bytes(content.replace(end, bytes(30), 1))
    found = Pictures(path, None, on_checked=lambda *counts: seen.append(counts))
    assert seen == [(i + 1, 24) for i in range(24)]
    assert found.fingerprint == Pictures(pictures, None).fingerprint
    with pytest.raises(DamagedError, match=r"000.png in .* cannot be unpacked"):
        found[0]


@pytest.mark.parametrize(
    ("asked", "sentence"), [(12, "--resolution 12 is not a power of two"), (32, "multiple of 32"), (4, "of 8 or more")]
)
def test_resolutions_that_cannot_be(pictures, asked, sentence):
    with pytest.raises(StyleganError, match=sentence):
        Pictures(pictures, asked)


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        ([["000.png", 0]], "has labels for 1 of 24 pictures, but none for 001.png"),
        ([[f"{i:03d}.png", i * 1_000_000] for i in range(24)], "contain class 23000000 for 24 pictures"),
        ([[f"{i:03d}.png", [0.5, 0.5]] for i in range(24)], "but classes are whole numbers from 0"),
    ],
)
def test_labels_that_do_not_match(tmp_path, labels, sentence):
    folder = write_pictures(tmp_path / "pictures")
    (folder / "dataset.json").write_text(json.dumps({"labels": labels}))
    with pytest.raises(StyleganError, match=re.escape(sentence)):
        Pictures(folder, None, labelled=True)
    assert Pictures(folder, None).c_dim == 0  # nobody asked for them


def test_classes_that_are_not_there(pictures):
    with pytest.raises(StyleganError, match="--cond needs classes"):
        Pictures(pictures, None, labelled=True)


@pytest.mark.parametrize(("mode", "format"), [("L", "png"), ("RGBA", "png"), ("CMYK", "jpg"), ("RGB", "webp")])
def test_pictures_of_other_kinds(tmp_path, mode, format):
    folder = tmp_path / "kinds"
    folder.mkdir()
    for i in range(16):
        add(folder, f"{i}.{format}", mode=mode)
    assert Pictures(folder, None)[0].shape == (3, 16, 16)


def test_a_zip_is_as_good_as_a_folder(tmp_path, classed):
    path = tmp_path / "classed.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in classed.iterdir():
            archive.write(file, file.name)
    zipped, folder = Pictures(path, None, True), Pictures(classed, None, True)
    assert zipped.fingerprint == folder.fingerprint
    assert np.array_equal(zipped[5], folder[5])
    loader = Loader(zipped, 0, mirror=False)
    labels = loader.take(range(4), CPU).labels
    assert labels.shape == (4, 3)
    assert labels.argmax(dim=1).tolist() == [loader.index(i)[0] % 3 for i in range(4)]


def test_larger_pictures_are_averaged(pictures):
    whole, half = Pictures(pictures, 16)[3].astype(float), Pictures(pictures, 8)[3]
    means = whole.reshape(3, 8, 2, 8, 2).mean(axis=(2, 4))
    assert np.abs(half - means).max() <= 0.5


@pytest.mark.parametrize("mirror", [True, False])
def test_an_epoch_has_every_picture_once(pictures, mirror):
    loader = Loader(Pictures(pictures, None), seed=3, mirror=mirror)
    count = 48 if mirror else 24
    first, second = ([loader.index(e * count + i) for i in range(count)] for e in range(2))
    assert len(set(first)) == len(set(second)) == count
    assert first != second
    assert first != [Loader(loader.pictures, 4, mirror).index(i) for i in range(count)]


def test_batches_are_the_pictures_at_their_places(pictures):
    found = Pictures(pictures, None)
    loader = Loader(found, 0, mirror=True)
    loader.start(range(10, 20))
    batch = loader.take(range(10, 20), CPU).images
    assert (batch.min() >= -1, batch.max() <= 1) == (True, True)
    for image, position in zip(batch, range(10, 20), strict=True):
        index, mirrored = loader.index(position)
        expected = torch.from_numpy(found[index].copy()).float() / 127.5 - 1
        assert torch.equal(image, expected.flip(2) if mirrored else expected)


@pytest.mark.parametrize(("processors", "threads"), [(1, 2), (3, 3), (64, 8)])
def test_every_processor_reads_ahead(pictures, monkeypatch, processors, threads):
    """At the same time; what is read does not depend on it, even if some have nothing to read."""
    expected = [Loader(Pictures(pictures, None), 0, mirror=True).take(range(n), CPU).images for n in (1, 24)]
    monkeypatch.setattr(data, "processors", lambda: processors)
    found = Pictures(pictures, None)
    loader = Loader(found, 0, mirror=True)
    assert torch.equal(loader.take(range(1), CPU).images, expected[0])
    everybody, readers = threading.Barrier(threads, timeout=10), set()

    def read(name):
        if threading.get_ident() not in readers:
            readers.add(threading.get_ident())
            everybody.wait()
        return Pictures._read(found, name)

    monkeypatch.setattr(found, "_read", read)
    assert torch.equal(loader.take(range(24), CPU).images, expected[1])
    assert len(readers) == threads


def test_what_was_read_for_others_is_not_taken(pictures):
    loader = Loader(Pictures(pictures, None), 0, mirror=False)
    expected = loader.take(range(4, 8), CPU).images
    loader.start(range(4))
    assert torch.equal(loader.take(range(4, 8), CPU).images, expected)


def test_without_room_for_a_cache(pictures, monkeypatch):
    cached = Pictures(pictures, None)
    monkeypatch.setattr(data, "CACHE", 0)
    assert np.array_equal(Pictures(pictures, None)[7], cached[7])


def test_fingerprints_tell_data_apart(tmp_path, pictures, classed):
    fewer = write_pictures(tmp_path / "fewer", count=23)
    others = write_pictures(tmp_path / "others")
    add(others, "007.png")
    found = [Pictures(pictures, None), Pictures(fewer, None), Pictures(others, None), Pictures(classed, None, True)]
    assert len({one.fingerprint for one in found}) == 4
    assert Pictures(write_pictures(tmp_path / "same"), None).fingerprint == found[0].fingerprint


def test_a_subset_is_drawn_by_chance_from_the_seed(pictures):
    first, again, other = (Pictures(pictures, None, subset=(16, seed)) for seed in (0, 0, 1))
    assert len(first) == 16
    assert first.fingerprint == again.fingerprint != other.fingerprint
