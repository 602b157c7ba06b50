"""Encoding by many threads: in pauses of drawing where both need the processor, beside it where they do not."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, TypeVar

import torch

Made = TypeVar("Made")
MOST, LONGEST = 32, 2.0
"""Results that are gathered at most, and seconds for which they are."""


class Background:
    """Makes results on other threads, several at once, and hands them in order to who uses them, on the caller's.

    Drawing on a CPU waits for all its threads at every step, so whatever runs beside it costs more than its own time.
    Results are therefore gathered, and then made while the caller waits. Where drawing happens elsewhere (`beside`) the
    caller goes on meanwhile. Few are kept, so memory stays flat. A failure comes out of one of the next `submit`s or
    the end of the block, and nothing is used after it.
    """

    def __init__(self, beside: bool = False) -> None:
        threads = _processors() if beside else torch.get_num_threads()
        self._beside, self._depth = beside, min(8 * threads, MOST)
        self._gathered: list[tuple[Callable[[], Any], Callable[[Any], object]]] = []
        self._since = 0.0
        self._running: deque[tuple[Future[Any], Callable[[Any], object]]] = deque()
        self._threads = ThreadPoolExecutor(threads)

    def __enter__(self) -> Background:
        return self

    def submit(self, make: Callable[[], Made], use: Callable[[Made], object]) -> None:
        if not self._gathered:
            self._since = time.monotonic()
        self._gathered.append((make, use))
        if len(self._gathered) >= self._depth or time.monotonic() - self._since > LONGEST:
            self._make(leave=self._depth if self._beside else 0)

    def _make(self, leave: int) -> None:
        """Starts what was gathered, and uses what is made until not more than `leave` are under way."""
        self._running.extend((self._threads.submit(make), use) for make, use in self._gathered)
        self._gathered.clear()
        while len(self._running) > leave:
            future, use = self._running.popleft()
            use(future.result())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._make(leave=0)
        finally:
            self._threads.shutdown(wait=True, cancel_futures=True)


def _processors() -> int:
    """This process's share of the machine. (torchrun leaves torch one thread in each process, which is right where
    they draw on the CPU.)"""
    return max((os.cpu_count() or 1) // int(os.environ.get("LOCAL_WORLD_SIZE", "1")), 1)
