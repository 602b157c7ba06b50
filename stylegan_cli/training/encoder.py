"""Training an encoder. It needs only pictures sampled from a model, and the `w` that made them.

The loss is the squared error of `w`, in units of the typical distance between a `w` and `w_avg`. Pictures are disturbed
in the ways that photos differ from samples: colours, blur, noise, a slightly misaligned crop, something in front.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from stylegan_cli.encoders.efficientnet import Config, Encoder
from stylegan_cli.errors import StyleganError
from stylegan_cli.generator import Generator
from stylegan_cli.processors import in_order

EMA = 0.998
TRUNK_RATE = 0.3  # of the learning rate: the trunk is pretrained
WARM_UP = 200  # steps
HELD_OUT, HELD_OUT_BATCH = 512, 32


class Pictures(Protocol):
    """Pictures `[3, h, w]` uint8, read on demand."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> np.ndarray: ...


@dataclass(frozen=True)
class Settings:
    """`rate` is the peak of a cosine schedule. All randomness comes from `seed`."""

    epochs: int = 8
    batch: int = 32
    rate: float = 1e-3
    seed: int = 0


@dataclass(frozen=True)
class Step:
    """How many steps are done, and at the end of an epoch the loss of the `held_out` pictures, without disturbances."""

    done: int
    total: int
    held_out: float | None = None


