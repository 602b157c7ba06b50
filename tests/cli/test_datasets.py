"""`stylegan sample --dataset` on the tiny model."""

import errno
import io
import json
import os
import re
import signal
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from looking import contents, names, whole_pictures
from PIL import Image
from small_families import make
from tiny_generator import make_tiny

from stylegan_cli import compilation, modelfile, store
from stylegan_cli.cli import stopping
from stylegan_cli.cli.sampling import dataset as sample_dataset
from stylegan_cli.datasets.sampled import SampledFaces
from stylegan_cli.datasets.sharded import ShardedDataset
from stylegan_cli.datasets.shards import PictureFiles
from stylegan_cli.datasets.sources import open_source, read_labels
from stylegan_cli.errors import StyleganError
from stylegan_cli.media import background

pytestmark = pytest.mark.filterwarnings("error", "ignore::ResourceWarning")


def test_a_folder(tiny_stylegan, tiny_model, here):
    (made,) = tiny_stylegan("sample", "--seeds", "3,1", "--dataset", "data", "--size", 16)
    assert made.name == "data"
    assert names(made) == ["00000/img00000000.png", "00000/img00000001.png", "dataset.json", "manifest.json", "w.npy"]
    origin = store.load(str(tiny_model)).origin
    model = {"name": origin.name, "sha256": origin.sha256}
    assert json.loads((made / "dataset.json").read_text()) == {"labels": None, "model": model}


def test_a_zip(tiny_stylegan, here):
    tiny_stylegan("sample", "-n", 3, "--dataset", "data.zip", "--size", 16, "--format", "jpg")
    with zipfile.ZipFile("data.zip") as archive:
        pictures = [f"00000/img0000000{i}.jpg" for i in range(3)]
        assert archive.namelist() == [*pictures, "manifest.json", "dataset.json"]
        made = json.loads(archive.read("manifest.json"))
        assert (made["wishes"]["seeds"], made["wishes"]["psi"], made["count"]) == ("0-2", 0.7, 3)
        assert "--dataset data.zip --size 16 --format jpg" in made["command"]
        image = Image.open(io.BytesIO(archive.read("00000/img00000000.jpg")))
        assert (image.format, image.size) == ("JPEG", (16, 16))
    assert sorted(path.name for path in here.iterdir()) == ["data-w.npy", "data.zip"]


def test_latents_beside_it_are_its_people_in_order(tiny_stylegan):
    tiny_stylegan("sample", "--seeds", "3,1,2", "--dataset", "data.zip", "--size", 16)
    made = tiny_stylegan("sample", "--latents", "data-w.npy", "--out", "again", "--size", 16)
    with zipfile.ZipFile("data.zip") as archive:
        for i, path in enumerate(made):
            image = Image.open(io.BytesIO(archive.read(f"00000/img0000000{i}.png")))
            assert np.array_equal(np.asarray(image), np.asarray(Image.open(path)))


def test_psi_and_noise_count(tiny_stylegan, tiny):
    tiny_stylegan("sample", "-n", 2, "--dataset", "data", "--size", 16, "--psi", 0)
    assert np.array_equal(np.load("data/w.npy"), np.tile(tiny.w_avg.numpy(), (2, 1, 1)))


def test_into_an_empty_folder_or_with_force(tiny_stylegan, here):
    (here / "data").mkdir()
    tiny_stylegan("sample", "-n", 1, "--dataset", "data", "--size", 16)
    tiny_stylegan("sample", "-n", 2, "--dataset", "data", "--size", 16, "--force")
    assert np.load("data/w.npy").shape[0] == 2


