"""Noise as a value: modes, bands, strength, seeds."""

import pytest
import torch

from stylegan_cli import noise as noises
from stylegan_cli.noise import Noise, add_noise, uniform

CONST = torch.arange(64.0).reshape(8, 8)


def test_const_is_the_stored_map():
    assert torch.equal(Noise().map(0, CONST), CONST)


def test_none_is_nothing():
    assert Noise("none").map(0, CONST) is None


def test_strength_belongs_to_the_band_of_the_resolution():
    noise = Noise(coarse=2.0, middle=0.0)
    assert torch.equal(noise.map(0, CONST), 2 * CONST)
    assert noise.map(0, torch.zeros(16, 16)) is None
    assert torch.equal(noise.map(0, torch.ones(64, 64)), torch.ones(64, 64))


def test_random_noise_depends_on_seed_and_layer_only():
    drawn = Noise("random", 3).map(5, CONST)
    assert torch.equal(drawn, Noise("random", 3, fine=0.0).map(5, CONST * 7))
    assert not torch.equal(drawn, Noise("random", 4).map(5, CONST))
    assert not torch.equal(drawn, Noise("random", 3).map(6, CONST))


def test_random_noise_is_standard_normal():
    drawn = Noise("random", 0).map(0, torch.zeros(512, 512))
    assert drawn.mean().item() == pytest.approx(0, abs=0.01)
    assert drawn.std().item() == pytest.approx(1, abs=0.01)


def test_uniform_noise_has_the_same_mean_and_variance():
    drawn = Noise("random", 0).map(0, torch.zeros(512, 512), uniform)
    assert drawn.mean().item() == pytest.approx(0, abs=0.01)
    assert drawn.std().item() == pytest.approx(1, abs=0.01)
    assert 1.7 < drawn.abs().max() <= 3**0.5


def test_neighbouring_seeds_share_no_map():
    """Not even in neighbouring layers."""
    maps = [Noise("random", seed).map(layer, CONST) for seed in range(4) for layer in range(4)]
    assert len({one.sum().item() for one in maps}) == 16


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("shape", [(5, 7), (3, 1, 5, 7)], ids=["one map", "a map each"])
def test_all_channels_get_the_noise(shape, dtype, layout, monkeypatch):
    monkeypatch.setattr(noises, "PIXELS", 1)
    x, noise = torch.randn(3, 4, 5, 7).to(dtype, memory_format=layout), torch.randn(shape)
    expected = x + noise.to(dtype)
    with torch.no_grad():
        found = add_noise(x, noise)
    assert found is x and torch.equal(found, expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_noise_is_differentiated(dtype):
    x = torch.randn(3, 4, 5, 7, requires_grad=True)
    noise = torch.randn(3, 1, 5, 7, requires_grad=True)
    add_noise(x.to(dtype, memory_format=torch.channels_last), noise).sum().backward()
    assert x.grad.eq(1).all() and noise.grad.eq(4).all()
