"""Stopping long work at a good moment."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

INTERRUPTED = 130  # the exit code of a command that was stopped
MOMENT = 1.0  # seconds
_HANGUP = getattr(signal, "SIGHUP", None)  # a terminal that closes; Windows has none
_since: float | None = None  # when the command was first asked to stop


class Stopped(KeyboardInterrupt):
    """A command that was asked to stop tells in its own words where it did."""


@contextmanager
def ending_cleanly() -> Iterator[None]:
    """A whole command: Ctrl-C, SIGTERM and a closing terminal raise KeyboardInterrupt in it, so that nothing
    half-written is left."""
    with _asked(at_once=True):
        yield


@contextmanager
def asked_to_stop() -> Iterator[Callable[[], bool]]:
    """Within the block, the same signals ask for a stop after the current step; a second Ctrl-C stops at once."""
    with _asked(at_once=False):
        yield lambda: _since is not None


def check() -> None:
    """For threads, which hear no signals: raises Stopped if the command was asked to stop."""
    if _since is not None and threading.current_thread() is not threading.main_thread():
        raise Stopped


@contextmanager
def _asked(at_once: bool) -> Iterator[None]:
    """Only the main thread can hear signals; in other threads, nothing changes.

    A command hears the same wish several times under torchrun, which passes on the terminal's Ctrl-C, and sends
    SIGTERM to the other processes when one has ended. So only a Ctrl-C that comes more than a moment after the first
    is another one, also while the command is already on its way out.
    """
    global _since
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _since = None
    terminals = [number for number in (1, 2) if os.isatty(number)]

    def on_signal(number: int, _: object) -> None:
        global _since
        if number == _HANGUP:
            _mute(terminals)
        if _since is None:
            _since = time.monotonic()
            if at_once:
                raise KeyboardInterrupt
        elif number == signal.SIGINT and time.monotonic() - _since > MOMENT:
            raise KeyboardInterrupt

    numbers = [signal.SIGTERM, signal.SIGINT]
    if _HANGUP and signal.getsignal(_HANGUP) is not signal.SIG_IGN:  # nohup ignores it
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
