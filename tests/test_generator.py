"""What the base class gives to every family."""

import pytest
import torch
from originals import GOLDEN, arrays, generator_of
from small_families import CONFIGS, make

from stylegan_cli.noise import Noise


def test_psi_1_is_the_identity_and_psi_0_the_average(tiny):
    ws = torch.randn(3, tiny.num_ws, tiny.w_dim)
    assert torch.equal(tiny.truncate(ws, 1), ws)
    assert torch.equal(tiny.truncate(ws, 0), tiny.w_avg.expand_as(ws))


def test_cutoff_spares_the_layers_from_it_on(tiny, monkeypatch):
    ws = torch.randn(3, tiny.num_ws, tiny.w_dim)
    monkeypatch.setattr(tiny, "cutoff", 2)
    truncated = tiny.truncate(ws, 0.5)
    torch.testing.assert_close(truncated[:, :2], (ws[:, :2] + tiny.w_avg) / 2)
    assert torch.equal(truncated[:, 2:], ws[:, 2:])


def test_broadcast_repeats_w(tiny):
    w = torch.randn(2, tiny.w_dim)
    ws = tiny.broadcast(w)
    assert ws.shape == (2, tiny.num_ws, tiny.w_dim)
    assert torch.equal(ws[:, -1], w)


@pytest.mark.parametrize("family", ["stylegan1", "stylegan2", "lucidrains"])
@pytest.mark.parametrize("channels", [1, 4])
def test_pictures_are_rgb_whatever_the_network_draws(family, channels):
    """Grey and transparent data sets make such networks."""
    generator = make(family, img_channels=channels)
    for ws in (torch.randn(n, generator.num_ws, generator.w_dim) for n in (1, 2)):
        drawn = generator.draw(ws, Noise())
        assert drawn.shape[1] == channels
        expected = drawn.expand(-1, 3, -1, -1) if channels == 1 else drawn[:, :3]
        assert torch.equal(generator.synthesize(ws), expected)


def test_a_cutoff_of_0_truncates_nothing(tiny, monkeypatch):
    ws = torch.randn(3, tiny.num_ws, tiny.w_dim)
    monkeypatch.setattr(tiny, "cutoff", 0)
    assert torch.equal(tiny.truncate(ws, 0.5), ws)


@pytest.mark.parametrize("family", CONFIGS)
def test_tensors_work_at_the_resolutions_of_the_layers(family):
    generator = make(family)
    found = {generator.resolution_of(name) for name in generator.state_dict()}
    assert found == {None, *(layer.resolution for layer in generator.layers)}


@pytest.mark.parametrize("family", ["stylegan1", "stylegan2"])
def test_training_noise_differs_between_pictures(family):
    generator = generator_of(family, arrays(GOLDEN / f"{family}.npz"))
    first, second = generator.synthesize(generator.broadcast(torch.ones(1, generator.w_dim).expand(2, -1)), noise=None)
    assert not torch.equal(first, second)
