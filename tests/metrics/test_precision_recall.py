"""Sets whose overlap is known."""

import tracemalloc

import numpy as np
import pytest
from chance import RANDOM

from stylegan_cli.metrics import estimates
from stylegan_cli.metrics import precision_recall as module
from stylegan_cli.metrics.estimates import SLAB, leaving_out


def cloud(centre, n=100, spread=1.0):
    return (RANDOM.standard_normal((n, 4)) * spread + centre).astype(np.float32)


def precision_recall(fake, real):
    """Of all rows."""
    return module.precision_recall(fake, real)[0]


def by_all_distances(fake, real):
    """The same by its definition, from all distances at once."""

    def share(points, others):
        radii = np.sort(np.linalg.norm(others[:, None] - others, axis=2), axis=1)[:, module.K]  # the first is one's own
        return (np.linalg.norm(points[:, None] - others, axis=2) <= radii).any(axis=1).mean()

    return np.array([share(fake, real), share(real, fake)])


@pytest.mark.parametrize(("n", "m"), [(50, 50), (63, 97), (SLAB + 30, 2 * SLAB + 1)])
def test_of_all_rows_and_without_each_group(n, m):
    fake, real = cloud(0.7, n), cloud(0, m)
    expected = leaving_out(by_all_distances, fake, real)
    assert len(np.unique(expected)) > 2
    assert np.array_equal(module.precision_recall(fake, real), expected)


def test_no_matrix_of_all_pairs_is_held(monkeypatch):
    monkeypatch.setattr(estimates, "SLAB", 16)
    monkeypatch.setattr(module, "SLAB", 16)
    a = cloud(0, 1000)
    tracemalloc.start()
    module.precision_recall(a, cloud(0, 1000))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < len(a) ** 2  # a quarter of that matrix


def test_equal_sets():
    a = cloud(0)
    assert precision_recall(a, a).tolist() == [1, 1]


def test_sets_far_apart():
    assert precision_recall(cloud(0), cloud(100)).tolist() == [0, 0]


def test_half_of_the_fakes_are_nowhere():
    real = cloud(0)
    assert precision_recall(np.concatenate([real, cloud(1000)]), real).tolist() == [0.5, 1]


def test_half_of_the_reals_were_not_learned():
    one, other = cloud(0), cloud(1000)
    assert precision_recall(one, np.concatenate([one, other])).tolist() == [1, 0.5]


def test_a_model_of_one_face():
    """Precise, and without variety: that is what recall tells."""
    precision, recall = precision_recall(cloud(0, spread=1e-3), cloud(0))
    assert precision == 1
    assert recall < 0.05


def test_radii_are_to_the_kth_neighbour(monkeypatch):
    """On a line of reals at 0, 1, 2, 3, ... a fake at -1.5 is as near to 0 as its second neighbour, not its first."""
    real = np.arange(20, dtype=np.float32)[:, None]
    fake = np.full((1, 1), -1.5, np.float32)
    with_others = np.concatenate([fake, *(fake - 1000 * i for i in range(1, 20))])
    for k, precision in ((1, 0), (2, 1 / 20)):
        monkeypatch.setattr(module, "K", k)
        assert precision_recall(with_others, real)[0] == pytest.approx(precision)


def test_sides_and_rigid_motions():
    a, b = cloud(0), cloud(0.5)
    turn = np.linalg.qr(RANDOM.standard_normal((4, 4)))[0].astype(np.float32)
    expected = precision_recall(a, b)
    assert precision_recall(b, a).tolist() == expected[::-1].tolist()
    assert precision_recall(a @ turn * 2 + 7, b @ turn * 2 + 7) == pytest.approx(expected, abs=0.02)
