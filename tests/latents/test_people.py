"""People from seeds and arrays."""

import numpy as np
import pytest
import torch

from stylegan_cli.errors import StyleganError
from stylegan_cli.latents.people import from_array, from_seed, z_of_seed


def test_a_seed_means_nvidias_z():
    assert np.array_equal(z_of_seed(42, 512).numpy(), np.random.RandomState(42).randn(1, 512)[0].astype(np.float32))


@pytest.mark.parametrize("seed", [0, 2**32 - 1])
def test_seeds_go_from_0_to_32_bits(tiny, seed):
    assert torch.isfinite(from_seed(tiny, seed, 0.7).ws).all()


def test_psi_pulls_towards_the_average(tiny):
    average = from_seed(tiny, 5, 0.0).ws
    assert torch.equal(average, tiny.w_avg.expand_as(average))
    whole, half = from_seed(tiny, 5, 1.0).ws, from_seed(tiny, 5, 0.5).ws
    torch.testing.assert_close(half, (whole + average) / 2)
    with torch.inference_mode():
        assert torch.equal(whole[0], tiny.to_w(z_of_seed(5, tiny.z_dim)[None])[0])


@pytest.mark.parametrize(
    ("shape", "count"),
    [((16,), 1), ((13, 16), 1), ((1, 16), 1), ((1, 1, 16), 1), ((3, 13, 16), 3), ((3, 1, 16), 3)],
)
def test_shapes_and_how_many_people_they_are(tiny, shape, count):
    people = from_array(tiny, np.random.default_rng(0).normal(size=shape), "x")
    assert len(people) == count
    assert all(person.ws.shape == (13, 16) and person.ws.dtype == torch.float32 for person in people)


def test_one_w_goes_to_all_layers_and_several_to_their_own(tiny):
    w = np.arange(tiny.w_dim, dtype=np.float64)
    (one,) = from_array(tiny, w, "x")
    assert np.array_equal(one.ws.numpy(), np.tile(w, (tiny.num_ws, 1)))
    ws = np.random.default_rng(0).normal(size=(tiny.num_ws, tiny.w_dim)).astype(np.float32)
    (one,) = from_array(tiny, ws, "x")
    assert np.array_equal(one.ws.numpy(), ws)


def test_several_people_are_numbered(tiny):
    people = from_array(tiny, np.zeros((2, 1, tiny.w_dim)), "kids")
    assert [person.label for person in people] == ["kids#0", "kids#1"]


@pytest.mark.parametrize("kind", ["<f2", ">f4", "<f8"])
def test_any_floating_type_is_taken(tiny, kind):
    (one,) = from_array(tiny, np.full(tiny.w_dim, 0.5, kind), "x")
    assert torch.equal(one.ws, torch.full_like(one.ws, 0.5))


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_what_is_not_finite_in_float32_is_refused(tiny, value):
    with pytest.raises(StyleganError, match="NaN or infinite"):
        from_array(tiny, np.full(tiny.w_dim, value), "x")


@pytest.mark.parametrize("kind", [int, complex, "U3", bool, "M8[s]"])
def test_what_is_no_floating_type_is_refused(tiny, kind):
    with pytest.raises(StyleganError, match="floating-point"):
        from_array(tiny, np.zeros(tiny.w_dim, kind), "x")


def test_layers_of_another_model_are_refused_with_the_reason(tiny):
    with pytest.raises(StyleganError) as refusal:
        from_array(tiny, np.zeros((18, tiny.w_dim)), "jon")
    sentence = str(refusal.value)
    assert "[18, 16]" in sentence
    assert "[16], [13, 16]" in sentence
    assert "18 layers belong to another model" in sentence


@pytest.mark.parametrize("shape", [(), (17,), (0,), (0, 13, 16), (2, 0, 16), (2, 2, 13, 16), (13, 8)])
def test_shapes_that_fit_nobody_are_refused(tiny, shape):
    with pytest.raises(StyleganError, match="shape"):
        from_array(tiny, np.zeros(shape), "x")


def test_a_cutoff_spares_the_finer_layers(tiny, monkeypatch):
    whole = from_seed(tiny, 5, 1.0).ws
    monkeypatch.setattr(tiny, "cutoff", 2)
    cut = from_seed(tiny, 5, 0.5).ws
    torch.testing.assert_close(cut[:2], (whole[:2] + tiny.w_avg) / 2)
    assert torch.equal(cut[2:], whole[2:])
