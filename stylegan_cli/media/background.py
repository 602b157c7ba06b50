"""Encoding on several threads: between drawing if both need the processor, in parallel with it if not."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, TypeVar

import torch

from stylegan_cli.processors import processors

Made = TypeVar("Made")
MOST, LONGEST = 32, 4.0
"""The maximum number of results to gather, and the maximum time in seconds."""


class Background:
    """Makes results on other threads, several at once, and uses them in order on the caller's thread.

    Drawing on a CPU waits for all its threads at every step, so whatever runs beside it costs more than its own time.
    Therefore the work is gathered, and then done while the caller waits. If drawing happens elsewhere (`beside`), the
    caller continues meanwhile. Few results are kept, so memory stays constant. A failure is raised by one of the next
    `submit`s or at the end of the block, and nothing is used after it.
    """

    def __init__(self, beside: bool = False) -> None:
        threads = processors() if beside else torch.get_num_threads()
        self._depth = min(16 * threads, MOST)
        self._lot, self._left = (1, self._depth) if beside else (self._depth, 0)
        self._gathered: list[tuple[Callable[[], Any], Callable[[Any], object]]] = []
        self._since = 0.0
        self._running: deque[tuple[Future[Any], Callable[[Any], object]]] = deque()
        self._threads = ThreadPoolExecutor(threads)

    def __enter__(self) -> Background:
        return self

    def submit(self, make: Callable[[], Made], use: Callable[[Made], object]) -> None:
        """Queues `make` for another thread, and `use` for its result."""
        if not self._gathered:
            self._since = time.monotonic()
        self._gathered.append((make, use))
        if len(self._gathered) >= self._lot or time.monotonic() - self._since > LONGEST:
            self._make(leave=self._left)

    def _make(self, leave: int) -> None:
        """Starts the gathered work, and uses results until no more than `leave` are still running."""
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
