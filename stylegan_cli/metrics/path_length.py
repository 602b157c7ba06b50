"""Perceptual path length (Karras et al. 2019, arXiv:1812.04948, section 4.1), as StyleGAN2 measures it: in W, at the
ends of paths, on whole pictures. The perceptual distance is that of `scorers.perceptual`, not LPIPS."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor

from stylegan_cli.errors import UsageError
from stylegan_cli.generator import Generator
from stylegan_cli.hardware import exact_float32
from stylegan_cli.metrics.estimates import Estimate, mean
from stylegan_cli.noise import Noise
from stylegan_cli.scorers.perceptual import EfficientNetLite0, distance, levels

STEP = 1e-4  # of the way from one w to another
PERCENTILES = (1, 99)  # lengths outside are left out


def path_length(lengths: np.ndarray) -> Estimate:
    """The mean of `lengths` `[n]` without the lowest and the highest hundredth, with an interval from ten blocks.

    Where the hundredths end is chance, too: the interval is that of the mean in which what is left out counts as the
    nearest that is not, over the share that is kept (Tukey and McLaughlin 1963, Sankhya A 25, 331-352).
    """
    low, high = (
        np.percentile(lengths, PERCENTILES[0], method="lower"),
        np.percentile(lengths, PERCENTILES[1], method="higher"),
    )
    kept = lengths[(lengths >= low) & (lengths <= high)]
    drawn_in = mean(lengths.clip(low, high))
    margin = (drawn_in.high - drawn_in.value) * len(lengths) / len(kept)
    value = float(kept.mean())
    return Estimate(value, value - margin, value + margin)


@exact_float32()
def path_lengths(
    generator: Generator,
    network: EfficientNetLite0,
    ends: Iterable[tuple[Tensor, Tensor | None]],
    seed: int,
    on_path: Callable[[], None],
) -> np.ndarray:
    """The length `[n]` of the first step of each path, without truncation: a squared distance over a squared step.

    `ends` are two z `[2, z_dim]` each, and their class `[1, c_dim]` if the model has classes. The per-pixel noise, from
    `seed` on, is constant along a path. Raises UsageError unless the generator computes in float32.
    """
    if generator.dtype != torch.float32:
        raise UsageError("path length depends on tiny differences and needs --precision fp32")
    lengths = []
    with torch.inference_mode():
        for number, (zs, c) in enumerate(ends, start=seed):
            start, end = generator.to_w(zs, None if c is None else c.expand(2, -1))
            path = generator.broadcast(torch.stack([start, start.lerp(end, STEP)]))
            noise = Noise("random", number)
            here, there = (levels(network, generator.synthesize(ws[None], noise)) for ws in path)
            lengths.append(distance(here, there).item() / STEP**2)
            on_path()
    return np.array(lengths)
