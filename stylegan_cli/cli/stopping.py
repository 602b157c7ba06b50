"""Stopping long work at a good moment."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

MOMENT = 1.0  # seconds
_HANGUP = getattr(signal, "SIGHUP", None)  # a terminal that closes; Windows has none


@contextmanager
def asked_to_stop() -> Iterator[Callable[[], bool]]:
    """Ctrl-C, SIGTERM and a closing terminal ask for a stop after the current step; a second Ctrl-C stops at once. One
    within a moment is the same: under torchrun, processes hear each from the terminal and from torchrun."""
    since: float | None = None

    def on_signal(number: int) -> None:
        nonlocal since
        if since is None:
            since = time.monotonic()
        elif number == signal.SIGINT and time.monotonic() - since > MOMENT:
            raise KeyboardInterrupt

    with _handled(on_signal, signal.SIGINT):
        yield lambda: since is not None


@contextmanager
def ending_cleanly() -> Iterator[None]:
    """SIGTERM and a closing terminal, which would end the process at once, do what Ctrl-C does: nothing half-written
    is left."""

    def on_signal(_number: int) -> None:
        raise KeyboardInterrupt

    with _handled(on_signal):
        yield


@contextmanager
def _handled(handler: Callable[[int], None], *more: signal.Signals) -> Iterator[None]:
    """Handles SIGTERM, a closing terminal (except under nohup, which ignores that) and `more`. Only the main thread can
    have handlers; in other threads, nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    terminals = [number for number in (1, 2) if os.isatty(number)]

    def on_signal(number: int, _: object) -> None:
        if number == _HANGUP:
            _mute(terminals)
        handler(number)

    numbers = [signal.SIGTERM, *more]
    if _HANGUP and signal.getsignal(_HANGUP) is not signal.SIG_IGN:
        numbers.append(_HANGUP)
    before = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)


def _mute(terminals: list[int]) -> None:
    """Discards further output to a terminal that is gone, which would be an error in the middle of stopping."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in terminals:
        os.dup2(nowhere, number)
    os.close(nowhere)
