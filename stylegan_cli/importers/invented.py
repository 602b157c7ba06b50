"""Tensors that a file does not have, made in the same way every time: they are a part of the model's identity."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from stylegan_cli import architectures
from stylegan_cli.importers.checkpoint import Draft
from stylegan_cli.importers.keymap import Pending

# `w_avg` is the mean over as many z of seed 0 as rosinality's generate.py uses, rounded to this step: the identity must
# not depend on a machine's rounding.
W_AVG_SAMPLES, W_AVG_STEP = 4096, 2.0**-16
NOTES = {"w_avg": f"computed from {W_AVG_SAMPLES} z of seed 0"}
LOT = 64  # z at a time: a file may have a very wide mapping network


def noise(size: tuple[int, int], draw: Callable[[int, int], np.ndarray]) -> Pending:
    """A noise map of this height and width, which `draw` draws from a fixed seed."""
    return Pending(size, lambda: torch.from_numpy(draw(*size)).float(), is_stored=False)


def w_avg(draft: Draft, name: str) -> Pending:
    """The mean of `w`, which the network calls `name`."""
    return Pending((draft.config["w_dim"],), lambda: _mean_w(draft, name), is_stored=False)


def _mean_w(draft: Draft, name: str) -> Tensor:
    generator = architectures.build(draft.family, draft.config)
    tensors = {key: one.load().double() for key, one in draft.pending.items() if key.startswith("mapping.fc")}
    zeros = torch.zeros(draft.config["w_dim"], dtype=torch.float64)
    generator.load_state_dict({**tensors, name: zeros}, strict=False, assign=True)
    numbers = np.random.RandomState(0)
    lots = (torch.from_numpy(numbers.randn(LOT, generator.z_dim)) for _ in range(W_AVG_SAMPLES // LOT))
    with torch.no_grad():
        mean = sum((generator.to_w(z).sum(dim=0) for z in lots), zeros) / W_AVG_SAMPLES
    return ((mean / W_AVG_STEP).round() * W_AVG_STEP).float()
