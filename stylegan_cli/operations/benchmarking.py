"""How fast a generator draws on this machine."""

from __future__ import annotations

import statistics
import time

import torch

from stylegan_cli.generator import Generator

WARM_UP, FEWEST = 2, 3


def seconds_a_picture(generator: Generator, batch: int, seconds: float) -> float:
    """The median over as many calls of `synthesis`, with `batch` different pictures each, as `seconds` hold (at least
    three), after two that do not count."""
    times: list[float] = []
    with torch.inference_mode():
        z = torch.randn(batch, generator.z_dim, generator=torch.Generator().manual_seed(0)).to(generator.device)
        ws = generator.broadcast(generator.truncate(generator.mapping(z), 0.7))
        for _ in range(WARM_UP):
            generator.synthesis(ws)
        end = time.perf_counter() + seconds
        while len(times) < FEWEST or time.perf_counter() < end:
            times.append(_timed(generator, ws))
    return statistics.median(times) / batch


def _timed(generator: Generator, ws: torch.Tensor) -> float:
    start = time.perf_counter()
    generator.synthesis(ws)
    if ws.device.type != "cpu":
        torch.accelerator.synchronize()
    return time.perf_counter() - start
