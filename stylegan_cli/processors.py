"""How many processors this process may use, and work on all of them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def processors() -> int:
    """This process's share of the processors that its machine, or whoever started it, allows it. (torchrun leaves torch
    one thread in each process, which is right if they draw on the CPU.)"""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux has it
    allowed = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(allowed // int(os.environ.get("LOCAL_WORLD_SIZE", "1")), 1)


def in_order(call: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """`map` on threads, one for each processor: Pillow decodes, scales and encodes without Python's lock. Few results
    wait, so memory stays constant."""
    waiting: deque[Future[R]] = deque()
    threads = ThreadPoolExecutor(number := processors())
    try:
        for item in items:
            waiting.append(threads.submit(call, item))
            if len(waiting) > 2 * number:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        threads.shutdown(wait=True, cancel_futures=True)
