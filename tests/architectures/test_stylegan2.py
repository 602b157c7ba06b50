"""StyleGAN2: parity with the original code, and one meaning for all ways of computing it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from stylegan_cli.architectures.stylegan2 import (
    Config,
    Discriminator,
    DiscriminatorConfig,
    StyleGAN2,
)
from stylegan_cli.noise import Noise
from stylegan_cli.ops.modulation import modulated_conv2d
from stylegan_cli.ops.resample import setup_filter

GOLDEN = Path(__file__).parents[1] / "golden" / "stylegan2.npz"


@pytest.fixture(scope="module")
def golden():
    file = np.load(GOLDEN)
    return {key: value if value.dtype.kind == "U" else torch.from_numpy(value) for key, value in file.items()}


def load(network, golden, prefix):
    network.load_state_dict({k.removeprefix(prefix): v for k, v in golden.items() if k.startswith(prefix)})
    return network.eval().requires_grad_(False)


def config(kind, text):
    plain = json.loads(str(text))
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in plain.items()})


@pytest.fixture
def generator(golden):
    return load(StyleGAN2(config(Config, golden["config"])), golden, "g.")


@pytest.fixture
def discriminator(golden):
    return load(Discriminator(config(DiscriminatorConfig, golden["d_config"])), golden, "d.")


def close(found, expected, tolerance):
    torch.testing.assert_close(found, expected, atol=tolerance, rtol=0)


def test_mapping_and_truncation(generator, golden):
    w = generator.mapping(golden["z"])
    close(w, golden["w"], 1e-5)
    close(generator.truncate(generator.broadcast(w), golden["psi"].item()), golden["ws_psi"], 1e-5)


def test_pictures(generator, golden):
    ws = generator.broadcast(golden["w"])
    with torch.no_grad():
        close(generator.synthesis(ws), golden["img"], 1e-4)
        close(generator.synthesis(golden["ws_random"]), golden["img_ws_random"], 1e-4)
        close(generator.synthesis(ws, Noise("none")), golden["img_nonoise"], 1e-4)


def test_pictures_in_a_batch_with_gradients(generator, golden):
    close(generator.synthesis(generator.broadcast(golden["w"])), golden["img"], 1e-4)


def test_batch_size_changes_nothing(generator, golden):
    with torch.no_grad():
        alone = torch.cat([generator.synthesis(one[None]) for one in golden["ws_random"]])
        assert torch.equal(generator.synthesis(golden["ws_random"]), alone)


def test_discriminator(discriminator, golden):
    close(discriminator(golden["d_img"]), golden["d_scores"], 1e-5)
    close(discriminator(golden["d_img"][:1]), golden["d_scores_first1"], 1e-5)


def by_definition(x, weight, style, demodulate):
    """Equations 1 and 3 of the paper, one sample after the other."""
    pictures = []
    for one, s in zip(x, style, strict=True):
        w = weight * s[None, :, None, None]
        if demodulate:
            w = w / (w.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
        pictures.append(F.conv2d(one[None], w, padding=weight.shape[2] // 2))
    return torch.cat(pictures)


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize("grad", [True, False])
def test_modulated_convolution_is_the_papers(samples, demodulate, grad):
    x, weight, style = torch.randn(samples, 5, 8, 8), torch.randn(4, 5, 3, 3), torch.randn(samples, 5)
    with torch.set_grad_enabled(grad):
        found = modulated_conv2d(x, weight, style, demodulate)
    torch.testing.assert_close(found, by_definition(x, weight, style, demodulate), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("up", [True, False])
def test_gradients_of_modulated_convolution(up):
    shapes = ((2, 3, 4, 4), (2, 3, 3, 3), (2, 3))
    inputs = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    taps = setup_filter((1, 3, 3, 1)).double() if up else None
    assert torch.autograd.gradcheck(lambda x, w, s: modulated_conv2d(x, w, s, True, taps), inputs)


def test_gradients_equal_those_of_the_definition():
    shapes = ((2, 3, 4, 4), (2, 3, 3, 3), (2, 3))
    inputs = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    fast = torch.autograd.grad(modulated_conv2d(*inputs).square().sum(), inputs)
    plain = torch.autograd.grad(by_definition(*inputs, True).square().sum(), inputs)
    for found, expected in zip(fast, plain, strict=True):
        torch.testing.assert_close(found, expected)


def test_one_upsampled_picture_is_the_same_folded_and_scaled():
    x, weight, style = torch.randn(1, 5, 8, 8), torch.randn(4, 5, 3, 3), torch.randn(1, 5)
    taps = setup_filter((1, 3, 3, 1))
    with torch.no_grad():
        folded = modulated_conv2d(x, weight, style, True, taps)
    close(folded, modulated_conv2d(x, weight, style, True, taps), 1e-5)


def test_a_1024_model_has_18_style_inputs():
    with torch.device("meta"):
        layers = StyleGAN2(Config()).layers
    assert [layer.resolution for layer in layers[:5]] == [4, 8, 8, 16, 16]
    assert (len(layers), layers[-1].resolution) == (18, 1024)


@pytest.mark.parametrize("architecture", ["skip", "resnet", "orig"])
@pytest.mark.parametrize("label_input", ["embed", "concat"])
def test_every_variant_runs_and_learns(architecture, label_input):
    sizes = {"resolution": 16, "channel_base": 128, "channel_max": 8, "c_dim": 2, "architecture": architecture}
    generator = StyleGAN2(Config(**sizes, z_dim=4, w_dim=4, mapping_layers=2, label_input=label_input))
    judge = Discriminator(DiscriminatorConfig(**sizes, label_input=label_input))
    c = torch.eye(2)
    image = generator.synthesis(generator.broadcast(generator.mapping(torch.randn(2, 4), c)), None)
    assert image.shape == (2, 3, 16, 16)
    judge(image, c).sum().backward()
    missing = [name for name, p in [*generator.named_parameters(), *judge.named_parameters()] if p.grad is None]
    assert missing == []


def test_resolutions_of_tensors_cover_the_network(generator):
    found = {generator.resolution_of(name) for name in generator.state_dict()}
    assert found == {None, *generator.config.resolutions}