@pytest.mark.parametrize("manifest", [None, '{"frames": 12}', "not JSON"])
def test_force_does_not_replace_what_was_not_sampled(stylegan, tiny_model, here, manifest):
    """A data set of real pictures has the same layout."""
    precious = ["00000/img00000000.png", "00001/img00001000.png", "dataset.json", "notes.txt"]
    for name in precious:
        (here / "real" / name).parent.mkdir(parents=True, exist_ok=True)
        (here / "real" / name).write_text("precious")
    if manifest:
        (here / "real/manifest.json").write_text(manifest)
    before = contents(here)
    for force in ([], ["--force"]):
        result = stylegan("sample", "-n", 1, "--dataset", "real", *force, "--model", tiny_model)
        assert (result.exit_code, result.stderr) == (1, "Error: the folder real is not empty; choose another name.\n")
    assert contents(here) == before


def test_a_killed_replacement_can_be_replaced(stylegan, tiny_model, monkeypatch, here):
    """The manifest, which tells that the pictures are ours, goes last; nobody takes what is left for a data set."""
    words = ["sample", "-n", 2, "--dataset", "data", "--size", 8, "--model", tiny_model]
    assert stylegan(*words).exit_code == 0
    with monkeypatch.context() as patched:
        patched.setattr(PictureFiles, "clear", lambda _: os.kill(os.getpid(), signal.SIGINT))
        assert stylegan(*words, "--force", "--psi", 0).exit_code == 130
    with pytest.raises(StyleganError, match="data is unfinished"), open_source(Path("data")):
        pass
    assert stylegan(*words, "--force", "--psi", 0).exit_code == 0
    assert not np.ptp(np.load("data/w.npy"), axis=0).any()


@pytest.mark.parametrize(("name", "old"), [("d.zip", "d.zip"), ("d.zip", "d-w.npy")])
def test_nothing_is_replaced_without_force(stylegan, tiny_model, here, name, old):
    (here / old).parent.mkdir(exist_ok=True)
    (here / old).write_text("precious")
    result = stylegan("sample", "-n", 1, "--dataset", name, "--model", tiny_model)
    assert result.exit_code == 1
    assert "--force" in result.stderr
    assert (here / old).read_text() == "precious"


def test_latents_of_a_cut_off_truncation_keep_their_layers(tiny_stylegan):
    tiny_stylegan("sample", "-n", 2, "--cutoff", 3, "--dataset", "cut", "--size", 8)
    ws = np.load("cut/w.npy")
    assert ws.shape[0] == 2
    assert (ws[:, 0] != ws[:, -1]).any()
    tiny_stylegan("sample", "--latents", "cut/w.npy", "--out", "again", "--size", 8)
    assert sorted(path.name for path in Path("again").iterdir()) == ["w-0.png", "w-1.png"]


@pytest.mark.parametrize("rows", [1, 13])
def test_a_data_set_of_relatives(tiny_stylegan, tiny, rows):
    """It keeps their layers if those of whom they resemble differ."""
    centre = np.random.default_rng(0).normal(size=(rows, tiny.w_dim)).astype(np.float32)
    np.save("her.npy", centre)
    tiny_stylegan("sample", "-n", 2, "--psi", 0, "--new-center", "her.npy", "--dataset", "all", "--size", 8)
    assert np.array_equal(np.load("all/w.npy"), np.stack([centre] * 2))
    assert json.loads(Path("all/manifest.json").read_text())["wishes"]["new-center"]["name"] == "her.npy"


WISHES = ["-n", 6, "--size", 8, "--noise", "random", "--cutoff", 2]


def interrupted(stylegan, monkeypatch, after, happens, *words):
    """Something happens while the next picture after so many is encoded."""
    encode, calls = sample_dataset.encode_pixels, iter(range(1000))

    def encode_until(image, format):
        if next(calls) == after:
            happens()
        return encode(image, format)

    with monkeypatch.context() as patch:
        patch.setattr(sample_dataset, "encode_pixels", encode_until)
        patch.setattr(background, "MOST", 4)  # are gathered, of six
        return stylegan("sample", *words)


def ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)


def full():
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture(params=["data", "data.zip"])
def name(request):
    return request.param


