"""Equivariance where it is known: of a generator that moves pictures exactly, or not at all; and parity with NVIDIA's
code."""

import numpy as np
import pytest
import torch
from apart import META, Apart
from originals import GOLDEN, arrays, close, generator_of
from small_families import make
from waves import Waves

from stylegan_cli.errors import UsageError
from stylegan_cli.metrics import equivariance as eq
from stylegan_cli.metrics.equivariance import Motion
from stylegan_cli.metrics.sets import Made

ALL = tuple(eq.TITLES)
NUMBERS = np.array([0.7, -0.4, 0.3, 0.9, -0.35])


def ignore():
    """For what is not looked at."""


def errors(generator, num, names=ALL, seed=0):
    return eq.squared_errors(generator, names, Made(generator).moving(num, seed, eq.NUMBERS), ignore)


def decibels(generator, num=10):
    return {name: eq.equivariance(one).value for name, one in zip(ALL, errors(generator, num), strict=True)}


def noise(seed, size=32):
    """A picture of uniform noise, whose every frequency matters."""
    return torch.from_numpy(np.random.RandomState(seed).uniform(-1, 1, (1, 3, size, size))).float()


def test_a_plane_that_moves_is_equivariant():
    """As far as Lanczos's filter is exact, and to rounding where nothing is filtered."""
    found = decibels(Waves())
    assert found["eqt_int"] > 140
    assert found["eqt_frac"] > 50
    assert found["eqr"] > 55


@pytest.mark.parametrize("follows", [-1, 0, 0.5])
def test_one_that_does_not_is_not(follows):
    assert max(decibels(Waves(follows)).values()) < 20


def test_a_small_error_is_seen():
    """Of a hundredth of the way: a fiftieth of a pixel along each axis, and a degree, on average."""
    exact, off = decibels(Waves()), decibels(Waves(0.99))
    assert 45 < off["eqt_int"] < 55 and off["eqt_frac"] < exact["eqt_frac"] - 5
    assert 37 < off["eqr"] < 47


@torch.no_grad()
@pytest.mark.parametrize("kind", ["t", "r"])
def test_stylegan3_keeps_what_it_promises(kind):
    """Both configurations can be moved; only R can be turned."""
    options = {"conv_kernel": 1, "use_radial_filters": True} if kind == "r" else {}
    found = decibels(make("stylegan3", 1, **options))
    assert min(found["eqt_int"], found["eqt_frac"]) > 60
    assert found["eqr"] > 90 if kind == "r" else found["eqr"] < 40


@pytest.mark.parametrize(
    ("motion", "expected", "count"),
    [
        (Motion(3, -2), 1769.1778, 2610),
        (Motion(-1.25, 2.5), 1235.1842, 2187),
        (Motion(turn=30), 654.0550, 1104),
        (Motion(turn=-100), 671.2639, 1188),
        (Motion(turn=77.5), 679.6541, 1170),
    ],
)
def test_motions_are_compared_as_by_nvidia(motion, expected, count):
    """The sums are what a transcription of stylegan3's metrics/equivariance.py computes with the same noise."""
    found = eq.differences(noise(0), noise(1), motion)
    assert found.square().sum().item() == pytest.approx(expected, rel=1e-6)
    assert found.numel() == count


def test_parity_with_nvidias_measurements():
    """Of the first picture of a small StyleGAN3-T, as the same transcription finds them."""
    golden = arrays(GOLDEN / "sg3_t.npz")
    generator = generator_of("stylegan3", golden)
    found = eq.squared_errors(generator, ALL, [(golden["z"][:1], None, NUMBERS)], ignore)
    assert found[:, 0, 1].tolist() == [10614, 9558, 7170]
    sums, counts = found[:, 0].T
    assert 10 * np.log10(4 * counts / sums) == pytest.approx([55.0512, 51.0003, 10.5201], abs=0.002)


def test_what_is_exact_has_the_most_that_rounding_allows():
    """Not infinitely much, which JSON does not know."""
    found = eq.equivariance(np.tile([0.0, 100.0], (20, 1)))
    assert (found.low, found.value, found.high) == pytest.approx([150.515] * 3, abs=1e-3)
    picture = noise(0)
    assert eq.differences(picture, picture, Motion()).abs().max() == 0


def test_all_pictures_count_together():
    """Not the mean of their decibels: a bad picture among good ones weighs more."""
    rows = np.array([[1.0, 100.0]] * 19 + [[81.0, 300.0]])
    assert eq.equivariance(rows).value == pytest.approx(10 * np.log10(4 * 2200 / 100))


def test_19_of_20_intervals_hold_the_value():
    random = np.random.default_rng(0)
    rows = (np.stack([random.lognormal(0, 1, 500), np.ones(500)], axis=1) for _ in range(1000))
    found, value = list(map(eq.equivariance, rows)), 10 * np.log10(4 / np.exp(0.5))
    assert 0.93 < np.mean([one.low < value < one.high for one in found]) < 0.97


def test_motions_reach_an_eighth_and_all_around():
    far = eq.motions(np.array([1, -1, 1, -1, 1.0]), 64)
    assert far == {"eqt_int": Motion(8, -8), "eqt_frac": Motion(8, -8), "eqr": Motion(turn=180)}
    near = eq.motions(np.array([0.3, -0.3, 0.3, -0.3, -0.5]), 64)
    assert (near["eqt_int"], near["eqr"]) == (Motion(2, -2), Motion(turn=-90))
    assert (near["eqt_frac"].right, near["eqt_frac"].down) == pytest.approx((2.4, -2.4))


