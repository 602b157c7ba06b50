"""Distances whose values are known."""

import tracemalloc

import numpy as np
import pytest
from chance import RANDOM

from stylegan_cli.metrics import estimates
from stylegan_cli.metrics.distances import frechet, frechet_of_gaussians, kernel
from stylegan_cli.metrics.estimates import SLAB, leaving_out


def covariance(d, seed):
    factor = np.random.default_rng(seed).standard_normal((d, 2 * d))
    return factor @ factor.T / d


def rotation(d):
    return np.linalg.qr(np.random.default_rng(9).standard_normal((d, d)))[0]


def test_of_diagonal_gaussians():
    """In one dimension it is (m1 - m2)^2 + (s1 - s2)^2, and independent dimensions add up."""
    found = frechet_of_gaussians(np.zeros(3), np.diag([1.0, 4, 9]), np.array([1.0, 2, 0]), np.diag([4.0, 4, 0]))
    assert found == pytest.approx((1 + 1) + (4 + 0) + 9)


def test_of_any_gaussians_by_the_nuclear_norm():
    """tr((A^(1/2) B A^(1/2))^(1/2)) is the sum of the singular values of L' M, for A = L L', B = M M'."""
    a, b = covariance(6, 1), covariance(6, 2)
    overlap = np.linalg.svd(np.linalg.cholesky(a).T @ np.linalg.cholesky(b), compute_uv=False).sum()
    found = frechet_of_gaussians(np.zeros(6), a, np.ones(6), b)
    assert found == pytest.approx(6 + np.trace(a) + np.trace(b) - 2 * overlap)


def test_of_the_same_gaussian_is_zero():
    a = covariance(50, 3)
    assert frechet_of_gaussians(np.ones(50), a, np.ones(50), a) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("n", [30, 100, 500])
def test_equal_sets_are_at_distance_zero(n):
    """Also where there are fewer pictures than features, and the covariance has no inverse."""
    features = RANDOM.standard_normal((n, 100)).astype(np.float32)
    assert frechet(features, features[::-1]) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize(("n", "m"), [(20, 30), (20, 60), (60, 30), (60, 70)])
def test_both_ways_to_the_gaussians_agree(n, m):
    a, b = RANDOM.standard_normal((n, 40)), RANDOM.standard_normal((m, 40)) * 2 + 1
    by_covariances = frechet_of_gaussians(a.mean(axis=0), np.cov(a.T), b.mean(axis=0), np.cov(b.T))
    assert frechet(a, b) == pytest.approx(by_covariances, rel=1e-5)


def test_frechet_does_not_mind_rotations_and_sides():
    a, b = RANDOM.standard_normal((2, 200, 8)) @ covariance(8, 4)
    expected, turn = frechet(a, b), rotation(8)
    assert frechet(b, a) == pytest.approx(expected)
    assert frechet(a @ turn + 3, b @ turn + 3) == pytest.approx(expected)
    assert frechet(2 * a, 2 * b) == pytest.approx(4 * expected)


def test_frechet_finds_the_gaussians():
    a = RANDOM.standard_normal((200_000, 2)) * (1, 3) + (0, 5)
    b = RANDOM.standard_normal((200_000, 2)) * (2, 3)
    assert frechet(a, b) == pytest.approx(25 + 1, rel=0.02)


def test_large_means_cost_no_digits():
    a, b = RANDOM.standard_normal((2, 500, 4)).astype(np.float32)
    assert frechet(a + np.float32(1000), b + np.float32(1000)) == pytest.approx(frechet(a, b), rel=1e-3)


def test_large_sets_are_looked_at_in_parts():
    a = (RANDOM.standard_normal((2 * SLAB + 9, 6)) @ covariance(6, 5)).astype(np.float32)
    b = (RANDOM.standard_normal((SLAB, 6)) + 1).astype(np.float32)
    wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
    expected = frechet_of_gaussians(wide_a.mean(axis=0), np.cov(wide_a.T), wide_b.mean(axis=0), np.cov(wide_b.T))
    assert frechet(a, b) == pytest.approx(expected, rel=1e-9)


def by_all_pairs(a, b):
    """The kernel distance by its formula, from all similarities at once."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    within_a, within_b, across = ((x @ y.T / a.shape[1] + 1) ** 3 for x, y in ((a, a), (b, b), (a, b)))
    different = [(m.sum() - np.trace(m)) / (len(m) * (len(m) - 1)) for m in (within_a, within_b)]
    return sum(different) - 2 * across.mean()


def test_the_formula_of_two_pairs_by_hand():
    """d = 1: k(x, y) = (xy + 1)^3."""
    a, b = np.array([[0.0], [1.0]]), np.array([[2.0], [1.0]])
    within_a, within_b = 1.0, 27.0
    across = (1 + 1 + 27 + 8) / 4
    assert by_all_pairs(a, b) == pytest.approx(within_a + within_b - 2 * across)


@pytest.mark.parametrize(("n", "m"), [(20, 20), (53, 47), (300, 180)])
def test_kernel_distances_of_all_rows_and_without_each_group(monkeypatch, n, m):
    monkeypatch.setattr(estimates, "SLAB", 16)
    a, b = RANDOM.standard_normal((n, 5)).astype(np.float32), RANDOM.standard_normal((m, 5)).astype(np.float32) + 0.1
    assert kernel(a, b) == pytest.approx(leaving_out(by_all_pairs, a, b), rel=1e-9)


def test_kernel_distance_of_a_set_and_itself():
    """Its own pairs with itself count across, and not within."""
    a = RANDOM.standard_normal((60, 5))
    assert kernel(a, a)[0] == pytest.approx(by_all_pairs(a, a), rel=1e-9)


def test_kernel_distance_is_unbiased():
    """Over many draws of the same it is 0 on average, however small they are; the biased one would be above."""
    draws = np.array([kernel(*RANDOM.standard_normal((2, 20, 4)))[0] for _ in range(400)])
    error = draws.std() / np.sqrt(len(draws))
    assert abs(draws.mean()) < 3 * error
    assert (draws < 0).mean() > 0.4


def test_kernel_distance_grows_with_the_difference():
    a, b = RANDOM.standard_normal((2, 500, 16))
    assert kernel(a, b)[0] < kernel(a, b + 0.3)[0] < kernel(a, b + 0.6)[0]
    assert kernel(a, b + 0.3) == pytest.approx(kernel(b + 0.3, a))


def test_the_kernel_holds_no_matrix_of_all_pairs(monkeypatch):
    monkeypatch.setattr(estimates, "SLAB", 16)
    a = RANDOM.standard_normal((1000, 8), dtype=np.float32)
    tracemalloc.start()
    kernel(a, a + np.float32(0.1))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < len(a) ** 2  # an eighth of that matrix
