"""Engines that take turns, each in its own process: if the machine slows down, it slows all of them, and what one does
to its process (memory allocation, compilation) does not affect the others."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any

WARM_UP = 2
Make = Callable[[], Callable[[], Any]]


def measure(engines: Mapping[str, Make], repeats: int) -> dict[str, float]:
    """Median seconds of each engine. A value of `engines` runs in the new process and makes what is timed there."""
    context = multiprocessing.get_context("spawn")
    lines: dict[str, Connection] = {}
    for name, make in engines.items():
        lines[name], theirs = context.Pipe()
        context.Process(target=_serve, args=(theirs, make), daemon=True).start()
        theirs.close()  # then a process that fails closes the line, and nobody waits for it
    times: dict[str, list[float]] = {name: [] for name in engines}
    for turn in range(-WARM_UP, repeats):
        for name, line in lines.items():
            line.send(True)
            seconds = line.recv()
            if turn >= 0:
                times[name].append(seconds)
    for line in lines.values():
        line.send(False)
    return {name: statistics.median(values) for name, values in times.items()}


def _serve(line: Connection, make: Make) -> None:
    import torch

    run = make()
    with torch.inference_mode():
        while line.recv():
            start = time.perf_counter()
            run()
            line.send(time.perf_counter() - start)


def table(times: Mapping[str, float], baseline: str) -> str:
    return "\n".join(f"{n:<30}{s:8.3f} s {times[baseline] / s:6.2f}x {baseline}" for n, s in times.items())
