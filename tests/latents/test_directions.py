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
        ({"direction": torch.ones(16)}, "holds the keys direction, and not one tensor"),
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
    for name, said in (
        ("a.pt", "was refused: it asks for io.open, which"),
        ("b.pt", "was refused: it asks for io.open, which"),
        ("c.npy", "it holds Python objects, which are never loaded"),
    ):
        with pytest.raises(StyleganError, match=f"{name} .*{said}"):
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
    with pytest.raises(UsageError, match=r"no direction 'Aeg' \(did you mean age\?\): tiny has age"):
        directions.resolve("Aeg", tiny, known)
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
        with pytest.raises(
            UsageError, match=rf"holds {count} directions; name one, from factors\.npy#0 to .*#{count - 1}"
        ):
            directions.read(tmp_path / "factors.npy", tiny)
    np.save(tmp_path / "layers.npy", random(tiny.w_dim) + 0.1 * random(tiny.num_ws, tiny.w_dim))
    assert directions.read(tmp_path / "layers.npy", tiny).space == "W+"


def test_one_of_several(tiny, tmp_path):
    vectors = np.linalg.qr(random(tiny.w_dim, tiny.w_dim))[0][:3].astype(np.float32)
    for name, array in {"rows.npy": vectors, "boundaries.npy": vectors[:, None]}.items():
        np.save(tmp_path / name, array)
        found = directions.resolve(f"{tmp_path / name}#2", tiny, {})
        assert (found.name, found.space, found.origin) == (f"{name[:-4]}#2", "W", None)
        assert torch.equal(found.vector, torch.from_numpy(vectors[2]).expand(tiny.num_ws, -1))
    layers = random(2, tiny.num_ws, tiny.w_dim)
    np.save(tmp_path / "layers.npy", layers)
    assert torch.equal(directions.read(tmp_path / "layers.npy", tiny, 1).vector, torch.from_numpy(layers[1]))


@pytest.mark.parametrize("number", [3, 999_999_999])
def test_a_number_that_the_file_does_not_have(tiny, tmp_path, number):
    np.save(tmp_path / "rows.npy", np.eye(3, tiny.w_dim))
    with pytest.raises(UsageError, match=r"holds 3 directions; name one, from rows\.npy#0 to rows\.npy#2"):
        directions.read(tmp_path / "rows.npy", tiny, number)


@pytest.mark.parametrize("number", ["x", "-1", "1234567890"])
def test_what_is_no_number(tiny, tmp_path, number):
    np.save(tmp_path / "rows.npy", np.eye(3, tiny.w_dim))
    with pytest.raises(UsageError, match=rf"rows\.npy#{number}: directions in a file are numbered from 0"):
        directions.resolve(f"{tmp_path}/rows.npy#{number}", tiny, {})


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((0, 1, 16), np.float32), "is empty"),
        (np.full((3, 16), np.nan), r"has shape \[3, 16\]"),
        (np.zeros((2, 2, 3, 16)), r"has shape \[2, 2, 3, 16\]"),
        (np.eye(3, 16) * 1j, "complex128 values"),
    ],
)
def test_a_number_does_not_hide_what_is_wrong_with_a_file(tiny, tmp_path, array, said):
    np.save(tmp_path / "broken.npy", array)
    with pytest.raises(StyleganError, match=said):
        directions.read(tmp_path / "broken.npy", tiny, 1)


def test_where_there_is_one_there_is_no_choice(written, tiny, tmp_path):
    np.savez(tmp_path / "lone.npz", random(tiny.w_dim))
    np.save(tmp_path / "w.npy", random(tiny.w_dim))
    for path in (written[1], tmp_path / "lone.npz", tmp_path / "w.npy"):
        with pytest.raises(UsageError, match=rf"{path.name} holds one direction; leave out #0"):
            directions.resolve(f"{path}#0", tiny, {})


def test_rosinalitys_factors_are_columns(tiny, tmp_path):
    factors = torch.from_numpy(np.linalg.qr(random(tiny.w_dim, tiny.w_dim))[0])
    torch.save({"ckpt": "550000.pt", "eigvec": factors}, tmp_path / "factor.pt")
    assert torch.equal(directions.read(tmp_path / "factor.pt", tiny, 5).vector[0], factors[:, 5])
    torch.save({"ckpt": "550000.pt", "eigvec": "no"}, tmp_path / "factor.pt")
    with pytest.raises(StyleganError, match=r"factor\.pt holds the keys ckpt, eigvec, and not one tensor"):
        directions.read(tmp_path / "factor.pt", tiny, 5)


