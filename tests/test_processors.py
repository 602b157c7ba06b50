"""Work on all processors."""

import threading

import pytest

from stylegan_cli.processors import in_order, processors


def test_in_order_is_parallel_and_in_order():
    together = threading.Barrier(min(processors(), 2), timeout=30)

    def call(i):
        if i < together.parties:
            together.wait()
        return i * i

    assert list(in_order(call, range(100))) == [i * i for i in range(100)]


def test_in_order_looks_ahead_a_little_only():
    started = []
    results = in_order(started.append, range(1000))
    next(results)
    results.close()
    assert len(started) <= 2 * processors() + 1


def test_in_order_raises_what_a_call_raised():
    with pytest.raises(ZeroDivisionError):
        list(in_order(lambda i: 1 // i, [1, 0, 2]))
