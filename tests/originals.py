"""Networks of the original projects, and what their own code computes with them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from stylegan_cli import architectures

GOLDEN = Path(__file__).parent / "golden"
SHARED = Path(__file__).parents[2] / "shared" / "reference" / "checkpoints"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="The reference checkpoints are not beside this clone.")


def arrays(path):
    """A file's numbers as tensors, and its texts."""
    return {key: value if value.dtype.kind == "U" else torch.from_numpy(value) for key, value in np.load(path).items()}


def load(network, found, prefix):
    network.load_state_dict({key.removeprefix(prefix): value for key, value in found.items() if key.startswith(prefix)})
    return network.eval().requires_grad_(False)


def generator_of(family, found):
    """The generator whose config and tensors are among these arrays."""
    return load(architectures.build(family, json.loads(str(found["config"])), "cpu"), found, "g.")


def discriminator_of(family, found):
    """The discriminator that is there, too."""
    return load(architectures.build_discriminator(family, json.loads(str(found["d_config"])), "cpu"), found, "d.")


def ready(network, build=architectures.build_discriminator):
    """The discriminator, or another network, that a checkpoint holds."""
    made = build(network.family, network.config)
    made.load_state_dict(network.tensors, assign=True)
    return made


def close(found, expected, tolerance):
    torch.testing.assert_close(found, expected, atol=tolerance, rtol=0)
