"""What ends a training run, and who tells of it."""

import signal

import pytest
import torch
import typer
from small_runs import words, write_pictures

from stylegan_cli.cli import stopping
from stylegan_cli.cli.stopping import asked_to_stop
from stylegan_cli.cli.train_run import TooLargeError, one_voice
from stylegan_cli.errors import StyleganError
from stylegan_cli.parallel import World
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
    assert "--batch-gpu 8 pictures at once are too many for this GPU's memory; use fewer, and" in result.stderr
    assert result.stderr.endswith(f"{advice}\n")


def test_what_befell_one_process_it_tells_itself():
    leader, other = World(0, 2), World(1, 2)
    with pytest.raises(StyleganError), one_voice(leader):
        raise StyleganError("all know")
    with pytest.raises(typer.Exit), one_voice(other):
        raise StyleganError("all know")
    with pytest.raises(TooLargeError), one_voice(other):
        raise TooLargeError("nobody else knows")


def test_only_another_ctrl_c_ends_at_once(monkeypatch):
    """A second SIGTERM, as of a scheduler that asks every process of a group, waits for the present step, too; and so
    does a Ctrl-C that torchrun repeats."""
    monkeypatch.setattr(stopping, "MOMENT", float("inf"))
    with asked_to_stop() as asked:
        assert not asked()
        try:
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:  # which would end pytest
            pytest.fail("ended at once")
        assert asked()
        monkeypatch.setattr(stopping, "MOMENT", -1.0)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
