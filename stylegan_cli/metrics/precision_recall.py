"""Improved precision and recall (Kynkaanniemi et al. 2019, arXiv:1904.06991, section 3)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from stylegan_cli.metrics.estimates import GROUPS, KEPT, SLAB, kept_rows, slabs

K = 3


def precision_recall(fake: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Precision and recall of features `[n, d]`: the fraction of the fakes within the set of reals, and of the reals
    within the set of fakes. A set extends around each of its pictures as far as its Kth nearest neighbour.

    They are computed for all rows, and for all but each group of them: `[1 + GROUPS, 2]`, as `jackknife` takes it. Each
    group needs at least K rows.
    """
    # This does not change distances, and they are most exact around 0.
    centre = real.mean(axis=0)
    fake, real = fake - centre, real - centre
    return np.stack([_shares_inside(fake, real), _shares_inside(real, fake)], axis=1)


def _shares_inside(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The fraction of the kept points within the radius of one of the others that are kept, `[1 + GROUPS]`."""
    radii, kept = _radii(others), kept_rows(len(points))
    found = [[(near <= radius).any(axis=1) for radius in radii] for near in _squared_distances(points, others)]
    return (np.concatenate(found, axis=1) & kept).sum(axis=1) / kept.sum(axis=1)


def _radii(points: np.ndarray) -> np.ndarray:
    """The squared distance of each point from its Kth neighbour among the kept points, `[1 + GROUPS, n]`; minus
    infinity for a point that is not kept."""
    found = []
    for i, near in enumerate(_squared_distances(points, points)):
        np.fill_diagonal(near[:, i * SLAB :], np.inf)  # no point is its own neighbour
        # The nearest neighbours among all but one group are among the nearest in each group.
        nearest = np.stack([_smallest(near[:, group::GROUPS]) for group in range(GROUPS)], axis=1)  # [n, GROUPS, K]
        found.append(np.array([_smallest(nearest[:, kept].reshape(len(near), -1))[:, -1] for kept in KEPT]))
    return np.where(kept_rows(len(points)), np.concatenate(found, axis=1), -np.inf)


def _smallest(values: np.ndarray) -> np.ndarray:
    """The K smallest values of each row, the largest of them last."""
    return np.partition(values, K - 1, axis=1)[:, :K]


def _squared_distances(a: np.ndarray, b: np.ndarray) -> Iterator[np.ndarray]:
    """Squared distances of the rows of `a` from those of `b`, in parts `[SLAB, len(b)]`."""
    squares = np.concatenate([np.square(rows).sum(axis=1) for rows in slabs(b)])
    for rows in slabs(a):
        yield (np.square(rows).sum(axis=1)[:, None] + squares - 2 * rows @ b.T).clip(min=0)
