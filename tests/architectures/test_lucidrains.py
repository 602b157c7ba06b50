"""lucidrains' StyleGAN2: parity with the original code, and what its noise is here."""

import math
from dataclasses import asdict

import numpy as np
import pytest
import torch
from originals import GOLDEN, arrays, close

from stylegan_cli import architectures, importers
from stylegan_cli.noise import SPREAD, Noise


def original(name):
    """A model with the noise of the original's first picture, and what the original code computes with it."""
    found = arrays(GOLDEN / f"imp_lucidrains_{name}.npz")
    generator = importers.generator(importers.read(GOLDEN / f"imp_lucidrains_{name}.pt"), name)
    set_noise(generator, found["noise"][0])
    return generator, found


def set_noise(generator, image):
    """The original's noise, one image `[h, w]` in [0, 1) for all layers: each takes its corner, and turns it over."""
    for r in generator.config.resolutions:
        generator.synthesis.get_submodule(f"b{r}").noise_const = (image[:r, :r].T - 0.5) * SPREAD


@pytest.fixture(params=["16_attn", "32_alpha"])
def model(request):
    """The first has attention, a learned input and blurred doubling, the second the opposite of each, and alpha."""
    return original(request.param)


@torch.no_grad()
def test_mapping(model):
    generator, found = model
    close(generator.to_w(found["z"]), found["w"], 1e-6)


@torch.no_grad()
def test_pictures(model):
    generator, found = model
    for ws, noise, picture in zip(found["ws"], found["noise"], found["img"], strict=True):
        set_noise(generator, noise)
        drawn = generator.draw(ws[None], Noise())[0]
        close((drawn + 1) / 2, picture, 1e-5)
        assert torch.equal(generator.synthesize(ws[None])[0], drawn[:3])


def test_pictures_in_a_batch_with_gradients(model):
    generator, found = model
    ws = found["ws"].requires_grad_()
    pictures = (generator.draw(ws, Noise()) + 1) / 2
    close(pictures[0], found["img"][0], 1e-5)
    pictures.square().sum().backward()
    assert (ws.grad.abs().sum(dim=2) > 0).all()


@torch.no_grad()
def test_bfloat16_stays_close(model):
    generator, found = model
    generator.prepare(torch.device("cpu"), torch.bfloat16)
    error = (generator.draw(found["ws"][:1], Noise())[0] + 1) / 2 - found["img"][0]
    assert error.square().mean().sqrt() < 0.005


@torch.no_grad()
def test_without_noise_pictures_have_that_of_the_mean(model):
    generator, found = model
    ws = found["ws"][:1]
    silent = generator.synthesize(ws, Noise("none"))
    bands = {"coarse": 0.0, "middle": 0.0, "fine": 0.0}
    assert torch.equal(generator.synthesize(ws, Noise("random", 1, **bands)), silent)
    set_noise(generator, torch.full_like(found["noise"][0], 0.5))
    close(generator.synthesize(ws), silent, 1e-6)


@torch.no_grad()
def test_noise_is_as_strong_as_the_originals(model):
    """All kinds move pictures as far from the one without."""
    generator, found = model
    ws, randomness, moved = found["ws"][:1], np.random.RandomState(0), {}
    silent = generator.synthesize(ws, Noise("none"))
    for seed in range(20):
        set_noise(generator, torch.from_numpy(randomness.rand(*found["noise"][0].shape)).float())
        for kind, noise in {"original": Noise(), "drawn": Noise("random", seed), "training": None}.items():
            moved.setdefault(kind, []).append((generator.synthesize(ws, noise) - silent).square().mean().item())
    strengths = {kind: np.sqrt(np.mean(squares)) for kind, squares in moved.items()}
    assert strengths["drawn"] == pytest.approx(strengths["original"], rel=0.25)
    assert strengths["training"] == pytest.approx(strengths["original"], rel=0.25)


@torch.no_grad()
def test_training_noise_differs_between_pictures(model):
    generator, found = model
    first, second = generator.synthesize(found["ws"][:1].expand(2, -1, -1), noise=None)
    assert not torch.equal(first, second)


@torch.no_grad()
def test_batch_size_changes_nothing(model):
    generator, found = model
    alone = torch.cat([generator.synthesize(ws[None]) for ws in found["ws"]])
    assert torch.equal(generator.synthesize(found["ws"]), alone)


def test_each_resolution_is_a_layer():
    with torch.device("meta"):
        config = asdict(architectures.config_of("lucidrains", {}))
    layers = architectures.build("lucidrains", config).layers
    assert [layer.resolution for layer in layers] == [4, 8, 16, 32, 64, 128, 256, 512, 1024]
    assert [layer.band for layer in layers] == ["coarse"] * 2 + ["middle"] * 2 + ["fine"] * 5


def test_all_layers_drive_an_input_that_is_not_constant():
    generator, _ = original("32_alpha")
    weights = generator.style_weights()
    inputs = generator.synthesis.input.weight / generator.num_ws
    assert all(torch.equal(weight[: len(inputs)], inputs) for weight in weights)
    widths = [(16, 16), (16, 8), (8, 4), (4, 2)]
    channels = [before + 2 * after for before, after in widths]
    assert [len(weight) - len(inputs) for weight in weights] == channels
    assert [layer.channels for layer in generator.layers] == channels


def test_its_own_random_numbers_are_uniform():
    generator = architectures.build("lucidrains", {"resolution": 64, "channel_base": 64, "w_dim": 4}, "cpu")
    noise = generator.synthesis.get_submodule("b64").noise_const
    assert noise.abs().max() <= math.sqrt(3)
    assert noise.std() == pytest.approx(1, abs=0.05)
