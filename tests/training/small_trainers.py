"""Trainers of tiny networks."""

import torch

from stylegan_cli.parallel import World
from stylegan_cli.training import presets
from stylegan_cli.training.data import Loader, Pictures
from stylegan_cli.training.loop import MEASURED, Trainer
from stylegan_cli.training.networks import Start
from stylegan_cli.training.state import begin

CPU = torch.device("cpu")
SAID = {"cbase": 128, "cmax": 8, "map_depth": 2, "latent": 8, "batch": "8", "aug": "none"}
GROWING = SAID | {"cfg": "stylegan1", "stable_kimg": "0.016", "fade_kimg": "0.032"}


def trainer_of(pictures, labelled=False, device=CPU, **said):
    """A trainer for 16-pixel pictures."""
    found = Pictures(pictures, None, labelled)
    cfg = GROWING if said.get("cfg") == "stylegan1" else SAID
    options = presets.plan(found, cfg | {"batch_gpu": said.get("batch", "8")} | said, "auto", None, 1, device)
    state, loader = begin(options, Start(), device), Loader(found, options.seed, options.mirror)
    return Trainer(options, state, loader, World(), device)


def learned(trainer, count):
    """The sums of everything that is measured, over so many steps."""
    sums = sum(steps(trainer, 1).sums[:, 0] for _ in range(count))
    return dict(zip(MEASURED, sums.tolist(), strict=True))


def steps(trainer, count):
    for _ in range(count):
        trainer.step()
    return trainer
