"""Checkpoints are whole or not there, and the last two good ones stay."""

from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from small_trainers import steps, trainer_of

from stylegan_cli import tensorfile
from stylegan_cli.errors import StyleganError
from stylegan_cli.training import checkpoints


def test_what_is_read_is_what_was_written(state, tmp_path):
    state.progress.p, state.progress.path_mean = 0.1, 1 / 3
    checkpoints.save(state, tmp_path)
    tensors, progress = checkpoints.newest(tmp_path)
    assert progress == asdict(state.progress)
    assert all(torch.equal(tensors[name], tensor) for name, tensor in state.tensors().items())


def test_the_last_two_stay(state, tmp_path):
    for nimg in (8, 16, 24, 1000):
        state.progress.nimg = nimg
        checkpoints.save(state, tmp_path)
    assert [int(path.stem) for path in checkpoints.found(tmp_path)] == [24, 1000]


def test_what_continued_does_not_need_the_file(pictures, tmp_path):
    """On Windows a file that anything has mapped cannot be removed."""
    begun = steps(trainer_of(pictures), 2).state
    path, before = checkpoints.save(begun, tmp_path), begun.tensors()
    continued = trainer_of(pictures).state
    continued.load(*checkpoints.newest(tmp_path))
    path.write_bytes(bytes(path.stat().st_size))
    assert all(torch.equal(before[name], tensor) for name, tensor in continued.tensors().items())


def test_one_that_cannot_be_removed_is_removed_later(state, tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(f"{path} is in use")

    with monkeypatch.context() as windows:
        windows.setattr(Path, "unlink", lambda path, missing_ok=False: missing_ok or refuse(path))
        for nimg in (8, 16, 24):
            state.progress.nimg = nimg
            checkpoints.save(state, tmp_path)
    assert len(checkpoints.found(tmp_path)) == 3
    state.progress.nimg = 32
    checkpoints.save(state, tmp_path)
    assert [int(path.stem) for path in checkpoints.found(tmp_path)] == [24, 32]


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b[:-9] + bytes([b[-9] ^ 1]) + b[-8:], lambda _: b""])
def test_a_damaged_one_is_passed_over(state, tmp_path, damage):
    checkpoints.save(state, tmp_path)
    state.progress.nimg = 8
    path = checkpoints.save(state, tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    assert checkpoints.newest(tmp_path)[1]["nimg"] == 0


def test_a_damaged_one_does_not_count_among_the_last_two(state, tmp_path):
    """It is newer than where the run goes on from it."""
    for nimg in (8, 16, 1000, 24):
        state.progress.nimg = nimg
        path = checkpoints.save(state, tmp_path)
        if nimg == 1000:
            path.write_bytes(b"damaged")
    assert [checkpoints.read(path)[1]["nimg"] for path in checkpoints.found(tmp_path)] == [16, 24]


def test_nothing_is_there_to_go_on_from(tmp_path):
    assert checkpoints.newest(tmp_path) is None
    (tmp_path / "000000000008.safetensors").write_bytes(b"hello")
    with pytest.raises(StyleganError, match=r"all checkpoints in .* are damaged"):
        checkpoints.newest(tmp_path)


def test_numbers_that_are_not_finite_are_not_kept(state):
    state.check()
    with torch.no_grad():
        next(state.average.parameters())[0] = torch.inf
    with pytest.raises(StyleganError, match=r"not finite after 0.0 kimg"):
        state.check()


def test_one_that_was_written_badly_is_told_and_replaces_none(state, tmp_path, monkeypatch):
    for nimg in (8, 16):
        state.progress.nimg = nimg
        checkpoints.save(state, tmp_path)
    monkeypatch.setattr(tensorfile, "save", lambda _tensors, part, _metadata: part.write_bytes(b"damaged"))
    state.progress.nimg = 24
    with pytest.raises(StyleganError, match="was not written correctly; check the disk"):
        checkpoints.save(state, tmp_path)
    left = map(checkpoints.read, checkpoints.found(tmp_path))
    assert [content and content[1]["nimg"] for content in left] == [8, 16, None]