def ganspace(components, deviations):
    """A file of GANSpace's, as far as edits need it."""
    more = {"act_comp": components[:, 0], "act_stdev": deviations, "lat_mean": components[:1], "var_ratio": deviations}
    return {"lat_comp": components, "lat_stdev": deviations, **more}


def test_ganspaces_components_move_by_standard_deviations(tiny, tmp_path):
    components = np.linalg.qr(random(tiny.w_dim, tiny.w_dim))[0][:4, None].astype(np.float32)
    deviations = np.array([3, 2, 1, 0.5], np.float32)
    np.savez_compressed(tmp_path / "pca_w.npz", **ganspace(components, deviations))
    for number, deviation in enumerate(deviations):
        found = directions.read(tmp_path / "pca_w.npz", tiny, number).vector
        assert np.array_equal(found[3], deviation * components[number, 0])
    with pytest.raises(UsageError, match=r"holds 4 directions; name one, from pca_w\.npz#0"):
        directions.read(tmp_path / "pca_w.npz", tiny)


@pytest.mark.parametrize("axes", [(slice(None), None), (slice(None),)], ids=["3-D", "2-D"])
def test_e4es_components_are_ganspaces(tiny, tmp_path, axes):
    """`ffhq_pca.pt`, with a mean that edits do not need."""
    components = torch.from_numpy(np.linalg.qr(random(tiny.w_dim, tiny.w_dim))[0][:4].astype(np.float32))
    deviations = torch.tensor([3, 2, 1, 0.5])
    pca = {"comp": components[axes], "mean": torch.zeros(1, tiny.w_dim), "std": deviations}
    torch.save(pca, tmp_path / "ffhq_pca.pt")
    for number, deviation in enumerate(deviations):
        found = directions.read(tmp_path / "ffhq_pca.pt", tiny, number).vector
        assert torch.equal(found, (deviation * components[number]).expand(tiny.num_ws, -1))
    with pytest.raises(UsageError, match=r"holds 4 directions; name one, from ffhq_pca\.pt#0"):
        directions.read(tmp_path / "ffhq_pca.pt", tiny)


@pytest.mark.parametrize(
    ("components", "deviations", "said"),
    [
        (torch.ones(3, 1, 16), torch.ones(2), "refused: its components and their deviations do not match"),
        (torch.ones(3), torch.ones(3), "do not match"),
        (torch.tensor(1.0), torch.tensor(1.0), "do not match"),
        (torch.ones(3, 1, 9), torch.ones(3), r"has shape \[1, 9\]"),
        (torch.full((3, 1, 16), 1e38), torch.full((3,), 1e38), "NaN"),
        (torch.zeros(0, 1, 16), torch.zeros(0), "is empty"),
        (torch.ones(3, 1, 16), "no", "holds the keys comp, mean, std, and not one tensor"),
    ],
)
def test_e4es_components_that_do_not_fit(tiny, tmp_path, components, deviations, said):
    torch.save({"comp": components, "mean": torch.zeros(16), "std": deviations}, tmp_path / "pca.pt")
    with pytest.raises(StyleganError, match=said):
        directions.read(tmp_path / "pca.pt", tiny, 1)


@pytest.mark.parametrize(
    ("components", "deviations", "said"),
    [
        (random(3, 1, 16), np.ones(3), "components of Z, but edits move w; use those that GANSpace finds with --use_w"),
        (random(3, 1, 16), np.full(2, 2.0), "do not match"),
        (random(3, 16), np.full(3, 2.0), "do not match"),
        (random(3, 1, 9), np.full(3, 2.0), r"has shape \[1, 9\]"),
        (random(3, 1, 16), np.full(3, np.nan), "NaN"),
        (np.full((3, 1, 16), 1e38, np.float32), np.full(3, 1e38, np.float32), "NaN"),
        (np.zeros((0, 1, 16), np.float32), np.zeros(0, np.float32), "is empty"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_ganspaces_components_that_do_not_fit(tiny, tmp_path, components, deviations, said):
    np.savez(tmp_path / "pca.npz", lat_comp=components, lat_stdev=deviations)
    with pytest.raises(StyleganError, match=said):
        directions.read(tmp_path / "pca.npz", tiny, 1)
