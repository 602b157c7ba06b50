"""Encoding and writing on another thread, while the next picture is computed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any


class Background:
    """Runs calls one after another on one other thread. At most `depth` wait, so memory stays flat. After a failure
    no other call runs; it comes out of one of the next `submit`s or the end of the block."""

    def __init__(self, depth: int = 4) -> None:
        self._depth = depth
        self._waiting: deque[Future[Any]] = deque()
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._failed = False

    def __enter__(self) -> Background:
        return self

    def submit(self, call: Callable[..., Any], *args: Any) -> None:
        if len(self._waiting) == self._depth:
            self._waiting.popleft().result()
        self._waiting.append(self._thread.submit(self._run, call, *args))

    def _run(self, call: Callable[..., Any], *args: Any) -> None:
        if self._failed:
            return
        self._failed = True
        call(*args)
        self._failed = False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(wait=True, cancel_futures=error is not None)
        if error is None:
            for call in self._waiting:
                call.result()
