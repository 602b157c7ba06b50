"""StyleGAN's per-pixel noise as a value: its mode, its strength in each band, its seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stylegan_cli.bands import band_of
from stylegan_cli.plain import made

MODES = ("const", "random", "none")
PIXELS = 64 * 64  # of noise maps from which a matrix product is the faster addition
SPREAD = math.sqrt(12)  # the width of a uniform distribution of variance 1


def normal(stream: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """StyleGAN's noise: mean 0 and variance 1, float32."""
    return stream.standard_normal(shape, dtype=np.float32)


def uniform(stream: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """The same mean and variance, but uniform, as in lucidrains' networks."""
    return (stream.random(shape, dtype=np.float32) - np.float32(0.5)) * np.float32(SPREAD)


Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


@dataclass(frozen=True)
class Noise:
    """Per-pixel noise for one picture (StyleGAN, section 3.2).

    `mode` is `const` (the maps stored with the model), `random` (drawn from `seed`) or `none`. `coarse`, `middle` and
    `fine` multiply the strength that each layer has learned; 0 switches a band's noise off.
    """

    mode: str = "const"
    seed: int = 0
    coarse: float = 1.0
    middle: float = 1.0
    fine: float = 1.0

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Noise:
        """The noise that `dataclasses.asdict` made plain. Raises ValueError if the values make no sense."""
        noise = made(cls, plain, {})
        if noise.mode not in MODES:
            raise ValueError(f"unknown noise mode {noise.mode}")
        return noise

    def map(self, layer: int, const: Tensor, draw: Draw = normal, resolution: int | None = None) -> Tensor | None:
        """The noise map `[h, w]` of one layer, or None if it has none.

        `const` is the layer's stored map `[h, w]`. Every layer draws from its own stream, so that switching one band
        off does not change the others' noise; numpy draws it, so that a seed gives the same noise on every device.
        `draw` is the distribution that the network was trained with. `resolution` decides the layer's band if its map
        is no square.
        """
        strength = getattr(self, band_of(resolution or const.shape[-1]))
        if self.mode == "none" or strength == 0:
            return None
        if self.mode == "const":
            return const if strength == 1 else const * strength
        stream = np.random.default_rng([self.seed, layer])
        drawn = torch.from_numpy(draw(stream, tuple(const.shape)))
        return drawn.to(const.device) * strength


def maps_for(n: int, noise: Noise | None, layer: int, const: Tensor, resolution: int | None = None) -> Tensor | None:
    """A layer's noise for `n` pictures: one map `[h, w]` for all of them, or `[n, 1, h, w]` if `noise` is None."""
    if noise is None:
        return torch.randn(n, 1, *const.shape, device=const.device)
    return noise.map(layer, const, resolution=resolution)


def add_noise(x: Tensor, noise: Tensor) -> Tensor:
    """Adds noise maps `[h, w]` or `[n, 1, h, w]` to all channels of `x` `[n, c, h, w]`, in place."""
    noise, rows = noise.to(x.dtype), x.permute(0, 2, 3, 1)
    is_half = x.device.type == "cpu" and x.dtype != torch.float32
    is_recorded = torch.is_grad_enabled() or torch.compiler.is_compiling()
    if is_recorded or not is_half or not rows.is_contiguous() or noise.numel() < PIXELS:
        return x.add_(noise)
    # PyTorch's addition in bfloat16 goes from pixel to pixel: with 32 channels it takes seven times as long as this.
    each = noise.expand(len(x), 1, *x.shape[2:]).reshape(-1, 1)
    rows.flatten(0, 2).addmm_(each, each.new_ones(1, x.shape[1]))
    return x
