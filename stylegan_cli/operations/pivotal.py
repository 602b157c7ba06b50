"""Pivotal tuning: once a photo's latents are found, change the generator slightly until they draw exactly that
photo."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from stylegan_cli.generator import Generator
from stylegan_cli.noise import Noise
from stylegan_cli.operations.descent import BETAS, Descent
from stylegan_cli.operations.projection import Likeness, Step
from stylegan_cli.tuning import NOISE, Tuning, synthesize_with

# Learning rates of the right factors (which start at zero), of the left ones, and of the noise maps.
RIGHT, LEFT, MAPS = 1e-2, 1e-3, 5e-2
NOISE_LIKE = 10.0  # weight of the noise regularisation
# Weight of the mean squared difference of all pixels: what else is compared is smaller than a picture of 1024 pixels.
SHARP = 20.0
SMALLEST_MAP = 8


@dataclass(frozen=True)
class Settings:
    """`rank` is that of the matrix added to each convolution."""

    steps: int = 60
    rank: int = 8
    seed: int = 0


def tune(
    generator: Generator,
    photo: Tensor,
    ws: Tensor,
    settings: Settings,
    on_step: Callable[[Step], None] = lambda _step: None,
) -> Tuning:
    """The tuning with which `ws` `[num_ws, w_dim]` reproduces the photo `[1, 3, resolution, resolution]` in [-1, 1]."""
    likeness, ws = Likeness(photo), ws[None].to(generator.device)
    added_weights = LowRank(generator, settings.rank, settings.seed)
    maps = {name: _added(tensor) for name, tensor in generator.named_buffers() if name.endswith(NOISE)}
    state = generator.state_dict()
    moments = {name: (state[name].mean(), state[name].std()) for name in maps}
    groups = added_weights.groups() + ([{"params": [*maps.values()], "lr": MAPS}] if maps else [])
    descent = Descent(torch.optim.Adam(groups, betas=BETAS), settings.steps)
    for done in range(1, settings.steps + 1):
        fitted = {name: state[name] + added for name, added in maps.items()}
        image = synthesize_with(generator, ws, Noise(), added_weights.changed() | fitted)
        loss, distance = likeness.loss(image)
        sharp = SHARP * (image - photo).square().mean()
        (loss + sharp + NOISE_LIKE * sum(map(structure, fitted.values()))).backward()
        descent.step()
        for name, added in maps.items():
            _keep_moments(added, state[name], *moments[name])
        on_step(Step(done, settings.steps, distance.item(), image.detach()))
    return Tuning(added_weights.rounded(), {name: _rounded(added.detach().cpu()) for name, added in maps.items()})


class LowRank:
    """What is added to the weights of a generator's convolutions while it is tuned: of each, a matrix of this rank,
    `left` `[outputs, rank]`, random and scaled like the weights, times `right` `[rank, the rest]`, zero at first."""

    def __init__(self, generator: Generator, rank: int, seed: int) -> None:
        self._weights = _convolutions(generator)
        self._factors = {name: _factors(weight, rank, seed) for name, weight in self._weights.items()}

    def groups(self) -> list[dict[str, Any]]:
        """For an optimiser."""
        lefts, rights = ([pair[i] for pair in self._factors.values()] for i in (0, 1))
        return [{"params": rights, "lr": RIGHT}, {"params": lefts, "lr": LEFT}] if rights else []

    def changed(self) -> dict[str, Tensor]:
        """The weights with what is added."""
        return {
            name: self._weights[name] + (left @ right).view_as(self._weights[name]).to(self._weights[name])
            for name, (left, right) in self._factors.items()
        }

    def rounded(self) -> dict[str, tuple[Tensor, Tensor]]:
        """The factors as a `Tuning` holds them."""
        return {name: (a.detach().half().cpu(), b.detach().half().cpu()) for name, (a, b) in self._factors.items()}


def structure(noise: Tensor) -> Tensor:
    """How structured a noise map `[h, w]` is: its correlation with itself shifted by one pixel, at every scale down to
    8 pixels (StyleGAN2, appendix D)."""
    total, noise = noise.new_zeros(()), noise[None, None]
    while True:
        for dimension in (2, 3):
            total = total + (noise * noise.roll(1, dimension)).mean().square()
        if noise.shape[-1] <= SMALLEST_MAP:
            return total
        noise = F.avg_pool2d(noise, 2) * 2  # twice the mean of four preserves the variance of noise


def _convolutions(generator: Generator) -> dict[str, Tensor]:
    """The weights `[outputs, inputs, h, w]` of all convolutions in the synthesis network; a learned input is not
    one."""
    found: dict[str, Tensor] = {}
    for name, tensor in generator.named_parameters():
        if tensor.ndim == 4 and "const" not in name and generator.resolution_of(name) is not None:
            found[name] = tensor
    return found


def _factors(weight: Tensor, rank: int, seed: int) -> tuple[Tensor, Tensor]:
    rows, columns = len(weight), weight[0].numel()
    rank = min(rank, rows, columns)
    randomness = torch.Generator().manual_seed(seed)
    left = torch.randn(rows, rank, generator=randomness) * (weight.float().std().item() / rank**0.5)
    device = weight.device
    return left.to(device).requires_grad_(), torch.zeros(rank, columns, device=device).requires_grad_()


def _added(noise: Tensor) -> Tensor:
    return torch.zeros_like(noise, dtype=torch.float32).requires_grad_()


@torch.no_grad()
def _keep_moments(added: Tensor, const: Tensor, mean: Tensor, std: Tensor) -> None:
    """Gives fitted noise the mean and the standard deviation of the noise that it replaces."""
    fitted = const + added
    fitted = (fitted - fitted.mean()) * (std / fitted.std().clamp(min=1e-8)) + mean
    added.copy_(fitted - const)


def _rounded(added: Tensor) -> tuple[Tensor, float]:
    """The map in 8 bits: levels and the step between them."""
    step = max(added.abs().max().item() / 127, 1e-12)
    return (added / step).round().to(torch.int8), step
