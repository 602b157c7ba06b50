"""Intervals that hold what they promise."""

import numpy as np
import pytest
from chance import RANDOM

from stylegan_cli.metrics.estimates import GROUPS, SLAB, Estimate, blocks, jackknife, leaving_out, mean, slabs


def difference(a, b):
    return a.mean(axis=0) - b.mean(axis=0)


def test_jackknife_of_means_is_the_textbooks():
    """For a mean of n values the variance is that of group means, over the number of groups."""
    a, b = RANDOM.standard_normal((2, 200, 1))
    (found,) = jackknife(leaving_out(difference, a, b))
    groups = [x.mean() - y.mean() for x, y in zip(blocks(a), blocks(b), strict=True)]
    expected = mean(np.array(groups))
    assert (found.low, found.value, found.high) == pytest.approx((expected.low, expected.value, expected.high))
    assert expected.value == pytest.approx(np.mean(groups))


def test_95_of_100_intervals_hold_the_truth():
    inside = 0
    for _ in range(1000):
        rows = RANDOM.standard_normal((60, 1)) + 1, RANDOM.standard_normal((80, 1))
        (found,) = jackknife(leaving_out(difference, *rows))
        inside += found.low < 1 < found.high
    assert 0.92 < inside / 1000 < 0.98


def test_several_numbers_at_once():
    a, b = RANDOM.standard_normal((2, 100, 3))
    assert [found.value for found in jackknife(leaving_out(difference, a, b))] == pytest.approx(difference(a, b))


def test_blocks_take_turns():
    assert [block.tolist() for block in blocks(np.arange(12))][:3] == [[0, 10], [1, 11], [2]]
    assert mean(np.ones(GROUPS)) == Estimate(1, 1, 1)


def test_groups_are_left_out_of_both_sets():
    a, b = np.arange(25), np.arange(20)
    found = leaving_out(lambda x, y: np.array([len(x), len(y), 3 in x, 3 in y]), a, b)
    assert found[[0, 4, 9]].tolist() == [[25, 20, 1, 1], [22, 18, 0, 0], [23, 18, 1, 1]]


def test_slabs_are_all_rows():
    rows = np.arange(2 * SLAB + 1)
    assert [len(slab) for slab in slabs(rows)] == [SLAB, SLAB, 1]
    assert np.array_equal(np.concatenate(list(slabs(rows))), rows)


def test_within_bounds():
    assert Estimate(0.9, 0.7, 1.1).within(0, 1) == Estimate(0.9, 0.7, 1)


@pytest.mark.parametrize(
    ("count", "value", "low", "high"),
    [(80, 0, 0, 0.0458), (80, 1, 0.9542, 1), (10, 0.3, 0.1078, 0.6032), (100, 0.5, 0.4038, 0.5962)],
)
def test_a_share_of_few_is_not_known_better_than_wilson_says(count, value, low, high):
    """The textbook's intervals, whichever narrow one the jackknife found; a wide one stays."""
    found = Estimate(value, value, value).and_share_of(count)
    assert (found.value, found.low, found.high) == pytest.approx((value, low, high), abs=1e-4)
    assert Estimate(value, -0.1, 1.1).and_share_of(count) == Estimate(value, -0.1, 1.1)


def test_a_mean_is_that_of_the_rows_though_blocks_differ_in_size():
    rows = np.r_[np.arange(1.0, GROUPS + 1), 100]
    assert mean(rows).value == rows.mean()


def test_the_interval_of_ten_values_is_students():
    """1 to 10: mean 5.5, standard error 0.9574; nine degrees of freedom."""
    found = mean(np.arange(1.0, GROUPS + 1))
    assert (found.value, found.low, found.high) == pytest.approx((5.5, 3.3341, 7.6659), abs=1e-4)
