"""What ends a training run, and who tells of it."""

import sys
from pathlib import PurePosixPath
from types import SimpleNamespace

import pytest
import torch
import typer
from small_runs import words, write_pictures

from stylegan_cli.cli.train.results import measure
from stylegan_cli.cli.train.run import TooLargeError, advising_another_run, continuing, one_voice
from stylegan_cli.cli.train.view import LiveView
from stylegan_cli.errors import StyleganError
from stylegan_cli.parallel import World
from stylegan_cli.training.folder import RunFolder
from stylegan_cli.training.loop import Trainer


@pytest.mark.parametrize(
    ("kimg", "advice"), [(0.008, "start a new --outdir."), (0.048, "start a new --outdir with --resume run.")]
)
def test_too_many_pictures_for_a_gpu(stylegan, here, monkeypatch, kimg, advice):
    """What was learned until then is not lost; where nothing was, there is nothing to go on from."""
    write_pictures(here / "faces")
    step = Trainer.step

    def fails(trainer, stop):
        if trainer.state.progress.kimg >= kimg:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        step(trainer, stop)

    monkeypatch.setattr(Trainer, "step", fails)
    result = stylegan("train", "--data", "faces", "--outdir", "run", *words(metrics="none", batch_gpu=8))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "--batch-gpu 8 pictures at once need more memory than there is; use fewer, and" in result.stderr
    assert result.stderr.endswith(f"{advice}\n")


# What a GPU raises that is nearly full. (AcceleratorError: new in torch 2.8.)
NO_MEMORY = (
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    getattr(torch, "AcceleratorError", RuntimeError)("CUDA error: out of memory\nIt may be reported later."),
)


@pytest.fixture
def session(tmp_path):
    return SimpleNamespace(
        run=RunFolder(tmp_path), options=SimpleNamespace(batch_gpu="8"), state=SimpleNamespace(average=None)
    )


@pytest.mark.parametrize("error", NO_MEMORY)
def test_all_that_a_full_gpu_raises_is_understood(session, error):
    with pytest.raises(TooLargeError, match="--batch-gpu 8 pictures at once"), advising_another_run(session):
        raise error


def test_no_other_error_is_taken_for_a_full_gpu(session):
    with pytest.raises(RuntimeError, match="shapes"), advising_another_run(session):
        raise RuntimeError("the shapes do not fit")


def measure_failing(session, error):
    def watch(*_):
        raise error

    measure(watch, session, LiveView(1, 0, None), lambda: False)


@pytest.mark.parametrize("error", NO_MEMORY)
def test_metrics_that_do_not_fit_beside_a_run_do_not_end_it(session, capsys, error):
    measure_failing(session, error)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("Metrics could not be computed: ") and line.endswith(".") and not line.endswith("..")


def test_metrics_that_fail_otherwise_hide_nothing(session):
    with pytest.raises(RuntimeError, match="shapes"):
        measure_failing(session, RuntimeError("the shapes do not fit"))


@pytest.mark.parametrize(
    ("system", "outdir", "quoted"),
    [
        ("linux", "runs/cats", "runs/cats"),
        ("linux", "my runs/cats", "'my runs/cats'"),
        ("win32", r"C:\runs\cats", r"C:\runs\cats"),
        ("win32", r"C:\my runs\cats", r'"C:\my runs\cats"'),
    ],
)
def test_the_command_to_continue_is_for_the_systems_shell(monkeypatch, system, outdir, quoted):
    monkeypatch.setattr(sys, "platform", system)
    assert continuing(PurePosixPath(outdir)) == f"stylegan train --outdir {quoted}"


def test_what_befell_one_process_it_tells_itself():
    leader, other = World(0, 2), World(1, 2)
    with pytest.raises(StyleganError), one_voice(leader):
        raise StyleganError("all know")
    with pytest.raises(typer.Exit), one_voice(other):
        raise StyleganError("all know")
    with pytest.raises(TooLargeError), one_voice(other):
        raise TooLargeError("nobody else knows")
