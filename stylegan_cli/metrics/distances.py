"""Distances between two sets of features `[n, d]`: how similar the sets of pictures are as a whole."""

from __future__ import annotations

import numpy as np

from stylegan_cli.metrics.estimates import GROUPS, KEPT, blocks, slabs


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    """The Frechet distance between Gaussians fitted to `a` `[n, d]` and `b` `[m, d]` (Heusel et al. 2017,
    arXiv:1706.08500, section 3)."""
    mean_a, mean_b = a.mean(axis=0, dtype=np.float64), b.mean(axis=0, dtype=np.float64)
    if max(len(a), len(b)) >= a.shape[1]:
        return frechet_of_gaussians(mean_a, _covariance(a, mean_a), mean_b, _covariance(b, mean_b))
    # With fewer pictures than features, the roots of the eigenvalues of (a' a) (b' b) are the singular values of a b'.
    a, b = (a - mean_a) / np.sqrt(len(a) - 1), (b - mean_b) / np.sqrt(len(b) - 1)
    overlap = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return _combined(mean_a - mean_b, np.square(a).sum() + np.square(b).sum(), overlap)


def frechet_of_gaussians(mean_a: np.ndarray, cov_a: np.ndarray, mean_b: np.ndarray, cov_b: np.ndarray) -> float:
    """`|mean_a - mean_b|^2 + tr(A + B - 2 (AB)^(1/2))` for covariances A, B `[d, d]` (Dowson and Landau 1982).

    AB has the eigenvalues of the symmetric A^(1/2) B A^(1/2), whose root needs no complex numbers.
    """
    values, vectors = np.linalg.eigh(cov_a)
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    overlap = np.sqrt(np.linalg.eigvalsh(root @ cov_b @ root).clip(min=0)).sum()
    return _combined(mean_a - mean_b, np.trace(cov_a) + np.trace(cov_b), overlap)


def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The unbiased squared maximum mean discrepancy of `a` `[n, d]` and `b` `[m, d]`, with the kernel `(x y / d + 1)^3`
    of KID (Binkowski et al. 2018, arXiv:1801.01401, section 4). For pictures of the same kind it is about 0, and as
    often below as above.

    It is computed for all rows, and for all but each group of them: `[1 + GROUPS]`, as `jackknife` takes it. Each group
    needs at least two rows.
    """
    return _mean_of_pairs(a) + _mean_of_pairs(b) - 2 * _mean_of_pairs(a, b)


def _covariance(a: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """`[d, d]`, in float64: sums of squares lose too much in float32."""
    total = np.zeros((a.shape[1], a.shape[1]))
    for rows in slabs(a):
        centred = rows - mean
        total += centred.T @ centred
    return total / (len(a) - 1)


def _combined(difference: np.ndarray, traces: float, overlap: float) -> float:
    return float(difference @ difference + traces - 2 * overlap)


def _mean_of_pairs(a: np.ndarray, b: np.ndarray | None = None) -> np.ndarray:
    """The mean similarity of a row of `a` and one of `b`, or else another one of `a`; `[1 + GROUPS]`, as above.

    These means need only sums over pairs of groups, so each pair of rows is used once.
    """
    sums, counts = np.zeros((GROUPS, GROUPS)), np.zeros((GROUPS, GROUPS))
    for i, x in enumerate(blocks(a)):
        for j, y in enumerate(blocks(a if b is None else b)):
            if b is None and j < i:
                sums[i, j], counts[i, j] = sums[j, i], counts[j, i]
                continue
            others = y.astype(np.float64)
            sums[i, j] = sum(_cubic(rows @ others.T, a.shape[1]).sum() for rows in slabs(x.astype(np.float64)))
            counts[i, j] = len(x) * len(y)
        if b is None:  # no row is paired with itself
            sums[i, i] -= _cubic(np.square(x.astype(np.float64)).sum(axis=1), a.shape[1]).sum()
            counts[i, i] -= len(x)
    return _kept(sums) / _kept(counts)


def _cubic(products: np.ndarray, d: int) -> np.ndarray:
    near = products / d + 1
    return near * near * near  # numpy's power would take longer than everything else


def _kept(pairs: np.ndarray) -> np.ndarray:
    """Sums `[1 + GROUPS]` over the pairs of groups `[GROUPS, GROUPS]` that are kept."""
    return np.einsum("kg,gh,kh->k", KEPT, pairs, KEPT)
