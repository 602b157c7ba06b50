"""Distances between two sets of features `[n, d]`: how alike are the pictures, as a whole?"""

from __future__ import annotations

import numpy as np


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    """The Frechet distance of the Gaussians that fit `a` and `b` (Heusel et al. 2017, arXiv:1706.08500, section 3)."""
    # In float64: sums of squares lose too much in float32.
    a, b = a.astype(np.float64), b.astype(np.float64)
    mean_a, mean_b = a.mean(axis=0), b.mean(axis=0)
    a, b = (a - mean_a) / np.sqrt(len(a) - 1), (b - mean_b) / np.sqrt(len(b) - 1)
    if max(len(a), len(b)) >= a.shape[1]:
        return frechet_of_gaussians(mean_a, a.T @ a, mean_b, b.T @ b)
    # With fewer pictures than features the roots of (a' a) (b' b) are the few singular values of a b'.
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


def kernel(a: np.ndarray, b: np.ndarray) -> float:
    """The squared maximum mean discrepancy, unbiased, with the kernel `(x y / d + 1)^3` of KID (Binkowski et al. 2018,
    arXiv:1801.01401, section 4). About 0 for pictures of the same kind: below it as often as above."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    return float(_mean_of_pairs(_cubic(a, a)) + _mean_of_pairs(_cubic(b, b)) - 2 * _cubic(a, b).mean())


def _combined(difference: np.ndarray, traces: float, overlap: float) -> float:
    return float(difference @ difference + traces - 2 * overlap)


def _cubic(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a @ b.T / a.shape[1] + 1) ** 3


def _mean_of_pairs(similarity: np.ndarray) -> float:
    """Over all pairs of two different rows."""
    n = len(similarity)
    return (similarity.sum() - np.trace(similarity)) / (n * (n - 1))
