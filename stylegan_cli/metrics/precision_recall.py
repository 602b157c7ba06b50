"""Improved precision and recall (Kynkaanniemi et al. 2019, arXiv:1904.06991, section 3)."""

from __future__ import annotations

import numpy as np

NEIGHBOURS = 3


def precision_recall(fake: np.ndarray, real: np.ndarray, k: int = NEIGHBOURS) -> np.ndarray:
    """`[precision, recall]` of features `[n, d]`: how many fakes lie among the reals, and how many reals among the
    fakes. A set is there where its pictures have their `k` nearest neighbours."""
    # Distances do not change by it, and around 0 they are rounded least.
    centre = real.mean(axis=0)
    fake, real = fake - centre, real - centre
    return np.array([_share_inside(fake, real, k), _share_inside(real, fake, k)])


def _share_inside(points: np.ndarray, others: np.ndarray, k: int) -> float:
    among = _squared_distances(others, others)
    np.fill_diagonal(among, np.inf)
    radii = np.partition(among, k - 1, axis=1)[:, k - 1]
    return float((_squared_distances(points, others) <= radii).any(axis=1).mean())


def _squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    squares = np.square(a).sum(axis=1)[:, None] + np.square(b).sum(axis=1) - 2 * a @ b.T
    return squares.clip(min=0)
