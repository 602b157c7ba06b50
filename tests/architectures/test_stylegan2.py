"""StyleGAN2: parity with the original code, and one meaning for all ways of computing it."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from originals import GOLDEN, SHARED, arrays, close, discriminator_of, generator_of, needs_shared, ready
from small_families import make

from stylegan_cli import importers
from stylegan_cli.architectures.stylegan2 import (
    Config,
    Discriminator,
    DiscriminatorConfig,
    StyleGAN2,
    halve,
    upsample,
)
from stylegan_cli.media.render import to_pixels
from stylegan_cli.noise import Noise
from stylegan_cli.ops.modulation import EPS, modulated_conv2d
from stylegan_cli.ops.resample import setup_filter, upfirdn2d


@pytest.fixture(scope="module")
def golden():
    return arrays(GOLDEN / "stylegan2.npz")


@pytest.fixture
def generator(golden):
    return generator_of("stylegan2", golden)


@pytest.fixture
def discriminator(golden):
    return discriminator_of("stylegan2", golden)


def test_mapping_and_truncation(generator, golden):
    w = generator.to_w(golden["z"])
    close(w, golden["w"], 1e-5)
    close(generator.truncate(generator.broadcast(w), golden["psi"].item()), golden["ws_psi"], 1e-5)


def test_pictures(generator, golden):
    ws = generator.broadcast(golden["w"])
    with torch.no_grad():
        close(generator.synthesize(ws), golden["img"], 1e-4)
        close(generator.synthesize(golden["ws_random"]), golden["img_ws_random"], 1e-4)
        close(generator.synthesize(ws, Noise("none")), golden["img_nonoise"], 1e-4)


def test_pictures_in_a_batch_with_gradients(generator, golden):
    close(generator.synthesize(generator.broadcast(golden["w"])), golden["img"], 1e-4)


def test_batch_size_changes_nothing(generator, golden):
    with torch.no_grad():
        alone = torch.cat([generator.synthesize(one[None]) for one in golden["ws_random"]])
        assert torch.equal(generator.synthesize(golden["ws_random"]), alone)


def test_discriminator(discriminator, golden):
    close(discriminator(golden["d_img"]), golden["d_scores"], 1e-5)
    close(discriminator(golden["d_img"][:1]), golden["d_scores_first1"], 1e-5)


def definition(x, weight, style, demodulate=True, up_filter=None):
    """The paper's modulated convolution, sample by sample."""
    pictures = []
    for one, scales in zip(x, style, strict=True):
        w = weight * scales[None, :, None, None]  # equation 1
        if demodulate:
            w = w / (w.square().sum(dim=(1, 2, 3), keepdim=True) + EPS).sqrt()  # equation 3
        if up_filter is None:
            pictures.append(F.conv2d(one[None], w, padding=1))
        else:
            low, high = (len(up_filter) - 1) // 2, (len(up_filter) - 2) // 2
            doubled = F.conv_transpose2d(one[None], w.transpose(0, 1), stride=2)
            pictures.append(upfirdn2d(doubled, up_filter, padding=(low, high, low, high), gain=4))
    return torch.cat(pictures)


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("taps", [None, (1, 3, 3, 1), (1, 2, 1)])
def test_modulated_convolution_is_the_papers(samples, demodulate, grad, taps):
    x, weight, style = torch.randn(samples, 5, 8, 8), torch.randn(4, 5, 3, 3), torch.randn(samples, 5)
    up_filter = setup_filter(taps) if taps else None
    with torch.set_grad_enabled(grad):
        found = modulated_conv2d(x, weight, style, demodulate, up_filter)
    torch.testing.assert_close(found, definition(x, weight, style, demodulate, up_filter), atol=1e-5, rtol=1e-5)


def test_half_precision_does_not_overflow():
    """The largest activations that a clamp of 256 lets through, all of them in step."""
    x, weight, style = torch.full((2, 512, 4, 4), 256.0), torch.ones(2, 512, 3, 3), torch.ones(2, 512)
    found = modulated_conv2d(x.half(), weight, style)
    torch.testing.assert_close(found.float(), definition(x, weight, style), rtol=1e-2, atol=0)


@pytest.mark.parametrize("taps", [(1, 1), (1, 2, 1), (1, 3, 3, 1), (1, 4, 6, 4, 1), (1, 2, 3, 3, 2, 1)])
def test_convolutions_resample_in_step_with_pictures(taps):
    """A kernel that changes nothing leaves the resampling: were they out of step, skips would blur the picture."""
    x = torch.randn(2, 1, 8, 8)
    unchanged = torch.zeros(1, 1, 3, 3)
    unchanged[..., 1, 1] = 1
    up = modulated_conv2d(x, unchanged, torch.ones(2, 1), False, setup_filter(taps))
    close(up, upsample(x, taps), 1e-6)
    down = F.conv2d(halve(x, taps, stride=1, margin=1), unchanged, stride=2)
    close(down, halve(x, taps), 1e-6)


