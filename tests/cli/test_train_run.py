"""What ends a training run, and who tells of it."""

import pytest
import torch
import typer
from small_runs import words, write_pictures

from stylegan_cli.cli.train.run import TooLargeError, one_voice
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
