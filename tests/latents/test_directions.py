"""Direction files: ours know their model, foreign ones are read by their shape, broken ones are refused."""

import json
import pickle

import numpy as np
import pytest
import torch
from bomb import Bomb
from tiny_generator import make_tiny

from stylegan_cli.errors import StyleganError, UsageError
from stylegan_cli.generator import Origin
from stylegan_cli.latents import directions
from stylegan_cli.latents.directions import Direction


def random(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@pytest.fixture
def written(tiny, tmp_path):
    """A direction of the tiny model, and its file."""
    vector = torch.from_numpy(random(tiny.w_dim)).expand(tiny.num_ws, -1)
    about = {"title": "Age", "found": {"command": "x"}, "scores": {"r": 0.5}}
    direction = Direction("age", vector, "coarse", response=torch.ones(tiny.w_dim), **about)
    path = tmp_path / "age.npz"
    directions.write(path, direction, tiny.origin)
    return direction, path


def test_what_is_written_is_what_is_read(written, tiny):
    direction, path = written
    again = directions.read(path, tiny)
    assert torch.equal(again.vector, direction.vector)
    assert torch.equal(again.response, direction.response)
    assert (again.name, again.title, again.layers, again.space) == ("age", "Age", "coarse", "W")
    assert (again.found, again.scores, again.origin) == ({"command": "x"}, {"r": 0.5}, tiny.origin)
    assert directions.title(path) == "Age"


def test_the_file_tells_its_unit_and_holds_one_row_of_a_w_direction(written):
    with np.load(written[1]) as file:
        assert file["direction"].shape == (16,)
        assert json.loads(str(file["about"]))["unit"] == directions.UNIT


def test_w_plus_keeps_its_rows(tiny, tmp_path):
    vector = torch.from_numpy(random(tiny.num_ws, tiny.w_dim))
    directions.write(tmp_path / "d.npz", Direction("d", vector), tiny.origin)
    again = directions.read(tmp_path / "d.npz", tiny)
    assert torch.equal(again.vector, vector)
    assert (again.space, again.response) == ("W+", None)


def test_another_model_is_refused(written):
    other = make_tiny(1)
    other.origin = Origin("other", "1" * 64)
    with pytest.raises(StyleganError, match=r"direction of the model tiny \(000000000000\), but this is other"):
        directions.read(written[1], other)


@pytest.mark.parametrize("shape", [(16,), (1, 16), (13, 16), (1, 13, 16), (1, 1, 16)])
@pytest.mark.parametrize("ending", ["npy", "pt"])
def test_foreign_vectors(tiny, tmp_path, shape, ending):
    array = random(*shape)
    path = tmp_path / f"smile.{ending}"
    np.save(path, array) if ending == "npy" else torch.save(torch.from_numpy(array), path)
    direction = directions.read(path, tiny)
    assert (direction.name, direction.origin) == ("smile", None)
    assert direction.vector.dtype == torch.float32
    assert torch.equal(direction.vector, torch.from_numpy(array).reshape(-1, 16).expand(13, 16))


@pytest.mark.parametrize("kind", [torch.float16, torch.int64])
@pytest.mark.parametrize("new_format", [False, True])
def test_other_numbers_and_the_old_format(tiny, tmp_path, kind, new_format):
    torch.save(torch.ones(1, 16, dtype=kind), tmp_path / "a.pt", _use_new_zipfile_serialization=new_format)
    assert torch.equal(directions.read(tmp_path / "a.pt", tiny).vector, torch.ones(13, 16))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (torch.ones(18, 16), "18 layers belong to another model"),
        (torch.ones(1, 512), r"has shape \[1, 512\]"),
        (torch.ones(2, 13, 16), "holds 2 directions"),
        (torch.full((16,), torch.nan), "NaN"),
        ({"direction": torch.ones(16)}, "neither a single tensor"),
    ],
)
def test_foreign_files_that_do_not_fit(tiny, tmp_path, value, said):
    torch.save(value, tmp_path / "a.pt")
    with pytest.raises(StyleganError, match=said):
        directions.read(tmp_path / "a.pt", tiny)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [np.inf, np.nan, 1e300])
def test_numbers_that_are_none_cost_one_sentence(tiny, tmp_path, value):
    """And no warnings of NumPy's."""
    np.save(tmp_path / "a.npy", np.full((tiny.num_ws, tiny.w_dim), value))
    with pytest.raises(StyleganError, match=r"a\.npy holds NaN or infinite values"):
        directions.read(tmp_path / "a.npy", tiny)