@pytest.mark.parametrize("up", [True, False])
def test_derivatives_of_modulated_convolution(up):
    shapes = ((2, 3, 4, 4), (2, 3, 3, 3), (2, 3))
    inputs = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    taps = setup_filter((1, 3, 3, 1)).double() if up else None
    assert torch.autograd.gradcheck(lambda x, w, s: modulated_conv2d(x, w, s, True, taps), inputs)
    assert torch.autograd.gradgradcheck(lambda x, w, s: modulated_conv2d(x, w, s, True, taps), inputs)


@pytest.mark.parametrize("up", [True, False])
def test_gradients_equal_those_of_the_definition(up):
    shapes = ((2, 3, 4, 4), (2, 3, 3, 3), (2, 3))
    inputs = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    taps = setup_filter((1, 3, 3, 1)).double() if up else None
    fast = torch.autograd.grad(modulated_conv2d(*inputs, True, taps).square().sum(), inputs)
    plain = torch.autograd.grad(definition(*inputs, True, taps).square().sum(), inputs)
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
    image = generator.synthesize(generator.broadcast(generator.to_w(torch.randn(2, 4), c)), noise=None)
    assert image.shape == (2, 3, 16, 16)
    judge(image, c).sum().backward()
    missing = [name for name, p in [*generator.named_parameters(), *judge.named_parameters()] if p.grad is None]
    assert missing == []


def test_four_pixels_stay_float32_in_half_precision(generator, golden):
    generator.prepare(torch.device("cpu"), torch.bfloat16)
    found = {}
    for name in ("b4", "b8"):
        block = dict(generator.named_modules())[f"synthesis.{name}"]
        block.register_forward_hook(lambda _, __, out, name=name: found.update({name: out[0].dtype}))
    with torch.no_grad():
        pictures = generator.synthesize(generator.broadcast(golden["w"]))
    assert found == {"b4": torch.float32, "b8": torch.bfloat16}
    assert (pictures - golden["img"]).square().mean() < 4 * 10**-4  # 40 dB


@needs_shared
@pytest.mark.parametrize("name", ["sg2ada_a_64_uncond", "sg2ada_b_32_cond3", "sg2ada_c_32_clamp", "sg2tf_64"])
@torch.no_grad()
def test_everything_the_originals_compute(name):
    checkpoint = importers.read(SHARED / f"{name}.pkl")
    generator, found = importers.generator(checkpoint, name), arrays(SHARED / f"{name}.npz")
    ws, psi = generator.broadcast(found["w"]), found["psi"].item()
    prefix = "img_const" if "img_const" in found else "img"
    cutoff = None if prefix == "img_const" else int(found["cutoff"])
    generator.cutoff = None if cutoff == -1 else cutoff
    truncated = generator.truncate(ws, psi)
    close(truncated, found["ws_psi"], 1e-5)
    pictures = generator.synthesize(truncated)
    close(pictures, found[f"{prefix}_psi"], 1e-4)
    assert np.abs(to_pixels(pictures).astype(int) - found[f"{prefix}_psi_u8"].numpy()).max() <= 1
    close(generator.synthesize(found["ws_random"]), found["img_ws_random"], 1e-4)
    if prefix == "img_const":
        close(generator.truncate(ws, found["psi2"].item()), found["ws_psi2"], 1e-5)
        generator.cutoff = int(found["cutoff"])
        close(generator.synthesize(generator.truncate(ws, psi)), found["img_const_psi_cutoff"], 1e-4)
        close(generator.synthesize(ws, Noise("none")), found["img_none"], 1e-4)
        close(generator.synthesize(found["ws_mixed"]), found["img_mixed"], 1e-4)
    judge = ready(checkpoint.discriminator)
    labels = found["d_c"][:4] if "d_c" in found else torch.zeros(4, 0)
    scores = next(found[key] for key in ("d_logits_first4", "d_scores_first4") if key in found)
    close(judge(found["d_img"][:4], labels), scores, 1e-5)


