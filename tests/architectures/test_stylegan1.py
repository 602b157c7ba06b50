"""StyleGAN (1): parity with the original code, operation by operation and whole."""

import dataclasses

import numpy as np
import pytest
import torch
from originals import GOLDEN, SHARED, arrays, close, discriminator_of, generator_of, load, needs_shared, ready

from stylegan_cli import importers
from stylegan_cli.architectures import stylegan1
from stylegan_cli.architectures.stylegan1 import Config, StyleGAN1
from stylegan_cli.media.render import to_pixels
from stylegan_cli.noise import Noise


@pytest.fixture(scope="module")
def ops():
    return arrays(GOLDEN / "stylegan1_ops.npz")


@pytest.fixture(scope="module")
def golden():
    return arrays(GOLDEN / "stylegan1.npz")


@pytest.fixture
def generator(golden):
    return generator_of("stylegan1", golden)


@pytest.fixture
def discriminator(golden):
    return discriminator_of("stylegan1", golden)


@torch.inference_mode()
def test_adain(ops):
    x = ops["adain/x"]
    close(stylegan1.adain(x, torch.ones(x.shape[:2]), torch.zeros(x.shape[:2])), ops["adain/instance_norm"], 1e-5)
    close(stylegan1.adain(x, ops["adain/y_s"], ops["adain/y_b"]), ops["adain/out"], 1e-5)


def test_adain_learns_by_its_definition(ops):
    """Also in twice differentiated form, as path lengths want it."""
    x, scale, shift = (ops[f"adain/{name}"].double().requires_grad_() for name in ("x", "y_s", "y_b"))
    wide = x - x.mean(dim=(2, 3), keepdim=True)
    deviation = (wide.square().mean(dim=(2, 3), keepdim=True) + stylegan1.EPS).sqrt()
    defined = scale[:, :, None, None] * wide / deviation + shift[:, :, None, None]
    given = [tensor.detach().float().requires_grad_() for tensor in (x, scale, shift)]
    found = stylegan1.adain(*given)
    close(found, defined.float(), 1e-4)
    for one, other in zip(gradients(found, given), gradients(defined, [x, scale, shift]), strict=True):
        close(one, other.float(), 1e-3 * other.abs().max().item())


def gradients(out, inputs):
    """Of a curved function of the output, and of the square of those."""
    first = torch.autograd.grad(out.sin().sum(), inputs, create_graph=True)
    return *first, *torch.autograd.grad(sum(one.square().sum() for one in first), inputs)


def test_adain_turns_a_constant_map_into_its_shift():
    scale, shift = torch.full((1, 2), 3.0), torch.tensor([[0.5, -1.0]])
    assert torch.equal(stylegan1.adain(torch.full((1, 2, 4, 4), 7.0), scale, shift)[0, :, 0, 0], shift[0])


def test_blur_double_and_pixel_norm(ops):
    x = ops["ops/x"]
    close(stylegan1.blur(x), ops["ops/blur_121"], 1e-5)
    close(stylegan1.double(x), ops["ops/upscale2"], 0)
    close(stylegan1.pixel_norm(x), ops["ops/pixel_norm"], 1e-5)


@pytest.mark.parametrize("fused", [False, True])
def test_doubling_convolution(ops, fused):
    weight = ops["ops/weight_up_conv_HWIO"].permute(3, 2, 0, 1) * stylegan1.GAIN / np.sqrt(3 * 9)
    close(stylegan1.doubling_conv(ops["ops/x"], weight, fused), ops[f"ops/up_conv_fused{int(fused)}"], 1e-5)


def test_fused_form_applies_the_kernel_flipped():
    x, weight = torch.randn(1, 3, 5, 5), torch.randn(4, 3, 3, 3)
    close(stylegan1.doubling_conv(x, weight, True), stylegan1.doubling_conv(x, weight.flip(2, 3), False), 1e-5)


def test_halving_convolution(ops):
    weight = ops["ops/weight_conv_down_HWIO"].permute(3, 2, 0, 1)
    conv = stylegan1.Conv(weight.shape[1], len(weight), 3, down=True)
    conv.weight.data = weight
    close(conv(ops["ops/x"]), ops["ops/conv_down_fused0"], 1e-5)


def test_minibatch_standard_deviation(ops):
    x = ops["mbstd/x"]
    close(torch.cat([x, stylegan1.minibatch_std(x, 4)], dim=1), ops["mbstd/out_group4"], 1e-5)


def test_mapping_and_truncation(generator, golden, monkeypatch):
    w = generator.to_w(golden["z"], golden["c"])
    close(w, golden["w"], 1e-5)
    monkeypatch.setattr(generator, "cutoff", int(golden["cutoff"]))
    truncated = generator.truncate(generator.broadcast(w), golden["psi"].item())
    close(truncated, golden["ws_psi"], 1e-5)


