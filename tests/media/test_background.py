"""Writing while the next picture is computed."""

import threading
import time

import pytest

from stylegan_cli.media.background import Background


def test_calls_run_in_order_and_all_of_them():
    done = []
    with Background() as background:
        for i in range(20):
            background.submit(done.append, i)
    assert done == list(range(20))


def test_at_most_depth_wait():
    gate, started = threading.Event(), []

    def submit_all():
        with Background(depth=2) as background:
            for i in range(5):
                started.append(i)
                background.submit(gate.wait)

    thread = threading.Thread(target=submit_all)
    thread.start()
    time.sleep(0.2)
    assert started == [0, 1, 2]  # the third submit waits
    gate.set()
    thread.join()
    assert started == [0, 1, 2, 3, 4]


def fail():
    raise OSError(28, "No space left on device")


def test_a_failure_comes_out_of_the_block():
    with pytest.raises(OSError, match="No space"), Background() as background:
        background.submit(fail)


def test_nothing_runs_after_a_failure():
    done = []
    with pytest.raises(OSError, match="No space"), Background() as background:
        for i in range(10):
            background.submit(*((fail,) if i == 2 else (done.append, i)))
    assert done == [0, 1]


def test_the_callers_own_error_wins():
    with pytest.raises(KeyboardInterrupt), Background() as background:
        background.submit(fail)
        raise KeyboardInterrupt
