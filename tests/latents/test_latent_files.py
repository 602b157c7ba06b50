"""Latent files: what is written is read again, and what is broken or hostile is refused in one sentence."""

import io
import json
import pickle
import zipfile
from dataclasses import asdict

import numpy as np
import pytest
from bomb import Bomb
from hypothesis import given, settings
from hypothesis import strategies as st

from stylegan_cli.errors import StyleganError
from stylegan_cli.latents import files
from stylegan_cli.noise import Noise

W = np.random.default_rng(0).normal(size=(13, 16)).astype(np.float32)


def lying_header(shape):
    """A `.npy` whose header promises `shape`, with 8 numbers behind it."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return buffer.getvalue() + bytes(32)


def npz(path, **members):
    """A zip of members as they are, whatever `np.savez` would think of them."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)


def test_npz_keeps_w_z_psi_and_the_model(tmp_path):
    path, z = tmp_path / "a.npz", np.arange(16.0)
    files.write_npz(path, W[None], {"model": {"name": "m", "sha256": "abc"}}, z, 0.5)
    stored = files.read(path)
    assert np.array_equal(stored.array, W[None])
    assert np.array_equal(stored.z, z)
    assert (stored.psi, stored.origin.name, stored.origin.sha256) == (0.5, "m", "abc")


def test_npy_is_read_as_it_is(tmp_path):
    np.save(tmp_path / "a.npy", W)
    stored = files.read(tmp_path / "a.npy")
    assert np.array_equal(stored.array, W)
    assert (stored.z, stored.origin) == (None, None)


def test_nvidias_projected_w(tmp_path):
    np.savez(tmp_path / "projected_w.npz", w=W[None])
    assert np.array_equal(files.read(tmp_path / "projected_w.npz").array, W[None])


@given(st.lists(st.floats(width=32), min_size=4, max_size=4), st.integers(1, 3))
def test_what_is_streamed_is_what_is_read(tmp_path_factory, numbers, rows):
    path = tmp_path_factory.mktemp("streamed") / "w.npy"
    row = np.array(numbers, np.float32)
    with files.writing_npy(path, (rows, 4)) as append:
        for _ in range(rows):
            append(row)
    assert np.array_equal(np.load(path), np.tile(row, (rows, 1)), equal_nan=True)


def test_an_interrupted_stream_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), files.writing_npy(tmp_path / "w.npy", (2, 4)) as append:
        append(np.zeros(4))
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [0, 1, 9, 40, 130])
def test_truncated_npy(tmp_path, size):
    np.save(tmp_path / "a.npy", W)
    whole = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(whole[:size])
    with pytest.raises(StyleganError, match=r"a\.npy"):
        files.read(tmp_path / "a.npy")