def test_pictures(generator, golden):
    ws = generator.broadcast(golden["w"])
    with torch.no_grad():
        close(generator.synthesize(ws), golden["img"], 1e-4)
        close(generator.synthesize(golden["ws_random"]), golden["img_ws_random"], 1e-4)
        close(generator.synthesize(ws[: len(golden["img_nonoise"])], Noise("none")), golden["img_nonoise"], 1e-4)


def test_pictures_in_a_batch_with_gradients(generator, golden):
    close(generator.synthesize(generator.broadcast(golden["w"])), golden["img"], 1e-4)


def test_the_other_way_of_doubling_is_another_picture(generator, golden):
    config = dataclasses.replace(generator.config, fused_from=4)
    other = load(StyleGAN1(config), golden, "g.")
    ws = generator.broadcast(golden["w"])[: len(golden["img_other_fused_scale"])]
    close(other.synthesize(ws), golden["img_other_fused_scale"], 1e-4)


def test_growing(generator, discriminator, golden):
    generator.lod = discriminator.lod = 1.0
    close(generator.synthesize(generator.broadcast(golden["w"])[:2]), golden["img_lod1.0"], 1e-4)
    close(discriminator(golden["d_img"], golden["d_c"]), golden["d_scores_lod1.0"], 1e-5)


@pytest.mark.parametrize("newest", [1, 2])
def test_fading_in_is_continuous(generator, discriminator, golden, newest):
    """Just before and just after a new resolution begins to fade in, pictures and scores are nearly the same."""
    ws = generator.broadcast(golden["w"])[:1]
    seen = []
    for lod in (newest, newest - 1e-5):
        generator.lod = discriminator.lod = lod
        seen.append((generator.synthesize(ws), discriminator(golden["d_img"], golden["d_c"])))
    for before, after in zip(*seen, strict=True):
        close(after, before, 1e-3)


def test_discriminator_and_its_r1_penalty(discriminator, golden):
    close(discriminator(golden["d_img"], golden["d_c"]), golden["d_scores"], 1e-5)
    images = golden["d_img"][:4].requires_grad_(True)
    (gradient,) = torch.autograd.grad(discriminator(images, golden["d_c"][:4]).sum(), images)
    penalty = gradient.square().sum(dim=(1, 2, 3))
    torch.testing.assert_close(penalty, golden["r1_penalty_first4"], rtol=1e-3, atol=0)


def test_a_1024_model_has_18_style_inputs_in_the_papers_bands():
    with torch.device("meta"):
        layers = StyleGAN1(Config()).layers
    assert [layer.resolution for layer in layers] == [r for r in (4, 8, 16, 32, 64, 128, 256, 512, 1024) for _ in "ab"]
    assert [layer.band for layer in layers] == ["coarse"] * 4 + ["middle"] * 4 + ["fine"] * 10


@pytest.fixture(params=["sg1tf_32_cond3", "sg1tf_64"])
def reference(request):
    """A checkpoint of the original code, its discriminator, and what the original code computes with them."""
    path = SHARED / f"{request.param}.pkl"
    checkpoint = importers.read(path)
    found = arrays(path.with_suffix(".npz"))
    found["labels"] = found.get("d_c")
    judge = ready(checkpoint.discriminator).requires_grad_(False)
    return importers.generator(checkpoint, path.stem), judge, found


@needs_shared
@torch.no_grad()
def test_truncated_and_mixed_pictures_are_the_originals(reference):
    generator, _, found = reference
    generator.cutoff = int(found["cutoff"])
    ws = generator.truncate(generator.broadcast(found["w"]), found["psi"].item())
    close(ws, found["ws_psi"], 1e-5)
    pictures = generator.synthesize(ws)
    close(pictures, found["img_psi"], 1e-4)
    assert np.abs(to_pixels(pictures).astype(int) - found["img_psi_u8"].numpy()).max() <= 1
    close(generator.synthesize(found["ws_mixed"]), found["img_mixed"], 1e-4)
    close(generator.synthesize(found["ws_random"]), found["img_ws_random"], 1e-4)


@needs_shared
@torch.no_grad()
def test_growing_networks_are_the_originals(reference):
    generator, judge, found = reference
    ws = generator.broadcast(found["w"])[:2]
    for key in (key for key in found if key.startswith("img_lod")):
        generator.lod = judge.lod = float(key.removeprefix("img_lod"))
        close(generator.synthesize(ws), found[key], 1e-4)
        close(judge(found["d_img"], found["labels"]), found[f"d_scores_lod{judge.lod}"], 1e-5)


@needs_shared
def test_gradients_of_scores_are_the_originals(reference):
    _, judge, found = reference
    images = found["d_img"][:4].requires_grad_(True)
    labels = None if found["labels"] is None else found["labels"][:4]
    (gradient,) = torch.autograd.grad(judge(images, labels).sum(), images)
    expected = found["r1_grads_first4"]
    assert (gradient[: len(expected)] - expected).norm() < 1e-4 * expected.norm()
