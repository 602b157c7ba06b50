"""Gradient descent, as all searches for latents do it."""

from __future__ import annotations

import torch
from torch.optim.lr_scheduler import LambdaLR

BETAS = (0.9, 0.99)  # of Adam
WARM_UP, COOL_DOWN = 5, 0.5  # steps at the beginning, and the fraction of all steps at the end


class Descent:
    """An optimiser that takes so many steps. Its learning rates rise shortly to their own values, stay there, and fall
    linearly in the second half."""

    def __init__(self, optimiser: torch.optim.Optimizer, steps: int) -> None:
        self.optimiser = optimiser
        self._rates = LambdaLR(
            optimiser, lambda done: min(1.0, (done + 1) / WARM_UP, (1 - done / max(steps, 1)) / COOL_DOWN)
        )

    def step(self) -> None:
        """Takes a step along the gradients, and clears them."""
        self.optimiser.step()
        self._rates.step()
        self.optimiser.zero_grad()