@settings(max_examples=60)
@given(st.data())
def test_truncated_npz(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("cut") / "a.npz"
    np.savez(path, w=W)
    whole = path.read_bytes()
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(StyleganError, match=r"a\.npz (is empty|cannot be read as latents \(.*\)); save it again"):
        files.read(path)


@pytest.mark.parametrize("ending", ["npy", "npz"])
@settings(max_examples=200)
@given(st.data())
def test_a_flipped_byte_is_never_more_than_a_sentence(tmp_path_factory, ending, data):
    path = tmp_path_factory.mktemp("flip") / f"a.{ending}"
    if ending == "npy":
        np.save(path, W)
    else:
        np.savez_compressed(path, w=W, about=json.dumps({"model": {"name": "m", "sha256": "abc"}}))
    content = bytearray(path.read_bytes())
    end = 128 if ending == "npy" else len(content)  # the numbers of a .npy may be anything
    content[data.draw(st.integers(0, end - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        assert isinstance(files.read(path).array, np.ndarray)
    except StyleganError as error:
        assert path.name in str(error)


@pytest.mark.parametrize("wrap", ["npy", "npz"])
def test_objects_are_never_unpickled(tmp_path, wrap):
    target = tmp_path / "made-by-unpickling"
    array = np.array([Bomb(target)], dtype=object)
    path = tmp_path / f"a.{wrap}"
    if wrap == "npy":
        np.save(path, array, allow_pickle=True)
    else:
        np.savez(path, w=array)
    with pytest.raises(StyleganError, match="Python objects, which are never loaded"):
        files.read(path)
    assert not target.exists()


def test_a_pickle_called_npy_is_not_loaded(tmp_path):
    target = tmp_path / "made-by-unpickling"
    (tmp_path / "a.npy").write_bytes(pickle.dumps(Bomb(target)))
    with pytest.raises(StyleganError, match=r"a\.npy cannot be read as latents \(it is not a NumPy file\)"):
        files.read(tmp_path / "a.npy")
    assert not target.exists()


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    """Root may read any, and tests often run as root."""
    np.save(tmp_path / "a.npy", W)

    def denied(*_, **__):
        raise PermissionError(13, "Permission denied", "a.npy")

    monkeypatch.setattr(np, "load", denied)
    with pytest.raises(StyleganError, match=r"a\.npy cannot be read \(Permission denied\); use another file$"):
        files.read(tmp_path / "a.npy")


def test_a_lying_header_takes_no_memory(tmp_path):
    (tmp_path / "a.npy").write_bytes(lying_header((10**12, 512)))
    with pytest.raises(StyleganError, match=r"a\.npy cannot be read"):
        files.read(tmp_path / "a.npy")
    for shape in ((10**12, 512), (5000, 512), (2**40, 2**40), (-(2**40), -(2**40))):
        npz(tmp_path / "a.npz", w=lying_header(shape))
        with pytest.raises(StyleganError, match=r"a\.npz cannot be read as latents \(its header claims more than"):
            files.read(tmp_path / "a.npz")


@pytest.mark.parametrize("wrap", ["npy", "npz"])
def test_a_header_that_python_s_parser_finds_too_much(tmp_path, wrap):
    header = b"-" * 9000 + b"1"
    content = np.lib.format.magic(1, 0) + len(header).to_bytes(2, "little") + header
    (tmp_path / "a.npy").write_bytes(content)
    npz(tmp_path / "a.npz", w=content)
    with pytest.raises(StyleganError, match=r"cannot be read as latents \(its header is damaged\)"):
        files.read(tmp_path / f"a.{wrap}")


def test_a_header_of_the_future(tmp_path):
    (tmp_path / "a.npy").write_bytes(np.lib.format.magic(9, 0) + bytes(100))
    with pytest.raises(StyleganError, match="its header has an unknown version"):
        files.read(tmp_path / "a.npy")


def test_too_little_memory_is_no_fault_of_the_file(tmp_path, monkeypatch):
    def full(*_, **__):
        raise MemoryError

    np.savez(tmp_path / "a.npz", w=W)
    monkeypatch.setattr(np, "load", full)
    with pytest.raises(MemoryError):
        files.read(tmp_path / "a.npz")


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressions_that_numpy_never_uses(tmp_path, compression):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", compression) as archive:
        archive.writestr("w.npy", bytes(1000))
    with pytest.raises(StyleganError, match="a compression that NumPy never uses"):
        files.read(tmp_path / "a.npz")


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "a.npz", w=np.zeros(1 << 20))
    assert (tmp_path / "a.npz").stat().st_size < 1 << 14
    monkeypatch.setattr(files, "MAX_BYTES", 1 << 20)
    monkeypatch.setattr(np, "load", None)
    with pytest.raises(StyleganError, match="unpack to"):
        files.read(tmp_path / "a.npz")


@pytest.mark.parametrize(
    "members",
    [
        {"x": W},
        {},
        {"w": W, "about": "not json"},
        {"w": W, "about": "[]"},
        {"w": W, "about": "{}"},
        {"w": W, "about": '{"model": 5}'},
        {"w": W, "about": '{"model": {"name": "m"}}'},
        {"w": W, "z": W[0], "psi": np.ones(2)},
        {"w": W, "z": W[0], "psi": np.array("much")},
        {"w": W, "z": W[0], "psi": np.nan},
    ],
    ids=repr,
)
def test_npz_of_other_contents(tmp_path, members):
    np.savez(tmp_path / "a.npz", **members)
    with pytest.raises(StyleganError, match=r"a\.npz"):
        files.read(tmp_path / "a.npz")


NOISE = {"mode": "random", "seed": 3, "coarse": 0.0, "middle": 1.0, "fine": 2.0}


@pytest.mark.parametrize(
    "noise",
    [{}, NOISE, [], [NOISE, NOISE], [5], [NOISE | {"mode": "loud"}], [NOISE | {"fine": "x"}], [NOISE | {"seed": -1}],
     [NOISE | {"hue": 1}], [NOISE | {"fine": float("nan")}]],
)  # fmt: skip
def test_noise_that_makes_no_sense(tmp_path, noise):
    about = json.dumps({"model": {"name": "m", "sha256": "0"}, "noise": noise})
    np.savez(tmp_path / "a.npz", w=W[None], about=about)
    with pytest.raises(StyleganError, match=r"a\.npz cannot be read as latents"):
        files.read(tmp_path / "a.npz")


def test_everybody_has_their_own_noise(tmp_path):
    about = {"model": {"name": "m", "sha256": "0"}, "noise": [asdict(Noise("random", n, fine=0.5)) for n in range(3)]}
    files.write_npz(tmp_path / "a.npz", np.stack([W] * 3), about)
    assert files.read(tmp_path / "a.npz").noise == tuple(Noise("random", n, fine=0.5) for n in range(3))
    assert files.read(tmp_path / "a.npz").only(1).noise == (Noise("random", 1, fine=0.5),)


def test_a_member_that_is_no_array(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("w", "hello")
    assert files.read(tmp_path / "a.npz").array.dtype.kind == "S"


MAP = {"x/map": np.zeros((4, 4), np.int8), "x/step": np.float32(1)}


@pytest.mark.parametrize(
    ("shares", "tunings"),
    [
        (np.zeros((0, 2**40, 13), np.float32), 0),
        (np.zeros((0, 1, 13), np.float32), 1),
        (np.zeros((1, 2**40, 0), np.float32), 0),
        (np.zeros((1, 1, 0), np.float32), 1),
        (np.zeros((1, 0, 13), np.float32), 0),
        (np.ones((2, 1, 13), np.float32), 1),
        (np.ones((1, 2, 13), np.float32), 1),
        (np.ones((1, 1, 13), np.float32), 2),
        (np.ones((1, 1, 13), int), 1),
        (np.full((1, 1, 13), np.nan, np.float32), 1),
    ],
)
def test_shares_that_belong_to_other_tunings_or_people(tmp_path, shares, tunings):
    """Those without people or layers cost a file nothing, whatever number of tunings they name."""
    members = {f"tunings/{n}/{name}": array for n in range(tunings) for name, array in MAP.items()}
    np.savez(tmp_path / "a.npz", w=W[None], **{"tunings/shares": shares}, **members)
    with pytest.raises(StyleganError, match=r"a\.npz cannot be read as latents \(its (tunings' )?shares (are|do)"):
        files.read(tmp_path / "a.npz")


def test_one_of_many(tmp_path):
    """With their own tunings, of which those without a share are left out."""
    shares = np.zeros((3, 2, 13), np.float32)
    shares[1, 1] = 0.5
    members = {f"tunings/{n}/{name}": array for n in range(2) for name, array in MAP.items()}
    ws = np.stack([W, W + 1, W + 2])
    np.savez(tmp_path / "a.npz", w=ws, **{"tunings/shares": shares}, **members)
    stored = files.read(tmp_path / "a.npz")
    assert stored.count == 3
    assert np.array_equal(stored.only(1).array, ws[1])
    ((term,),) = stored.only(1).tuned
    assert term.shares == (0.5,) * 13
    assert stored.only(2).tuned == ((),)
    np.savez(tmp_path / "a.npz", w=W)
    assert files.read(tmp_path / "a.npz").count == 1
    assert np.array_equal(files.read(tmp_path / "a.npz").only(0).array, W)


def test_the_keys_found_are_named(tmp_path):
    np.savez(tmp_path / "a.npz", people=W, faces=W)
    with pytest.raises(StyleganError, match="its keys are people, faces"):
        files.read(tmp_path / "a.npz")


def test_latents_that_cannot_be_written_leave_those_that_were_there(tmp_path, monkeypatch):
    def full(file, **_):
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    path, about = tmp_path / "a.npz", {"model": {"name": "m", "sha256": "abc"}}
    files.write_npz(path, W[None], about)
    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(StyleganError, match=r"no space left to write .*a\.npz"):
        files.write_npz(path, W[None] + 1, about)
    assert list(tmp_path.iterdir()) == [path]
    assert np.array_equal(files.read(path).array, W[None])
