"""Numbers with the interval that they lie in: what another draw of as many pictures would change.

The intervals are of 95 %. They tell the chance in the draw, not the bias that a distance has at a number of pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

GROUPS = 10
# Of which groups a statistic is computed, `[1 + GROUPS, GROUPS]`: of all, and of all but each.
KEPT = np.vstack([np.full(GROUPS, True), ~np.eye(GROUPS, dtype=bool)])
SLAB = 256  # rows that are looked at together: memory does not grow by the square of their number
STUDENT_T = 2.2622  # the 97.5 % quantile at GROUPS - 1 degrees of freedom


@dataclass(frozen=True)
class Estimate:
    """A value, and the ends of its 95 % interval."""

    value: float
    low: float
    high: float

    def within(self, least: float, most: float) -> Estimate:
        """The same, where the interval cannot leave some bounds."""
        return Estimate(self.value, max(self.low, least), min(self.high, most))


def from_blocks(values: np.ndarray) -> Estimate:
    """The mean of `[GROUPS]` independent values of the same thing, with Student's interval."""
    return _interval(float(values.mean()), values.var(ddof=1) / GROUPS)


def jackknife(values: np.ndarray) -> list[Estimate]:
    """Numbers with the intervals of the delete-a-group jackknife (Efron and Tibshirani 1993, chapter 11), from their
    values `[1 + GROUPS, ...]` of all rows, and of all but each group of the rows of both sets.

    For distances it is rather too wide than too narrow (Efron and Stein 1981). A bootstrap would not do: rows that are
    drawn twice make sets look less alike than they are.
    """
    whole, *without = values.reshape(1 + GROUPS, -1)
    variances = (GROUPS - 1) * np.var(without, axis=0)
    return [_interval(float(value), float(variance)) for value, variance in zip(whole, variances, strict=True)]


def leaving_out(
    statistic: Callable[[np.ndarray, np.ndarray], float | np.ndarray], a: np.ndarray, b: np.ndarray
) -> np.ndarray:
    """What `jackknife` takes, of a statistic that knows nothing of groups: it is computed again and again."""
    kept = zip(kept_rows(len(a)), kept_rows(len(b)), strict=True)
    return np.array([statistic(a[of_a], b[of_b]) for of_a, of_b in kept])


def kept_rows(count: int) -> np.ndarray:
    """KEPT for rows, `[1 + GROUPS, count]`."""
    return KEPT[:, np.arange(count) % GROUPS]


def blocks(rows: np.ndarray) -> list[np.ndarray]:
    """The groups: every tenth row, from the first, the second, ..."""
    return [rows[i::GROUPS] for i in range(GROUPS)]


def slabs(rows: np.ndarray) -> Iterator[np.ndarray]:
    """All rows, SLAB after SLAB."""
    return (rows[i : i + SLAB] for i in range(0, len(rows), SLAB))


def _interval(value: float, variance: float) -> Estimate:
    margin = STUDENT_T * variance**0.5
    return Estimate(value, value - margin, value + margin)
