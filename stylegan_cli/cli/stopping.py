"""Ending long work at a good moment."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def asked_to_stop() -> Iterator[Callable[[], bool]]:
    """Ctrl-C and SIGTERM ask for an end after the present step; another Ctrl-C ends at once."""
    asked = threading.Event()

    def on_signal(number: int, _: object) -> None:
        if asked.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked.set()

    with _handled(on_signal, signal.SIGINT, signal.SIGTERM):
        yield asked.is_set


@contextmanager
def ending_cleanly() -> Iterator[None]:
    """SIGTERM, and a terminal that closes, which would end the process at once, do what Ctrl-C does: nothing
    half-written stays."""

    def on_signal(_number: int, _: object) -> None:
        raise KeyboardInterrupt

    hung_up = getattr(signal, "SIGHUP", None)  # Windows has none; nohup has it ignored
    ends = [hung_up] if hung_up and signal.getsignal(hung_up) is signal.SIG_DFL else []
    with _handled(on_signal, signal.SIGTERM, *ends):
        yield


@contextmanager
def _handled(handler: Callable[[int, object], None], *numbers: signal.Signals) -> Iterator[None]:
    """Only the main thread can have handlers; elsewhere signals do what they did."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)
