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


@pytest.mark.parametrize("cutoff", [None, 0, 2])
@pytest.mark.parametrize("rows", ["one", "all"])
def test_a_new_centre_takes_the_place_of_the_average(tiny, monkeypatch, cutoff, rows):
    ws, centre = torch.randn(3, tiny.num_ws, tiny.w_dim), torch.randn(1 if rows == "one" else tiny.num_ws, tiny.w_dim)
    monkeypatch.setattr(tiny, "cutoff", cutoff)
    monkeypatch.setattr(tiny, "new_centre", centre)
    assert torch.equal(tiny.truncate(ws, 1), ws)
    whose, end = centre.expand(tiny.num_ws, -1), tiny.num_ws if cutoff is None else cutoff
    for psi in (-1, 0, 0.25):
        truncated = tiny.truncate(ws, psi)
        torch.testing.assert_close(truncated[:, :end], (whose + psi * (ws - whose))[:, :end])
        assert torch.equal(truncated[:, end:], ws[:, end:])
    assert tiny.truncated_rows == (1 if (rows, cutoff) == ("one", None) else tiny.num_ws)


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


@pytest.mark.parametrize("family", [*CONFIGS, "mobilestylegan"])
@pytest.mark.parametrize("resolution", [32, 64])
def test_features_depend_on_the_layers_below_them_alone(family, resolution, tiny):
    generator = tiny if family == "mobilestylegan" else make(family)
    ws = torch.randn(1, generator.num_ws, generator.w_dim)
    maps = generator.features(ws, resolution)
    assert maps.shape[2:] == (resolution, resolution)
    for layer in generator.layers:
        changed = ws.clone()
        changed[:, layer.index] += 1
        is_seen = not torch.equal(generator.features(changed, resolution), maps)
        if family != "stylegan3":  # whose layers' bands and sampling rates grow at different places
            assert is_seen == (layer.resolution <= resolution and (layer.index, family) not in LATER), layer
        elif layer.index in (1, generator.num_ws - 1):
            assert is_seen == (layer.index == 1)


# At their resolutions, these only drive the picture's head.
LATER = {(9, "stylegan2"), *((index, "mobilestylegan") for index in (3, 6, 9, 12))}


def test_features_are_in_the_places_of_the_picture():
    """StyleGAN3's maps reach beyond the picture; what moves there moves as far in the maps."""
    generator = make("stylegan3")
    ws = torch.randn(1, generator.num_ws, generator.w_dim)
    maps = generator.features(ws, 32)
    with generator.moved((0.25, 0), 0):
        moved = generator.features(ws, 32)
    inside = slice(4, 28)
    shifted = (moved[..., inside, 14:26] - maps[..., inside, 6:18]).std()
    assert shifted < 0.3 * (moved - maps)[..., inside, inside].std()


def test_features_of_oblong_pictures_are_oblong():
    generator = make("stylegan2", start=(4, 2))
    assert generator.features(torch.randn(1, generator.num_ws, 8), 32).shape[2:] == (32, 16)


def test_features_have_gradients(tiny):
    ws = torch.randn(1, tiny.num_ws, tiny.w_dim, requires_grad=True)
    tiny.features(ws, 32).sum().backward()
    assert ws.grad[:, 0].any()


def test_a_model_that_still_grows_has_no_fine_features():
    generator = make("stylegan1", lod=2.0)
    ws = torch.randn(1, generator.num_ws, generator.w_dim)
    assert generator.finest == 16
    assert generator.features(ws, 16).shape[2:] == (16, 16)
    with pytest.raises(ValueError):
        generator.features(ws, 32)


@pytest.mark.parametrize("family", [*CONFIGS, "mobilestylegan"])
def test_features_of_several_are_those_of_each(family, tiny):
    generator = tiny if family == "mobilestylegan" else make(family)
    ws = torch.randn(2, generator.num_ws, generator.w_dim)
    together, alone = generator.features(ws, generator.finest), [generator.features(one[None], 64) for one in ws]
    assert torch.equal(together, torch.cat(alone))


@pytest.mark.parametrize("resolution", [4, 8])
def test_the_coarsest_features(tiny, resolution):
    ws = torch.randn(1, tiny.num_ws, tiny.w_dim)
    assert tiny.features(ws, resolution).shape[2:] == (resolution, resolution)


@pytest.mark.parametrize("family", ["stylegan1", "stylegan2"])
def test_training_noise_differs_between_pictures(family):
    generator = generator_of(family, arrays(GOLDEN / f"{family}.npz"))
    first, second = generator.synthesize(generator.broadcast(torch.ones(1, generator.w_dim).expand(2, -1)), noise=None)
    assert not torch.equal(first, second)