def folder_of(name):
    return Path(f"{name}.part" if name.endswith(".zip") else name)


@pytest.mark.parametrize(("happens", "code", "told"), [
    (ctrl_c, 130, r"Stopped with (\d) of 6 pictures done; run the same command again to continue.\n"),
    (full, 1, r"Error: there is no space left to write \S+(?:w\.npy\.part|shard0\.zip); free some space.\n"),
])  # fmt: skip
def test_the_same_command_goes_on(stylegan, tiny_model, here, monkeypatch, name, happens, code, told):
    words = [*WISHES, "--model", tiny_model, "--dataset", name]
    stopped = interrupted(stylegan, monkeypatch, 2, happens, *words)
    assert stopped.exit_code == code
    found = re.fullmatch(told, stopped.stderr)
    before = whole_pictures(folder_of(name))
    there = len(before)
    assert 2 <= there < 6
    assert not found.groups() or int(found[1]) == there
    assert not (folder_of(name) / "dataset.json").exists()
    kept = {}
    result = interrupted(stylegan, monkeypatch, 0, lambda: kept.update(whole_pictures(folder_of(name))), *words)
    assert (result.exit_code, result.stdout) == (0, f"{name}\n")
    assert result.stderr == f"Continuing: {there} of 6 pictures are done.\n"
    assert kept == before
    again = contents(here)
    for path in sorted(here.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    assert stylegan("sample", *words).exit_code == 0
    assert again == contents(here)


OTHER = {
    "--psi was 0.7, and is now 0.5": ["--psi", 0.5],
    "--seeds was 0-5, and is now 0-6": ["-n", 7],
    "--seeds was 0-5, and is now 3-8": ["--seed", 3],
    "--size was 8, and is now 16": ["--size", 16],
    "--format was png, and is now jpg": ["--format", "jpg"],
    "--noise was random, and is now const": ["--noise", "const"],
    "--seed was 0, and is now 1": ["--seeds", "0-5", "--seed", 1],
    "--cutoff was 2, and is now 3": ["--cutoff", 3],
    "--precision was fp32, and is now bf16": ["--precision", "bf16"],
}


@pytest.mark.parametrize(("told", "words"), OTHER.items(), ids=OTHER)
def test_another_command_is_refused_on_what_is_unfinished(stylegan, tiny_model, monkeypatch, told, words):
    same = [*WISHES, "--precision", "fp32", "--model", tiny_model, "--dataset", "data"]
    interrupted(stylegan, monkeypatch, 2, ctrl_c, *same)
    words = [*words, *same[2:]] if words[0] == "--seeds" else [*same, *words]
    before = contents(Path("data"))
    result = stylegan("sample", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        f"Error: data holds an unfinished data set with other options: {told}; give the same ones to continue, "
        "or use --force to start again.\n"
    )
    assert contents(Path("data")) == before


def test_another_centre_under_the_same_name_is_refused(stylegan, tiny_model, tiny, monkeypatch):
    words = [*WISHES, "--new-center", "her.npy", "--model", tiny_model, "--dataset", "data"]
    np.save("her.npy", np.zeros(tiny.w_dim))
    interrupted(stylegan, monkeypatch, 2, ctrl_c, *words)
    np.save("her.npy", np.ones(tiny.w_dim))
    refused = stylegan("sample", *words)
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
    assert re.search(r"--new-center was her.npy \(\w{12}\), and is now her.npy \(\w{12}\);", refused.stderr)
    np.save("her.npy", np.zeros(tiny.w_dim))
    assert stylegan("sample", *words).exit_code == 0


def test_what_differs_in_words():
    now = {"psi": 0.7, "size": None, "seeds": "1"}
    assert sample_dataset.difference(now, dict(now)) is None
    assert sample_dataset.difference(now | {"size": 64}, now) == "--size was 64, and is now not given"
    told = sample_dataset.difference(now, now | {"seeds": "1" * 41})
    assert told == f"--seeds was 1, and is now {'1' * 40}..."


@pytest.mark.parametrize(("words", "labels"), [(["-n", 5], [0, 1, 2, 0, 1]), (["-n", 3, "--class", 2], [2] * 3)])
def test_classes_take_turns_unless_one_is_chosen(stylegan, here, monkeypatch, name, words, labels):
    modelfile.save(make("stylegan2", c_dim=3), here / "a.safetensors", {})
    words = [*words, "--size", 8, "--model", "a.safetensors", "--dataset", name]
    interrupted(stylegan, monkeypatch, 2, ctrl_c, *words)
    assert stylegan("sample", *words).exit_code == 0
    with open_source(Path(name)) as source:
        assert [*read_labels(source, "json").of.values()] == labels


def test_another_model_is_refused(stylegan, tiny_model, monkeypatch, tmp_path):
    modelfile.save(make_tiny(1), tmp_path / "other.safetensors", {})
    words = ["-n", 4, "--size", 8, "--dataset", "data.zip", "--model"]
    interrupted(stylegan, monkeypatch, 2, ctrl_c, *words, tiny_model)
    result = stylegan("sample", *words, tmp_path / "other.safetensors")
    assert result.exit_code == 2
    assert re.search(r"--model was tiny \(\w{12}\), and is now other \(\w{12}\)", result.stderr)


def test_force_begins_anew(stylegan, tiny_model, monkeypatch, here, name):
    words = ["--size", 8, "--model", tiny_model, "--dataset", name]
    interrupted(stylegan, monkeypatch, 2, ctrl_c, *words, "-n", 4, "--format", "jpg")
    assert stylegan("sample", *words, "-n", 3, "--force").exit_code == 0
    forced = contents(here)
    assert len(np.load(here / ("data-w.npy" if name == "data.zip" else "data/w.npy"))) == 3
    assert not [path for path in forced if path.endswith(".jpg")]
    # A finished one is refused, and replaced by force.
    refused = stylegan("sample", *words, "-n", 2)
    assert (refused.exit_code, "--force" in refused.stderr) == (1, True)
    assert contents(here) == forced
    assert stylegan("sample", *words, "-n", 2, "--force").exit_code == 0
    assert len(contents(here)) == (2 if name == "data.zip" else 4)


def test_force_that_was_interrupted_goes_on(stylegan, tiny_model, monkeypatch, here, name):
    words = ["--size", 8, "--model", tiny_model, "--dataset", name]
    assert stylegan("sample", *words, "-n", 5).exit_code == 0
    interrupted(stylegan, monkeypatch, 2, ctrl_c, *words, "-n", 4, "--force")
    result = stylegan("sample", *words, "-n", 4, "--force")
    assert (result.exit_code, "Continuing" in result.stderr) == (0, True)
    assert len(contents(here)) == (2 if name == "data.zip" else 6)


def test_it_keeps_to_compiled_code(stylegan, tiny_model, monkeypatch, here):
    """Compiled code here is what draws a little brighter; without it the data set does not go on."""

    def compile_synthesis(generator):
        eager = generator.synthesize
        generator.synthesize = lambda ws, noise: eager(ws, noise) + 0.1

    monkeypatch.setattr(compilation, "compile_synthesis", compile_synthesis)
    words = ["-n", 4, "--size", 8, "--compile", "on", "--model", tiny_model, "--dataset"]
    assert stylegan("sample", *words, "straight").exit_code == 0
    interrupted(stylegan, monkeypatch, 2, ctrl_c, *words, "data")
    refused = stylegan("sample", *words, "data", "--compile", "off")
    assert (refused.exit_code, "--compile was on, and is now off" in refused.stderr) == (2, True)
    with monkeypatch.context() as patch:
        patch.setattr(compilation, "compile_synthesis", full_of_errors)
        refused = stylegan("sample", *words, "data")
    assert (refused.exit_code, "started with compiled code" in refused.stderr) == (1, True)
    assert stylegan("sample", *words, "data").exit_code == 0
    assert contents(here / "data") == contents(here / "straight")


@pytest.mark.parametrize(
    "damage",
    [('"threads": 1', '"threads": null'), ('"compiled": false', '"compiled": 2'), ('"arithmetic"', '"arthritis"')],
)
def test_a_damaged_manifest_is_told_and_replaced(stylegan, tiny_model, here, monkeypatch, damage):
    words = ["-n", 4, "--size", 8, "--model", tiny_model, "--dataset"]
    interrupted(stylegan, monkeypatch, 2, ctrl_c, *words, "data")
    manifest = here / "data/manifest.json"
    manifest.write_text(manifest.read_text().replace(*damage))
    result = stylegan("sample", *words, "data")
    assert result.exit_code == 1 and "manifest.json of the unfinished data set in data is damaged" in result.stderr
    assert stylegan("sample", *words, "data", "--force").exit_code == 0
    assert stylegan("sample", *words, "straight").exit_code == 0
    assert contents(here / "data") == contents(here / "straight")


def full_of_errors(generator):
    raise StyleganError("this machine cannot compile")


def test_it_keeps_to_the_threads_that_it_was_begun_with(stylegan, tiny_model, monkeypatch):
    words = ["-n", 4, "--size", 8, "--model", tiny_model, "--dataset", "data"]
    interrupted(stylegan, monkeypatch, 2, ctrl_c, *words)
    manifest = Path("data/manifest.json")
    manifest.write_text(manifest.read_text().replace('"threads": 1', '"threads": 2'))
    try:
        assert stylegan("sample", *words).exit_code == 0
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_readers_of_a_data_set(stylegan, tiny_model, monkeypatch, name):
    """They see pictures and latents, and no manifest; what is unfinished has no latents yet."""
    words = ["-n", 4, "--size", 8, "--model", tiny_model, "--dataset", name]
    tiny = store.load(str(tiny_model))
    interrupted(stylegan, monkeypatch, 2, ctrl_c, *words)
    with pytest.raises(StyleganError, match=r"unfinished.*run the stylegan sample"):
        SampledFaces(Path(name), tiny)
    stylegan("sample", *words)
    faces = SampledFaces(Path(name), tiny)
    assert (len(faces), faces.w.shape) == (4, (4, 16))
    with open_source(Path(name)) as source:
        assert (len(source.names), source.refused, read_labels(source, "auto").of) == (4, [], None)


def test_many_processes_make_data_sets_only(stylegan, tiny_model, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    result = stylegan("sample", "-n", 2, "--model", tiny_model)
    assert (result.exit_code, "--dataset" in result.stderr) == (2, True)


@pytest.mark.parametrize("when", ["drawing", "packing"])
def test_ctrl_c_that_is_repeated_is_told_once(stylegan, tiny_model, monkeypatch, when):
    """As torchrun repeats it: here while the user is being told."""

    def interrupted(call):
        def then(*words):
            signal.raise_signal(signal.SIGINT)
            return call(*words)

        return then

    def pack(_dataset, _classes, _model, on_picture):
        signal.raise_signal(signal.SIGINT)
        on_picture(1)
        pytest.fail("went on")

    monkeypatch.setattr(stopping, "MOMENT", float("inf"))
    monkeypatch.setattr(ShardedDataset, "there", interrupted(ShardedDataset.there))
    if when == "drawing":
        monkeypatch.setattr(sample_dataset, "pixels", interrupted(sample_dataset.pixels))
    else:
        monkeypatch.setattr(ShardedDataset, "finish", pack)
    result = stylegan("sample", "-n", 3, "--size", 4, "--model", tiny_model, "--dataset", "data.zip")
    assert (result.exit_code, result.stderr.count("Stopped")) == (130, 1), result.stderr
    assert "of 3 pictures done; run the same command again" in result.stderr
    assert not Path("data.zip").exists()