def test_a_shift_by_whole_pixels_moves_them():
    picture = noise(0)
    moved, known = eq.shifted(picture, 3, -2)
    assert torch.equal(moved[..., :-2, 3:], picture[..., 2:, :-3])
    assert known[:-2, 3:].all() and known.sum() == 30 * 29


@pytest.mark.parametrize(("right", "down"), [(0.4, -1.75), (-2.5, 3.3)])
def test_a_shift_knows_what_it_depends_on(right, down):
    """What is beyond the picture changes no pixel that is known, and each pixel at the edge of these changes others."""
    picture = noise(0)
    _, known = eq.shifted(picture, right, down)
    beyond = torch.nn.functional.pad(picture, (8, 8, 8, 8), value=9.0)
    moved = eq.shifted(beyond, right, down)[0][..., 8:-8, 8:-8]
    same = (moved - eq.shifted(picture, right, down)[0]).abs().amax(dim=(0, 1)) < 1e-6
    assert torch.equal(same, known)


@pytest.mark.parametrize("turn", [0.001, 30.0, -135.0])
def test_a_turn_knows_what_it_depends_on(turn):
    picture = noise(0)
    for operator in (eq.turned, eq.as_if_turned):
        alone, known = operator(picture, turn)
        beyond, _ = operator(torch.nn.functional.pad(picture, (8, 8, 8, 8), value=9.0), turn)
        assert (beyond[..., 8:-8, 8:-8] - alone)[..., known].abs().max() < 1e-5
        assert known.sum() > 250


@pytest.mark.parametrize(("turn", "quarters"), [(90, 1), (180, 2), (-90, 3)])
def test_a_quarter_turn_loses_nothing(turn, quarters):
    """But for what sincs lose where they are cut off."""
    picture = noise(0)
    found, known = eq.turned(picture, turn)
    close(found[..., known], picture.rot90(quarters, (2, 3))[..., known], 0.01)
    alike, known = eq.as_if_turned(picture, turn)
    close(alike[..., known], picture[..., known], 1e-5)


def test_flat_pictures_stay_flat():
    """Whatever the turn: each sample between the pixels is a mean of theirs."""
    for operator in (eq.turned, eq.as_if_turned):
        found, known = operator(torch.ones(1, 3, 32, 32), 33)
        close(found[..., known], torch.ones(3, known.sum())[None], 1e-5)


def test_nothing_is_computed_on_another_device():
    picture = torch.empty(1, 3, 32, 32, device=META)
    with Apart():
        found = [*eq.shifted(picture, 0.4, 3), *eq.turned(picture, 33), *eq.as_if_turned(picture, 33)]
    assert {one.device for one in found} == {META}


def test_the_same_for_the_same_seed():
    model = make("stylegan3", 1)
    assert errors(model, 2).tolist() == errors(model, 2).tolist()
    assert errors(model, 2).tolist() != errors(model, 2, seed=1).tolist()


def test_neither_other_pictures_nor_other_metrics_matter():
    model = make("stylegan3", 1)
    three = errors(model, 3)
    assert errors(model, 2).tolist() == three[:, :2].tolist()
    assert errors(model, 3, names=("eqr", "eqt_int")).tolist() == three[[2, 0]].tolist()
    *_, last = Made(model).moving(3, 0, eq.NUMBERS)
    assert eq.squared_errors(model, ALL, [last], ignore)[:, 0].tolist() == three[:, 2].tolist()


def test_nothing_stays_moved(monkeypatch):
    """Not even if drawing fails, or is stopped."""
    model = make("stylegan3", 1)
    people = list(Made(model).moving(1, 0, eq.NUMBERS))
    eq.squared_errors(model, ALL, people, ignore)
    assert torch.equal(model.synthesis.input.transform, torch.eye(3))
    monkeypatch.setattr(eq, "differences", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        eq.squared_errors(model, ALL, people, ignore)
    assert torch.equal(model.synthesis.input.transform, torch.eye(3))


def test_a_picture_is_of_one_class():
    model = make("stylegan3", 1, c_dim=3)
    ((z, drawn, numbers),) = Made(model).moving(1, 0, eq.NUMBERS)
    classes = [model.one_hot(torch.tensor([number])) for number in range(3)]
    by_class = [eq.squared_errors(model, ALL, [(z, c, numbers)], ignore)[0, 0, 0] for c in classes]
    assert len(set(by_class)) == 3
    assert errors(model, 1)[0, 0, 0] == by_class[drawn.argmax()]


@pytest.mark.parametrize("family", ["stylegan1", "stylegan2", "lucidrains"])
def test_families_that_cannot_move_pictures_are_refused(family):
    with pytest.raises(UsageError, match=r"equivariance cannot be measured: .* cannot move or turn faces; StyleGAN3"):
        errors(make(family), 1)


def test_pictures_of_which_nothing_is_left_are_refused():
    with pytest.raises(UsageError, match=r"are 8 pixels across; use a model that makes 16 or more$"):
        errors(Waves(resolution=8), 1)
    assert errors(Waves(resolution=16), 20)[..., 1].min() > 0
