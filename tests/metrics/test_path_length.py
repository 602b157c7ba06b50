"""Path lengths where they are known, and of the tiny model."""

import numpy as np
import pytest
import torch
from small_families import make

from stylegan_cli.errors import UsageError
from stylegan_cli.metrics.path_length import STEP, path_length, path_lengths
from stylegan_cli.metrics.sets import Made
from stylegan_cli.noise import Noise
from stylegan_cli.scorers import perceptual

CPU = torch.device("cpu")


def ignore():
    """For what is not looked at."""


def lengths(generator, num, seed=0):
    return path_lengths(generator, perceptual.network(CPU), Made(generator).ends(num, seed), seed, ignore)


def test_is_the_squared_distance_over_the_squared_step(tiny):
    (found,) = lengths(tiny, 1)
    ((zs, _),) = Made(tiny).ends(1, 0)
    with torch.inference_mode():
        w, other = tiny.to_w(zs)
        a, b = (
            perceptual.levels(perceptual.network(CPU), tiny.synthesize(tiny.broadcast(one[None]), Noise("random", 0)))
            for one in (w, w.lerp(other, STEP))
        )
    assert found == pytest.approx(perceptual.distance(a, b).item() / STEP**2, rel=1e-4)
    assert found > 0


def test_the_same_for_the_same_seed(tiny):
    assert lengths(tiny, 2).tolist() == lengths(tiny, 2).tolist()
    assert lengths(tiny, 2).tolist() != lengths(tiny, 2, seed=1).tolist()


def test_the_outer_hundredths_are_left_out():
    values = np.r_[np.full(990, 5.0), np.full(5, 1e9), np.zeros(5)]
    found = path_length(values)
    assert (found.low, found.value, found.high) == (5, 5, 5)


def test_is_the_mean_of_what_is_kept():
    """As in NVIDIA's code: also if the blocks for the interval differ in size."""
    values = np.arange(57.0) ** 2
    assert path_length(values).value == values.mean()  # of so few, none is left out
    values = np.arange(1007.0) ** 2
    assert path_length(values).value == values[10:-10].mean()


def test_the_interval_is_that_of_what_is_drawn_in_over_the_share_kept():
    """Blocks of 0 to 9, of which the outer 9 of 1000 are left out: the standard error of 0 to 9 is 0.957427."""
    values = np.arange(1000.0) % 10
    values[1:10], values[990:999] = -1e9, 1e9
    found, margin = path_length(values), 2.2622 * 0.957427 * 0.98 / 0.982
    assert (found.low, found.value, found.high) == pytest.approx((4.5 - margin, 4.5, 4.5 + margin), abs=1e-4)


def test_19_of_20_intervals_hold_the_length():
    """Those that took the ends of the hundredths for known held 92 %."""
    random = np.random.default_rng(0)
    found = [path_length(random.lognormal(0, 1, 500)) for _ in range(3000)]
    length = path_length(random.lognormal(0, 1, 1_000_000)).value
    assert 0.935 < np.mean([one.low < length < one.high for one in found]) < 0.965


def test_coarse_arithmetic_is_refused(tiny, monkeypatch):
    monkeypatch.setattr(tiny, "dtype", torch.bfloat16)
    with pytest.raises(UsageError, match="--precision fp32"):
        lengths(tiny, 1)


def test_every_path_has_noise_of_its_own(tiny):
    _, second = Made(tiny).ends(2, 0)
    alone = path_lengths(tiny, perceptual.network(CPU), [second], 1, ignore)
    assert lengths(tiny, 2)[1] == alone[0] != path_lengths(tiny, perceptual.network(CPU), [second], 0, ignore)[0]


def test_a_path_is_of_one_class():
    model = make("stylegan2", c_dim=3)
    ((zs, drawn),) = Made(model).ends(1, 0)
    classes = [model.one_hot(torch.tensor([number])) for number in range(3)]
    by_class = [path_lengths(model, perceptual.network(CPU), [(zs, c)], 0, ignore)[0] for c in classes]
    assert len(set(by_class)) == 3
    assert lengths(model, 1)[0] == by_class[drawn.argmax()]
