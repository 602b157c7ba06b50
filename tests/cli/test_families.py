"""Every verb on every network family; models as files, by URL, added, converted, blended."""

import functools
import hashlib
import http.server
import json
import resource
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from looking import size_of
from PIL import Image
from small_families import CONFIGS, make
from small_runs import write_pictures

from stylegan_cli import modelfile, recipes, store
from stylegan_cli.latents import directions
from stylegan_cli.latents.directions import Direction


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("families")
    paths = {family: folder / f"{family}.safetensors" for family in CONFIGS}
    for family, path in paths.items():
        modelfile.save(make(family), path, {})
    return paths


@pytest.fixture
def own_models(monkeypatch, tmp_path):
    monkeypatch.setenv("STYLEGAN_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("STYLEGAN_CACHE", str(tmp_path / "cache"))


def done(result):
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout.split()


def refused(result, code, words):
    assert result.exit_code == code
    assert words in result.stderr
    assert result.stderr.count("Error:") == 1
    assert result.stdout == ""


@pytest.mark.parametrize("family", CONFIGS)
@pytest.mark.parametrize(
    "words",
    [
        ("sample", "--seeds", "0-2", "--grid"),
        ("mix", "--coarse", "1", "--fine", "2"),
        ("mix", "--rows", "1,2", "--cols", "3", "--styles", "middle"),
        ("interpolate", "1", "2", "--layers", "coarse", "--frames", "2", "--out", "film.gif"),
        ("blend-parents", "1", "2", "--out", "child.png"),
        ("noise", "1", "--jitter", "0.5", "--grid"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_every_verb_on_every_family(stylegan, files, family, words):
    (path,) = done(stylegan(*words, "--model", files[family]))
    assert Image.open(path).size[0] >= 64


@pytest.mark.parametrize("family", CONFIGS)
def test_every_family_compiles(stylegan, files, family, monkeypatch, own_models):
    """torch.compile stands for a compiler whose code draws a little differently."""
    monkeypatch.setattr(torch, "compile", lambda eager, **_: lambda ws: eager(ws) + 0.015)
    eager, compiled = (
        np.array(Image.open(done(stylegan("sample", "--seeds", 1, "--model", files[family], "--compile", how))[0]), int)
        for how in ("off", "on")
    )
    assert np.median(compiled - eager) in (1, 2)


@pytest.mark.parametrize("family", CONFIGS)
def test_pictures_replay_and_serve_as_people(stylegan, files, family, here):
    model = files[family]
    done(stylegan("sample", "--seeds", 3, "--model", model, "--out", "a.png"))
    done(stylegan("replay", "a.png", "--model", model, "--out", "b.png"))
    assert (here / "a.png").read_bytes() == (here / "b.png").read_bytes()
    done(stylegan("mix", "--coarse", "a.png", "--model", model, "--out", "c.png"))
    assert np.array_equal(np.array(Image.open("a.png")), np.array(Image.open("c.png")))


def test_stylegan3_has_no_noise_and_says_so(stylegan, files):
    refused(stylegan("noise", 1, "--model", files["stylegan3"]), 2, "has no per-pixel noise")


@pytest.mark.parametrize(
    "words", [["sample", "--seeds", 1], ["mix", "--coarse", 1], ["sample", "-n", 2, "--dataset", "d"]]
)
def test_random_noise_that_nobody_would_see(stylegan, files, words):
    refused(stylegan(*words, "--noise", "random", "--model", files["stylegan3"]), 2, "leave out --noise random")
    assert not Path("d").exists()


def test_show_tells_how_a_face_was_moved(stylegan, files):
    words = ("--translate", "0.25,0", "--rotate", 15, "--out", "a.png", "--model", files["stylegan3"])
    done(stylegan("sample", "--seeds", 1, *words))
    assert "; moved by 0.25,0, turned by 15 degrees" in stylegan("show", "a.png").stdout


def test_stylegan3_moves_and_turns(stylegan, files):
    plain, moved = (
        np.array(Image.open(done(stylegan("sample", "--seeds", 1, "--model", files["stylegan3"], *more))[0]), np.int32)
        for more in ((), ("--translate", "0.25,0"))
    )
    shifted = np.abs(moved[8:-8, 24:-8] - plain[8:-8, 8:-24]).mean()
    assert shifted < 0.25 * np.abs(moved - plain).mean()


def test_other_families_do_not_move(stylegan, files):
    for words in (("sample", "--seeds", 1), ("interpolate", 1, 2)):
        refused(stylegan(*words, "--rotate", 5, "--model", files["stylegan2"]), 2, "StyleGAN3 can")


def test_films_of_stylegan3_move_and_turn(stylegan, files):
    """Evenly from the first frame to the last, or in a loop to the first again; each frame replays."""

    def film(*words):
        made = done(stylegan("interpolate", 1, 2, "--frames", 2, *words, "--model", files["stylegan3"]))
        shown = [recipes.read(Path(path)).picture for path in made]
        return made, [(*face.translate, face.rotate) for face in shown]

    made, course = film("--translate", "-0.5,0..0,0.5", "--rotate=-10", "--out", "a")
    assert course == [(-0.5, 0, -10), (-0.25, 0.25, -10), (0, 0.5, -10)]
    (still,) = done(stylegan("sample", 2, "--translate", "0,0.5", "--rotate=-10", "--model", files["stylegan3"]))
    assert np.array_equal(np.array(Image.open(still)), np.array(Image.open(made[-1])))
    done(stylegan("replay", made[1], "--model", files["stylegan3"], "--out", "again.png"))
    assert Path("again.png").read_bytes() == Path(made[1]).read_bytes()
    assert [at[2] for at in film("--rotate", "0..360", "--loop", "--out", "b")[1]] == [0, 90, 180, 270]
    _, wall = made = done(stylegan("interpolate", "1-4", "--grid", "2x1", "--rotate", "0..9", "--frames", 1, "--out",
                                   "c", "--model", files["stylegan3"]))  # fmt: skip
    assert [cell.rotate for cell in recipes.read(Path(wall)).picture.cells()] == [9, 9]


def test_classes(stylegan, tmp_path):
    path = tmp_path / "classes.safetensors"
    modelfile.save(make("stylegan2", c_dim=3), path, {})
    refused(stylegan("sample", "--model", path), 2, "choose one with --class 0 to 2, or in Python with choose_class")
    refused(stylegan("sample", "--model", path, "--class", 3), 2, "the classes 0-2")
    assert "classes       0-2\n" in stylegan("models", "show", path).stdout
    done(stylegan("sample", "--model", path, "-n", 2, "--class", 1, "--dataset", "ones", "--size", 8))
    labels = json.loads(Path("ones/dataset.json").read_text())["labels"]
    assert labels == [["00000/img00000000.png", 1], ["00000/img00000001.png", 1]]
    done(stylegan("sample", "--model", path, "--seeds", "7,7-9", "--dataset", "all.zip", "--size", 8))
    with zipfile.ZipFile("all.zip") as file:
        assert [number for _, number in json.loads(file.read("dataset.json"))["labels"]] == [0, 1, 2, 0]
    for c in (0, 1):
        done(stylegan("sample", "--seeds", 7, "--class", c, "--model", path, "-o", f"{c}.png", "--save-latents"))
        assert np.array_equal(np.load("all-w.npy")[c], np.load(f"{c}.npz")["w"][0, :1])
    seen = [
        np.array(Image.open(done(stylegan("sample", "--seeds", 1, "--model", path, "--class", c))[0])) for c in (0, 1)
    ]
    assert not np.array_equal(*seen)
    assert stylegan("bench", "--model", path, "--seconds", 0, "--batch", 1).exit_code == 0


def test_model_without_classes_takes_none(stylegan, files):
    refused(stylegan("sample", "--class", 0, "--model", files["stylegan1"]), 2, "no classes")


def test_a_picture_of_another_model_is_refused(stylegan, files):
    done(stylegan("sample", "--seeds", 1, "--model", files["stylegan1"], "--out", "a.png"))
    modelfile.save(make("stylegan2", seed=1), Path("b.safetensors"), {})
    refused(stylegan("mix", "--coarse", "a.png", "--model", "b.safetensors"), 1, "was made with the model stylegan1")


@pytest.mark.parametrize(
    "words",
    [
        ["mix", "--coarse", 1, "--fine", 2],
        ["mix", "--rows", 1, "--cols", 2, "--styles", "fine"],
        ["interpolate", 1, "--fine", 2],
        ["blend-parents", 1, 2, "--coarse", 0.7, "--fine", 0.3],
        ["noise", 1, "--layers", "fine"],
    ],
    ids=lambda words: words[0],
)
def test_bands_that_a_model_does_not_have(stylegan, here, words):
    modelfile.save(make("stylegan1", resolution=32), Path("a.safetensors"), {})
    refused(
        stylegan(*words, "--model", "a.safetensors"), 2, "this model, whose pictures have 32 pixels, has no fine layers"
    )


def test_a_class_for_latents(stylegan, here):
    """Latents are of a class already."""
    modelfile.save(make("stylegan2", c_dim=3), Path("a.safetensors"), {})
    model = "--class", 1, "--model", "a.safetensors"
    done(stylegan("sample", 5, "--out", "a.png", *model))
    refused(
        stylegan("sample", "a.png", *model), 2, "only seeds have a class, and latents are used unchanged; leave out"
    )
    done(stylegan("sample", "a.png", 6, *model))
    done(stylegan("noise", "a.png", "--jitter", 0.3, *model))


def test_an_added_model_keeps_its_directions(stylegan, files, own_models):
    """Those that the user found for its file; and those that its name has already."""
    file, model = store.source(str(files["stylegan2"])), make("stylegan2")
    for name, value in (("hats", 1.0), ("years", 2.0)):
        found = Direction(name, torch.full((model.num_ws, model.w_dim), value))
        directions.write(file.own_directions / f"{name}.npz", found, model.origin)
    done(stylegan("models", "add", file.path, "--name", "mine"))
    kept = store.source("mine").directions
    assert sorted(kept) == ["hats", "years"] and kept["hats"].parent == store.source("mine").own_directions
    kept["hats"].write_bytes(b"mine")
    done(stylegan("models", "add", file.path, "--name", "mine", "--force"))
    assert kept["hats"].read_bytes() == b"mine"


def test_panels_need_the_layers_that_they_show(stylegan, here):
    modelfile.save(make("stylegan2", resolution=32), here / "small.safetensors", {})
    refused(stylegan("noise", 1, "--panels", "--model", "small.safetensors"), 2, "has no fine layers")


def test_added_models_have_names(stylegan, files, own_models):
    done(stylegan("models", "add", files["stylegan2"], "--name", "mine"))
    assert "mine\there" in stylegan("models", "list").stdout
    a, b = (done(stylegan("sample", "--seeds", 1, "--model", m))[0] for m in ("mine", files["stylegan2"]))
    assert np.array_equal(np.array(Image.open(a)), np.array(Image.open(b)))
    refused(stylegan("models", "add", files["stylegan1"], "--name", "mine"), 1, "already a model called mine")
    refused(stylegan("models", "add", files["stylegan1"], "--name", "../x"), 2, "cannot be a model's name")
    refused(stylegan("models", "add", "ffhq", "--name", "x"), 2, "ffhq is a model's name already; give a file")
    Path("run").mkdir()
    Path("run", store.SNAPSHOT).write_bytes(files["stylegan1"].read_bytes())
    refused(
        stylegan("models", "add", "run"),
        2,
        "run is also the folder of a training run here; give the model another name",
    )
    Path("run").rename("run.v2")
    refused(stylegan("models", "add", "run.v2"), 2, "'run.v2' cannot be a model's name; choose one with --name")
    found = store.source("mine").own_directions
    found.mkdir(parents=True)
    (found / "smile.npz").touch()
    assert f"The directions that you found for it are kept, in {found}." in stylegan("models", "remove", "mine").stderr
    refused(stylegan("sample", "--model", "mine"), 2, "unknown model")


def test_bundled_models_are_not_removed(stylegan, own_models):
    refused(stylegan("models", "remove", "ffhq"), 2, "not a model that was added")
    assert store.find("ffhq").folder.is_dir()


def test_show_tells_layers_and_hash(stylegan, files):
    shown = stylegan("models", "show", files["stylegan1"]).stdout
    assert store.load(str(files["stylegan1"])).origin.sha256 in shown
    assert shown.splitlines()[-1].split() == ["9", "64", "fine", "8"]


def test_show_tells_what_comes_with_a_model(stylegan, files, own_models):
    shown = stylegan("models", "show", files["stylegan1"]).stdout
    assert "directions    none\nencoder       none\n" in shown
    assert f"size          {files['stylegan1'].stat().st_size / 1e6:.1f} MB\n" in shown
    source = store.source(str(files["stylegan1"]))
    source.own_directions.mkdir(parents=True)
    (source.own_directions / "hair.npz").touch()
    encoder = files["stylegan1"].with_name("encoder.safetensors")
    encoder.touch()
    shown = stylegan("models", "show", files["stylegan1"]).stdout
    encoder.unlink()
    assert f"directions    hair\nencoder       {encoder}\n" in shown


def test_show_in_json(stylegan, files, own_models):
    shown = json.loads(stylegan("models", "show", files["stylegan1"], "--json").stdout)
    expected = {"family": "stylegan1", "classes": 0, "resolution": 64, "noise": True, "encoder": None, "directions": []}
    assert {key: shown[key] for key in expected} == expected
    assert shown["latents"] == {"z": [8], "w": [8], "ws": [10, 8]}
    assert shown["sha256"] == store.load(str(files["stylegan1"])).origin.sha256
    assert (shown["file"], shown["size"]) == (str(files["stylegan1"]), files["stylegan1"].stat().st_size)
    assert shown["notes"]["licence"] == "its maker's"
    assert shown["layers"][-1] == {"index": 9, "resolution": 64, "channels": 8, "band": "fine"}


def test_list_in_json(stylegan, own_models):
    listed = {one["name"]: one for one in json.loads(stylegan("models", "list", "--json").stdout)}
    assert [*listed] == ["faces-64", "ffhq"]
    assert listed["faces-64"]["here"] is True
    assert listed["faces-64"]["licence"] == store.find("faces-64").about["licence"]


def test_show_tells_the_licence(stylegan, files, own_models, tmp_path):
    """Of named models it is in their folder; a model that is added keeps what its file says."""
    generator = store.load(str(files["stylegan1"]))
    modelfile.save(generator, tmp_path / "free.safetensors", {"licence": "CC0"})
    done(stylegan("models", "add", tmp_path / "free.safetensors"))
    said = {"faces-64": "its pictures were sampled from ffhq", "free": "CC0", files["stylegan1"]: "its maker's"}
    for name, licence in said.items():
        assert f"licence       {licence}" in stylegan("models", "show", name).stdout


def test_notes_cannot_forge_what_show_prints(stylegan, files, tmp_path):
    generator = store.load(str(files["stylegan1"]))
    notes = {"sha256": "1" * 64, "name": "ffhq", "licence": "\x1b[2Jnone\nfile  ffhq"}
    modelfile.save(generator, tmp_path / "mine.safetensors", notes)
    shown = stylegan("models", "show", tmp_path / "mine.safetensors").stdout.splitlines()
    assert shown[0].split() == ["name", "mine"]
    assert f"sha256        {generator.origin.sha256}" in shown
    assert r"licence       \x1b[2Jnone\nfile  ffhq" in shown


@pytest.mark.parametrize("family", CONFIGS)
def test_blended_models(stylegan, files, family, tmp_path):
    other = tmp_path / "other.safetensors"
    modelfile.save(make(family, seed=1), other, {})
    done(stylegan("models", "blend", files[family], other, "--at", 16, "--out", "new.safetensors"))
    one, two, new = (store.load(str(path)).state_dict() for path in (files[family], other, "new.safetensors"))
    resolution_of = store.load(str(other)).resolution_of
    for name, tensor in new.items():
        resolution = resolution_of(name)
        assert torch.equal(tensor, one[name] if resolution is None or resolution < 16 else two[name]), name


def test_blending_needs_one_shape_and_a_resolution_that_exists(stylegan, files):
    blend = functools.partial(stylegan, "models", "blend", files["stylegan1"])
    refused(blend(files["stylegan2"], "--at", 16, "--out", "x.safetensors"), 1, "different shapes")
    refused(blend(files["stylegan1"], "--at", 17, "--out", "x.safetensors"), 2, "has the resolutions 4, 8, 16")
    refused(blend(files["stylegan1"], "--out", "x.safetensors"), 2, "either --at")
    idle = ("--average", 0.5, "--smooth", "--out", "x.safetensors")
    refused(blend(files["stylegan1"], *idle), 2, "--smooth is for --at")


def test_rosinality_round_trip(stylegan, files):
    converted = stylegan("models", "convert", files["stylegan2"], "theirs.pt")
    assert (converted.exit_code, converted.stdout) == (0, "theirs.pt\n")
    sizes = "for this model, change latent to 8 and n_mlp to 2 and the channel table there"
    assert sizes in converted.stderr
    blended = done(stylegan("models", "blend", files["stylegan2"], "theirs.pt", "--at", 16, "--out", "b.safetensors"))
    assert size_of(done(stylegan("sample", "--model", blended[0]))[0]) == (64, 64)
    a, b = (done(stylegan("sample", "--seeds", 1, "--model", m))[0] for m in ("theirs.pt", files["stylegan2"]))
    difference = np.abs(np.array(Image.open(a), np.int32) - np.array(Image.open(b), np.int32))
    assert difference.max() <= 1


def test_rosinalitys_file_depends_on_the_model_alone(stylegan, files, here):
    """And not on its name, or on this process."""
    for name in ("one.pt", "another.pt"):
        stylegan("models", "convert", files["stylegan2"], name)
    assert (here / "one.pt").read_bytes() == (here / "another.pt").read_bytes()


def test_rosinalitys_file_on_a_full_disk(stylegan, files, here):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        result = stylegan("models", "convert", files["stylegan2"], "x.pt")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: x.pt could not be written (File too large); choose another name or place.\n"
    assert list(here.iterdir()) == []


def test_only_stylegan2_converts_to_rosinality(stylegan, files, here):
    refused(stylegan("models", "convert", files["stylegan3"], "x.pt"), 1, "stylegan3")
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("family", CONFIGS)
def test_half_the_size_draws_nearly_the_same(stylegan, files, family, here):
    done(stylegan("models", "convert", files[family], "half.safetensors", "--half"))
    tensors = [tensor for tensor in store.load("half.safetensors").state_dict().values() if tensor.is_floating_point()]
    assert {tensor.dtype for tensor in tensors} == {torch.float32}
    weights = sum(4 * tensor.numel() for tensor in tensors)
    assert files[family].stat().st_size - (here / "half.safetensors").stat().st_size == pytest.approx(weights / 2, 0.01)
    exact = ("--seeds", 1, "--precision", "fp32")
    a, b = (done(stylegan("sample", *exact, "--model", m))[0] for m in ("half.safetensors", files[family]))
    difference = np.abs(np.array(Image.open(a), np.int32) - np.array(Image.open(b), np.int32))
    assert difference.mean() < 1


def test_files_made_from_a_model_keep_its_licence(stylegan, here, monkeypatch):
    """Of faces-64, which is in the package, and of a model that was added."""
    licence = store.find("faces-64").about["licence"]
    monkeypatch.setenv("STYLEGAN_DATA", str(here / "data"))
    done(stylegan("models", "convert", "faces-64", "half.safetensors", "--half"))
    done(stylegan("models", "add", "half.safetensors", "--name", "mine"))
    done(stylegan("models", "blend", "mine", "half.safetensors", "--at", 32, "--out", "blend.safetensors"))
    for name in ("half.safetensors", "mine", "blend.safetensors"):
        assert json.loads(stylegan("models", "show", name, "--json").stdout)["notes"]["licence"] == licence


def test_rosinalitys_layout_keeps_the_licence_too(stylegan, here, monkeypatch):
    """Also in what is made from it, here or in a file again."""
    monkeypatch.setenv("STYLEGAN_DATA", str(here / "data"))
    modelfile.save(make("stylegan2"), here / "free.safetensors", {"licence": "CC0"})
    assert stylegan("models", "convert", "free.safetensors", "free.pt").exit_code == 0
    done(stylegan("models", "convert", "free.pt", "again.safetensors"))
    done(stylegan("models", "add", "free.pt", "--name", "mine"))
    for name in ("free.pt", "again.safetensors", "mine"):
        assert json.loads(stylegan("models", "show", name, "--json").stdout)["notes"]["licence"] == "CC0"


def test_rosinalitys_layout_is_not_halved(stylegan, files):
    refused(stylegan("models", "convert", files["stylegan2"], "x.pt", "--half"), 2, "in float32 as .pt")


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        """Says nothing: the tests read stderr."""


@pytest.fixture
def server(files):
    """A web server on this machine for the folder of the model files."""
    folder = files["stylegan1"].parent
    handler = functools.partial(QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()


def test_models_by_url(stylegan, files, server, own_models, tmp_path):
    pin = hashlib.sha256(files["stylegan1"].read_bytes()).hexdigest()
    url = f"{server}/stylegan1.safetensors"
    (place,) = done(stylegan("models", "path", f"{url}#sha256={pin}"))
    assert not Path(place).exists()
    result = stylegan("sample", "--seeds", 1, "--model", f"{url}#sha256={pin}")
    assert result.exit_code == 0
    assert result.stderr.startswith("Fetching http://127.0.0.1")
    assert done(stylegan("sample", "--seeds", 1, "--model", f"{url}#sha256={pin}")) == ["seed0001-2.png"]
    refused(stylegan("sample", "--model", url), 2, "#sha256=")
    assert stylegan("sample", "--model", f"{url}#sha256={'0' * 64}").exit_code == 1
    kept = [path.name for path in (tmp_path / "cache" / "downloads").iterdir()]
    assert kept == [f"{pin[:12]}-stylegan1.safetensors"]
    assert done(stylegan("models", "pull", f"{url}#sha256={pin}")) == [place]
    refused(stylegan("models", "pull", files["stylegan1"]), 2, "is a file: there is nothing to fetch")


def test_a_model_is_added_from_its_url(stylegan, files, server, own_models):
    pin = hashlib.sha256(files["stylegan1"].read_bytes()).hexdigest()
    result = stylegan("models", "add", f"{server}/stylegan1.safetensors?download=1#sha256={pin}")
    assert result.exit_code == 0 and result.stdout == f"{store.find('stylegan1').weights}\n"
    assert result.stderr.startswith(f"Fetching {server}/stylegan1.safetensors")
    assert store.load("stylegan1").origin.sha256 == store.load(str(files["stylegan1"])).origin.sha256
    title = "stylegan1, 64x64 (stylegan model file stylegan1.safetensors)"
    assert f"stylegan1\there\t{title}\n" in stylegan("models", "list").stdout


def test_training_starts_from_a_url(stylegan, files, server, here, own_models):
    """What is fetched, and how far it is, is told as everywhere."""
    write_pictures(here / "faces", size=64)
    pin = hashlib.sha256(files["stylegan2"].read_bytes()).hexdigest()
    words = "train", "--data", "faces", "--outdir", "run", "--dry-run", "--batch", 8, "--resume"
    result = stylegan(*words, f"{server}/stylegan2.safetensors#sha256={pin}")
    assert result.exit_code == 0, result.stderr
    assert result.stderr.startswith(f"Fetching {server}/stylegan2.safetensors")


def test_nothing_is_fetched_for_a_name_that_is_taken(stylegan, files, own_models):
    done(stylegan("models", "add", files["stylegan1"], "--name", "mine"))
    url = f"http://127.0.0.1:1/a.pkl#sha256={'0' * 64}"
    refused(stylegan("models", "add", url, "--name", "mine"), 1, "already a model called mine")


@pytest.mark.parametrize("url", ["ftp://host/a/b.pkl", "file:///home/me/b.pkl"])
@pytest.mark.parametrize("words", [("models", "add"), ("sample", "--model")])
def test_urls_of_other_kinds(stylegan, own_models, words, url):
    refused(stylegan(*words, url), 2, f"{url} cannot be fetched: a model's URL begins with https:// or http://; give")


def test_a_connection_that_ends_too_early(stylegan, files, server, own_models, monkeypatch, tmp_path):
    whole = files["stylegan1"].read_bytes()
    monkeypatch.setattr(QuietHandler, "copyfile", lambda _, source, answer: answer.write(source.read(1000)))
    pin = hashlib.sha256(whole).hexdigest()
    result = stylegan("models", "pull", f"{server}/stylegan1.safetensors#sha256={pin}", "-q")
    refused(result, 1, f"stylegan1.safetensors ended after 1000 of {len(whole)} bytes; try again")
    assert list((tmp_path / "cache/downloads").iterdir()) == []


def test_missing_url(stylegan, server, own_models):
    result = stylegan("sample", "--model", f"{server}/nothing.pkl#sha256={'0' * 64}")
    assert result.exit_code == 1
    assert "could not fetch" in result.stderr


def test_truncation_that_would_do_nothing(stylegan, files):
    model = ("--model", files["stylegan1"])
    done(stylegan("sample", "--seeds", 1, "--save-latents", "--out", "one.png", *model))
    for people in (("one.npz",), ("--latents", "one.npz")):
        refused(stylegan("sample", *people, "--psi", 0.5, *model), 2, "latents are used unchanged; leave out --psi")
        refused(stylegan("sample", *people, "--cutoff", 2, *model), 2, "latents are used unchanged; leave out --cutoff")
    refused(stylegan("sample", "--cutoff", 99, *model), 2, "--cutoff 99")