def test_nothing_is_run(tiny, tmp_path):
    (tmp_path / "a.pt").write_bytes(pickle.dumps(Bomb(tmp_path / "bang"), protocol=2))
    torch.save(Bomb(tmp_path / "bang"), tmp_path / "b.pt")
    np.save(tmp_path / "c.npy", np.array([Bomb(tmp_path / "bang")], object), allow_pickle=True)
    for name in ("a.pt", "b.pt", "c.npy"):
        with pytest.raises(StyleganError):
            directions.read(tmp_path / name, tiny)
    assert not (tmp_path / "bang").exists()


def about(**changes):
    right = {
        "name": "d",
        "title": "",
        "layers": "all",
        "model": {"name": "tiny", "sha256": "0" * 64},
        "found": {},
        "scores": {},
    }
    return json.dumps(right | changes)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"w": np.ones(16)}, "contains no direction; its keys are w"),
        ({"ws": np.ones(16)}, "contains no direction"),
        ({"direction": np.ones(16), "response": np.ones(16)}, "contains no direction"),
        ({"direction": np.ones(16), "about": np.array("{")}, "cannot be read as a direction"),
        ({"direction": np.ones(16), "about": np.array("[]")}, "cannot be read as a direction"),
        ({"direction": np.ones(16), "about": np.array(about(found=3))}, "cannot be read as a direction"),
        ({"direction": np.ones(16), "about": np.array(about(found={"kept": 5}))}, "not a list of names"),
        ({"direction": np.ones(16), "about": np.array(about(found={"kept": "age"}))}, "not a list of names"),
        ({"direction": np.ones(16), "about": np.array(about(found={"kept": ["age", 5]}))}, "not a list of names"),
        ({"direction": np.ones(16), "about": np.array(about(layers="nose"))}, "there is no band or layer 'nose'"),
        (
            {"direction": np.ones(16), "about": np.array(about(layers="0-40"))},
            r"d\.npz moves layers that the model does not have",
        ),
        ({"direction": np.ones(16), "about": np.array(about(layers=5))}, "its layers are 5"),
        ({"direction": np.ones(16), "about": np.array(about(layers=None))}, "its layers are None"),
        ({"direction": np.ones(8), "about": np.array(about())}, r"has shape \[8\]"),
        ({"direction": np.ones(16), "response": np.ones(3), "about": np.array(about())}, r"has shape \[3\]"),
    ],
)
def test_broken_files_of_ours(tiny, tmp_path, arrays, said):
    np.savez(tmp_path / "d.npz", **arrays)
    with pytest.raises(StyleganError, match=said):
        directions.read(tmp_path / "d.npz", tiny)


@pytest.mark.parametrize("key", ["direction", "boundary", "arr_0"])
def test_the_only_array_of_an_npz(tiny, tmp_path, key):
    np.savez(tmp_path / "smile.npz", **{key: np.arange(16.0)[None]})
    found = directions.read(tmp_path / "smile.npz", tiny)
    assert (found.name, found.space, found.origin) == ("smile", "W", None)
    assert found.vector[3].tolist() == list(range(16))


@pytest.mark.parametrize("ending", ["npz", "npy", "pt"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x02", b"hello", bytes(range(256))])
def test_garbage(tiny, tmp_path, ending, content):
    path = tmp_path / f"d.{ending}"
    path.write_bytes(content)
    with pytest.raises(StyleganError, match=r"d\."):
        directions.read(path, tiny)


def test_names_files_and_what_is_neither(written, tiny):
    _, path = written
    known = {"age": path}
    assert directions.resolve("age", tiny, known).name == "age"
    assert directions.resolve(str(path), tiny, {}).name == "age"
    with pytest.raises(UsageError, match=r"no direction 'smile': tiny has age; find more with 'stylegan directions'"):
        directions.resolve("smile", tiny, known)
    with pytest.raises(UsageError, match="tiny has none yet"):
        directions.resolve("smile", tiny, {})
    with pytest.raises(UsageError, match=r"there is no direction file nowhere\.pt"):
        directions.resolve("nowhere.pt", tiny, known)
    with pytest.raises(UsageError, match=r"no direction file age\.pt; age is one of the model's own"):
        directions.resolve("age.pt", tiny, known)


def test_several_directions_are_not_the_layers_of_one(tiny, tmp_path):
    """Eigenvectors, as SeFa and GANSpace store them, even if there are as many as layers."""
    vectors = np.linalg.qr(random(tiny.w_dim, tiny.w_dim))[0]
    for count in (3, tiny.num_ws):
        np.save(tmp_path / "factors.npy", vectors[:count])
        with pytest.raises(StyleganError, match=f"holds {count} directions; save the one you want"):
            directions.read(tmp_path / "factors.npy", tiny)
    np.save(tmp_path / "layers.npy", random(tiny.w_dim) + 0.1 * random(tiny.num_ws, tiny.w_dim))
    assert directions.read(tmp_path / "layers.npy", tiny).space == "W+"
