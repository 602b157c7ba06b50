"""Pictures to train on, and a very small run."""

import pytest
import torch
from small_runs import write_pictures
from small_trainers import CPU

from stylegan_cli.training import presets
from stylegan_cli.training.data import Pictures
from stylegan_cli.training.networks import Start
from stylegan_cli.training.state import begin


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """A folder of 24 pictures of 16 pixels."""
    return write_pictures(tmp_path_factory.mktemp("data") / "pictures")


@pytest.fixture(scope="session")
def classed(tmp_path_factory):
    """The same in 3 classes."""
    return write_pictures(tmp_path_factory.mktemp("data") / "classed", classes=3)


@pytest.fixture
def options(pictures):
    said = {"cbase": 64, "cmax": 4, "map_depth": 1, "latent": 4, "batch": "8"}
    return presets.plan(Pictures(pictures, None), said, "auto", None, 1, CPU)


@pytest.fixture
def state(options):
    """Where a run with these options begins."""
    return begin(options, Start(), torch.device("cpu"))