@needs_shared
@pytest.mark.parametrize("name", ["sg2ada_a_64_uncond", "sg2ada_c_32_clamp"])
@torch.no_grad()
def test_every_layers_activations_are_the_originals(name):
    generator, found = importers.generator(importers.read(SHARED / f"{name}.pkl"), name), arrays(SHARED / f"{name}.npz")
    expected = {key.removeprefix("act/"): value for key, value in found.items() if key.startswith("act/")}
    seen, modules = {}, dict(generator.named_modules())
    for layer in expected:
        module = modules[f"synthesis.{layer}"]
        module.register_forward_hook(lambda _, __, out, layer=layer: seen.update({layer: out}))
    generator.synthesize(generator.broadcast(found["w"][:1]))
    for layer, activation in expected.items():
        close(seen[layer], activation, 1e-4)


def test_classes_are_normalised_by_themselves_or_joined_with_z():
    """By themselves in NVIDIA's PyTorch code, together with z in TensorFlow's (`normalize_latents`)."""
    z, c = torch.randn(3, 4), torch.eye(3)
    for label_input, layer in (("embed", "embed"), ("concat", "label")):
        sizes = {"resolution": 8, "channel_max": 4, "z_dim": 4, "w_dim": 4, "c_dim": 3, "mapping_layers": 2}
        generator = StyleGAN2(Config(**sizes, label_input=label_input)).requires_grad_(False)
        before, stretched = generator.to_w(z, c), generator.to_w(5 * z, c)
        assert torch.allclose(stretched, before, atol=1e-5) == (label_input == "embed")
        for name, tensor in generator.named_parameters():
            if name.startswith(f"mapping.{layer}."):
                tensor *= 5
        close(generator.to_w(5 * z, c), before, 1e-5)


@pytest.mark.parametrize("architecture", ["skip", "resnet"])
def test_style_weights_are_of_all_that_a_layers_w_drives(architecture):
    generator = make("stylegan2", architecture=architecture)
    driven = {i: [] for i in range(generator.num_ws)}
    for name, module in generator.named_modules():
        if name.startswith("synthesis.") and name.endswith(".affine"):
            module.register_forward_hook(lambda layer, w, _: driven[round(w[0].mean().item())].append(layer.weight))
    with torch.no_grad():
        generator.synthesize(torch.arange(generator.num_ws)[None, :, None].float().expand(-1, -1, generator.w_dim))
    for found, weights in zip(generator.style_weights(), driven.values(), strict=True):
        assert torch.equal(found, torch.cat(weights))


def test_a_joint_discriminator_has_a_score_for_each_class():
    config = DiscriminatorConfig(resolution=8, channel_base=64, channel_max=8, c_dim=3, label_input="concat")
    judge, image = Discriminator(config).requires_grad_(False), torch.randn(1, 3, 8, 8)
    before = [judge(image, one[None]).item() for one in torch.eye(3)]
    judge.b4.out.weight[1], judge.b4.out.bias[1] = 0, 7
    assert [judge(image, one[None]).item() for one in torch.eye(3)] == [before[0], 7, before[2]]
    assert len({*before}) == 3


def wide_and_high():
    """Two networks of which one draws what the other does, turned about its diagonal."""
    high = make("stylegan2", start=(4, 2))
    wide = make("stylegan2", start=(2, 4))
    wide.load_state_dict({name: tensor.mT if tensor.ndim >= 3 or name.endswith("noise_const") else tensor
                          for name, tensor in high.state_dict().items()})  # fmt: skip
    return wide, high


@pytest.mark.parametrize("mode", ["const", "none"])
def test_pictures_that_are_no_squares(mode):
    wide, high = wide_and_high()
    assert (wide.size, high.size) == ((32, 64), (64, 32))
    with torch.no_grad():
        ws = wide.broadcast(wide.to_w(torch.randn(1, wide.z_dim)))
        picture = wide.synthesize(ws, Noise(mode))
        assert picture.shape == (1, 3, 32, 64)
        close(picture, high.synthesize(ws, Noise(mode)).mT, 1e-5)


@pytest.mark.parametrize("start", [(4, 2), (2, 4), (7, 4)])
def test_bands_are_those_of_the_layers_whatever_the_shape(start):
    """Each band's noise changes, and only that."""
    generator = make("stylegan2", start=start)
    changed = {"coarse": [], "middle": [], "fine": []}
    ws = generator.broadcast(generator.to_w(torch.randn(1, generator.z_dim)))
    for resolution in (4, 8, 16, 32, 64):
        conv = generator.synthesis.get_submodule(f"b{resolution}.conv1")
        conv.noise_strength.fill_(1.0)
        still = generator.synthesize(ws, Noise("none"))
        for band, found in changed.items():
            only = {name: float(name == band) for name in changed}
            if not torch.equal(generator.synthesize(ws, Noise("const", **only)), still):
                found.append(resolution)
        conv.noise_strength.fill_(0.0)
    assert changed == {"coarse": [4, 8], "middle": [16, 32], "fine": [64]}
