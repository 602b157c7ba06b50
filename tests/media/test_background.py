"""Making results on other threads: in order, few at a time, in pauses or beside."""

import os
import threading
from functools import partial

import pytest
import torch

from stylegan_cli.media import background as module
from stylegan_cli.media.background import Background


@pytest.fixture
def depth(monkeypatch):
    """Results that are gathered; time is not what ends gathering here."""
    monkeypatch.setattr(module, "LONGEST", 1e9)
    monkeypatch.setattr(module, "MOST", 5)
    return module.MOST


def fail():
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("beside", [False, True])
def test_all_are_used_in_order_on_the_callers_thread(beside):
    used, threads = [], set()

    def use(made):
        used.append(made)
        threads.add(threading.current_thread())

    with Background(beside) as background:
        for i in range(100):
            background.submit(partial(int, i), use)
    assert used == list(range(100))
    assert threads == {threading.current_thread()}


def test_nothing_is_made_while_the_caller_draws(depth):
    made, used = [], []
    with Background() as background:
        for i in range(depth - 1):
            background.submit(partial(made.append, i), used.append)
        assert made == []
        background.submit(partial(made.append, depth), used.append)
        assert len(made) == len(used) == depth


def test_beside_the_drawing_all_is_made_at_once(depth):
    begun = threading.Event()
    with Background(beside=True) as background:
        background.submit(begun.set, lambda _: None)
        assert begun.wait(10)


@pytest.mark.parametrize("beside", [False, True])
def test_several_are_made_at_once(monkeypatch, beside):
    """As many as torch draws with; where it draws on one of a machine's two GPUs, as half of the processors can."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1 if beside else 3)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(6 if beside else 1), raising=False)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    meeting = threading.Barrier(3)
    with Background(beside) as background:
        for _ in range(3):
            background.submit(partial(meeting.wait, 10), lambda _: None)


def test_beside_the_caller_goes_on_while_they_are_made(depth):
    gate, used = threading.Event(), []
    with Background(beside=True) as background:
        for _ in range(depth):
            background.submit(partial(gate.wait, 10), used.append)
        assert used == []
        gate.set()
        background.submit(partial(gate.wait, 10), used.append)
        assert len(used) == 1  # no more than `depth` are kept
    assert used == [True] * (depth + 1)


def test_gathering_ends_after_a_time(monkeypatch):
    monkeypatch.setattr(module, "LONGEST", -1.0)
    used = []
    with Background() as background:
        background.submit(partial(int, 1), used.append)
        assert used == [1]


@pytest.mark.parametrize("beside", [False, True])
def test_a_failure_comes_out_and_nothing_is_used_after_it(beside):
    used = []
    with pytest.raises(OSError, match="No space"), Background(beside) as background:
        for i in range(100):
            background.submit(fail if i == 2 else partial(int, i), used.append)
    assert used == [0, 1]


def test_what_fails_in_its_use_comes_out_too():
    with pytest.raises(OSError, match="No space"), Background() as background:
        background.submit(partial(int, 1), lambda _: fail())


def test_the_callers_own_error_wins():
    with pytest.raises(KeyboardInterrupt), Background() as background:
        background.submit(fail, print)
        raise KeyboardInterrupt
