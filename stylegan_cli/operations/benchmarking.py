"""How fast a generator draws on this machine, and whether it pays to compile it."""

from __future__ import annotations

import math
import statistics
import time

import torch

from stylegan_cli import compilation
from stylegan_cli.compilation import Verdict
from stylegan_cli.errors import StyleganError
from stylegan_cli.generator import Generator

WARM_UP, FEWEST = 2, 3
GLANCE = 1.0  # seconds to measure for, before much is drawn


def seconds_a_picture(generator: Generator, batch: int, seconds: float) -> float:
    """The median over as many calls of `synthesis`, with `batch` different pictures each, as `seconds` hold (at least
    three), after two that do not count."""
    times: list[float] = []
    with torch.inference_mode():
        z = torch.randn(batch, generator.z_dim, generator=torch.Generator().manual_seed(0)).to(generator.device)
        ws = generator.broadcast(generator.truncate(generator.mapping(z), 0.7))
        for _ in range(WARM_UP):
            _timed(generator, ws)
        end = time.perf_counter() + seconds
        while len(times) < FEWEST or time.perf_counter() < end:
            times.append(_timed(generator, ws))
    return statistics.median(times) / batch


def compile_where_it_pays(generator: Generator, precision: str, faces: int) -> bool:
    """Compiles `generator.synthesis` before it draws so many faces, if that is known to pay on this machine; says
    whether it did. Where nobody knows, minutes of drawing are reason enough to find out, and what was found is kept.

    Raises StyleganError where it cannot be compiled.
    """
    known = compilation.verdict(generator, precision)
    if known is not None:
        pays = known.pays and faces >= compilation.FROM_FACES
        if pays:
            compilation.compile_synthesis(generator)
        return pays
    if faces < compilation.UNKNOWN_FROM_FACES:
        return False
    eager = seconds_a_picture(generator, 1, GLANCE)
    if faces * eager < compilation.UNKNOWN_FROM_SECONDS:
        return False
    try:
        compilation.compile_synthesis(generator)
    except StyleganError:
        compilation.keep_verdict(generator, precision, Verdict(eager, math.inf))
        raise
    found = Verdict(eager, seconds_a_picture(generator, 1, GLANCE))
    compilation.keep_verdict(generator, precision, found)
    if not found.pays:
        compilation.undo(generator)
    return found.pays


def _timed(generator: Generator, ws: torch.Tensor) -> float:
    start = time.perf_counter()
    generator.synthesis(ws)
    if ws.device.type != "cpu":
        torch.accelerator.synchronize()
    return time.perf_counter() - start