def train(
    generator: Generator,
    pictures: Pictures,
    w: Tensor,
    settings: Settings,
    on_step: Callable[[Step, Encoder], None],
) -> Encoder:
    """The encoder of a generator, from `pictures` and their `w` `[n, w_dim]`.

    `on_step` is called after every step with the running average of the encoder, which is returned at the end. Raises
    StyleganError if there are too few pictures.
    """
    held_out = min(HELD_OUT, len(w) // 10)
    count = len(w) - held_out
    if held_out == 0 or count < settings.batch:
        raise StyleganError(f"{len(w)} pictures are too few to train an encoder; sample several thousand")
    torch.manual_seed(settings.seed)
    encoder = _new_encoder(generator, w)
    average = copy.deepcopy(encoder).requires_grad_(False)
    steps = count // settings.batch
    total = steps * settings.epochs
    optimiser = _optimiser(encoder, settings.rate)
    rates = LambdaLR(optimiser, lambda done: _share_of_rate(done, total))
    for epoch in range(settings.epochs):
        order = torch.randperm(count)[: steps * settings.batch].tolist()
        for i, (chosen, images) in enumerate(_batches(pictures, order, settings.batch, generator.device)):
            done = epoch * steps + i
            images = disturb(images)
            loss = _loss(encoder, images, w[chosen].to(generator.device))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            rates.step()
            _follow(average, encoder, min(EMA, done / (done + 10)))
            seen = evaluate(average, pictures, w, range(count, len(w))) if i + 1 == steps else None
            on_step(Step(done + 1, total, seen), average)
    return average


def evaluate(encoder: Encoder, pictures: Pictures, w: Tensor, chosen: Sequence[int]) -> float:
    """The fraction of the variance of `w` that the encoder does not explain, over the `chosen` pictures: 0 is perfect,
    1 no better than `w_avg`."""
    with torch.inference_mode():
        sums = [
            _loss(encoder, images, w[part].to(encoder.w_avg)).item() * len(part)
            for part, images in _batches(pictures, chosen, HELD_OUT_BATCH, encoder.w_avg.device)
        ]
    return sum(sums) / len(chosen)


def disturb(images: Tensor) -> Tensor:
    """`images` `[n, 3, h, w]` in [-1, 1], each randomly changed to resemble a photo."""
    n, device = len(images), images.device

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.empty(n, *(shape or (1, 1, 1)), device=device).uniform_(low, high)

    def sometimes(share: float, changed: Tensor, images: Tensor) -> Tensor:
        return torch.where(torch.rand(n, 1, 1, 1, device=device) < share, changed, images)

    images = _move(images, uniform(-0.03, 0.03, 2), uniform(0.96, 1.04, 1), uniform(-0.05, 0.05, 1))
    images = sometimes(0.05, images.mean(dim=1, keepdim=True).expand_as(images), images)
    blurred = F.interpolate(F.avg_pool2d(images, 2), images.shape[2:], mode="bilinear")
    images = sometimes(0.3, blurred, images)
    images = images * uniform(0.75, 1.25) + uniform(-0.15, 0.15) + uniform(-0.08, 0.08, 3, 1, 1)
    images = sometimes(0.3, images + torch.randn_like(images) * uniform(0, 0.12), images)
    return sometimes(0.2, _cover(images), images).clamp(-1, 1)


def _move(images: Tensor, shift: Tensor, scale: Tensor, angle: Tensor) -> Tensor:
    """Images moved by `shift` `[n, 2]` (in half edges), scaled by `scale` and turned by `angle` (radians), both
    `[n, 1]`."""
    cos, sin = angle.cos() * scale, angle.sin() * scale
    matrix = torch.stack([torch.cat([cos, -sin, shift[:, :1]], 1), torch.cat([sin, cos, shift[:, 1:]], 1)], 1)
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def _cover(images: Tensor) -> Tensor:
    """Images with a grey rectangle at a random place, with sides of up to a third of the edge."""
    (n, _, h, w), device = images.shape, images.device
    size, corner = torch.rand(n, 2, 1, device=device) / 3, torch.rand(n, 2, 1, device=device)
    rows, columns = torch.linspace(0, 1, h, device=device), torch.linspace(0, 1, w, device=device)
    down = (rows >= corner[:, 0]) & (rows < corner[:, 0] + size[:, 0])
    across = (columns >= corner[:, 1]) & (columns < corner[:, 1] + size[:, 1])
    inside = (down[:, :, None] & across[:, None, :])[:, None]
    return images.masked_fill(inside, 0)


def _new_encoder(generator: Generator, w: Tensor) -> Encoder:
    encoder = Encoder(Config(w_dim=generator.w_dim)).requires_grad_(True)
    encoder.to(generator.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    encoder.origin = generator.origin
    encoder.w_avg.copy_(generator.w_avg)
    encoder.scale.copy_((w.to(generator.device) - generator.w_avg).square().mean().sqrt())
    return encoder


def _optimiser(encoder: Encoder, rate: float) -> torch.optim.Optimizer:
    head = [parameter for name, parameter in encoder.named_parameters() if not name.startswith("trunk.")]
    groups: list[dict[str, Any]] = [{"params": encoder.trunk.parameters(), "lr": rate * TRUNK_RATE}, {"params": head}]
    return torch.optim.AdamW(groups, lr=rate, weight_decay=0.01)


def _share_of_rate(done: int, total: int) -> float:
    """The learning rate after `done` of `total` steps, in units of its peak: a short rise, and half a cosine."""
    return min(1, (done + 1) / WARM_UP) * (1 + math.cos(math.pi * done / total)) / 2


def _loss(encoder: Encoder, images: Tensor, w: Tensor) -> Tensor:
    return ((encoder(images) - w) / encoder.scale).square().mean()


def _batches(
    pictures: Pictures, order: Sequence[int], batch: int, device: torch.device
) -> Iterator[tuple[list[int], Tensor]]:
    """The indices of pictures, and the pictures `[n, 3, h, w]`. The next ones are read meanwhile."""
    read = in_order(pictures.__getitem__, order)
    for i in range(0, len(order), batch):
        chosen = list(order[i : i + batch])
        stack = torch.from_numpy(np.stack(list(islice(read, len(chosen)))))
        yield chosen, stack.to(device, memory_format=torch.channels_last).float() / 127.5 - 1


@torch.no_grad()
def _follow(average: Encoder, encoder: Encoder, share: float) -> None:
    torch._foreach_lerp_(tuple(average.parameters()), tuple(encoder.parameters()), 1 - share)
