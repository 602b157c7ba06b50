"""StyleGAN3: parity with NVIDIA's code, the design of its filters, and what the paper promises of its networks."""

import json
from dataclasses import asdict

import pytest
import torch
from originals import GOLDEN, SHARED, arrays, close, generator_of, needs_shared

from stylegan_cli import architectures, importers
from stylegan_cli.architectures.stylegan3 import Config, Signal, StyledLayer, StyleGAN3, SynthesisLayer
from stylegan_cli.errors import UsageError

TINY_R = Config(
    resolution=32,
    channel_base=512,
    channel_max=12,
    num_layers=6,
    conv_kernel=1,
    use_radial_filters=True,
    z_dim=8,
    w_dim=8,
)


@pytest.fixture(scope="module")
def golden():
    return arrays(GOLDEN / "sg3_t.npz")


@pytest.fixture
def generator(golden):
    return generator_of("stylegan3", golden)


@pytest.fixture
def tiny_r():
    torch.manual_seed(1)
    return StyleGAN3(TINY_R).eval().requires_grad_(False)


def transform_of(generator):
    return generator.state_dict()["synthesis.input.transform"]


def test_mapping(generator, golden):
    close(generator.to_w(golden["z"]), golden["w"], 1e-5)


@torch.no_grad()
def test_fourier_features(generator, golden):
    features = generator.synthesis.input(golden["w"][:1])
    close(features[:, :4, ::2, ::2], golden["input"], 1e-5)


@torch.no_grad()
def test_pictures(generator, golden):
    close(generator.synthesize(generator.broadcast(golden["w"]))[..., ::4, ::4], golden["img"], 1e-4)
    close(generator.synthesize(golden["ws_random"])[..., ::4, ::4], golden["img_ws_random"], 1e-4)


def test_pictures_in_a_batch_with_gradients(generator, golden):
    close(generator.synthesize(generator.broadcast(golden["w"]))[..., ::4, ::4], golden["img"], 1e-4)


@torch.no_grad()
def test_moved_and_turned_pictures(generator, golden):
    ws = generator.truncate(generator.broadcast(golden["w"][:1]), golden["psi"].item())
    transform = transform_of(generator)
    for i, (x, y, degrees) in enumerate(golden["tf_params_tx_ty_deg"].tolist()):
        generator.set_transform((x, y), degrees)
        close(transform, golden["tf_matrices"][i], 1e-6)
        close(generator.synthesize(ws)[..., ::4, ::4], golden["img_psi_tf"][i : i + 1], 1e-4)
    transform.copy_(golden["tf_matrices"][3])  # a shear and a scale
    close(generator.synthesize(ws)[..., ::4, ::4], golden["img_psi_tf"][3:], 1e-4)
    generator.set_transform()
    assert torch.equal(transform, torch.eye(3))


@torch.no_grad()
def test_drawing_moves_no_running_average(generator, golden):
    before = {name: value.clone() for name, value in generator.named_buffers()}
    generator.synthesize(generator.broadcast(generator.to_w(golden["z"])))
    assert all(torch.equal(value, before[name]) for name, value in generator.named_buffers())


@torch.no_grad()
def test_running_averages_follow_what_layers_get(generator, golden):
    """As in NVIDIA's code, where each layer's average has moved before the layer is computed."""
    ws = generator.broadcast(generator.to_w(golden["z"]))
    for i, layer in enumerate(generator.synthesis.styled):
        with generator.measuring() as squares:
            generator.draw(ws, None)
        moved = [other.magnitude_ema.clone() for other in generator.synthesis.styled]
        generator.follow(torch.stack(squares))
        moved[i] = layer.magnitude_ema.clone()
        for other, value in zip(generator.synthesis.styled, moved, strict=True):
            other.magnitude_ema.copy_(value)
    close(torch.stack(moved), golden["magnitude_after"], 1e-6)
    assert (torch.stack(moved) - golden["magnitude_after"]).abs().max() < 0.01 * (1 - 0.999)


@pytest.mark.parametrize("kind", ["t", "r"])
def test_filters_are_designed_as_in_the_files(kind):
    golden = arrays(GOLDEN / f"sg3_{kind}.npz")
    designed = architectures.build("stylegan3", json.loads(str(golden["config"])), "cpu").state_dict()
    stored = {key.split("synthesis.")[-1]: value for key, value in golden.items() if key.endswith("_filter")}
    assert {f"synthesis.{key}" for key in stored} == {key for key in designed if key.endswith("_filter")}
    for key, value in stored.items():
        close(designed[f"synthesis.{key}"], value, 1e-7)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["t", "r"])
@needs_shared
def test_parity_with_the_reference_files(kind):
    generator = importers.generator(importers.read(SHARED / f"sg3{kind}_64.pkl"), kind)
    reference = arrays(SHARED / f"sg3{kind}_64.npz")
    ws = generator.broadcast(generator.to_w(reference["z"]))
    generator.cutoff = int(reference["cutoff"])
    truncated = generator.truncate(ws, reference["psi"].item())
    close(ws, reference["ws"], 1e-5)
    close(truncated, reference["ws_psi_cutoff"], 1e-5)
    close(generator.synthesize(ws), reference["img"], 1e-4)
    close(generator.synthesize(truncated), reference["img_psi_cutoff"], 1e-4)
    for x_y_degrees, picture in zip(reference["tf_params_tx_ty_deg"].tolist(), reference["img_psi_tf"], strict=False):
        generator.set_transform(tuple(x_y_degrees[:2]), x_y_degrees[2])
        close(generator.synthesize(reference["ws_psi"][:1])[0], picture, 1e-4)


@torch.no_grad()
def test_batch_size_changes_nothing(tiny_r):
    ws = torch.randn(3, tiny_r.num_ws, 8)
    close(tiny_r.synthesize(ws)[1:2], tiny_r.synthesize(ws[1:2]), 1e-5)


@torch.no_grad()
def test_r_turns_with_its_input(tiny_r):
    """Rotation equivariance (section 3.2, config R): exact for a quarter turn, where the pixel grid maps to itself."""
    ws = tiny_r.broadcast(torch.randn(1, 8))
    upright = tiny_r.synthesize(ws)
    tiny_r.set_transform(rotate=90)
    close(tiny_r.synthesize(ws), upright.rot90(1, (2, 3)), 1e-4)
    assert (upright - upright.rot90(1, (2, 3))).abs().max() > 0.01


def test_the_picture_moves_right_and_down(tiny_r):
    """The matrix is the inverse of the motion: the point at the picture's (0.25, 0.5) comes from the plane's origin."""
    tiny_r.set_transform((0.25, 0.5), 30)
    transform = transform_of(tiny_r)
    close(transform @ torch.tensor([0.25, 0.5, 1.0]), torch.tensor([0.0, 0.0, 1.0]), 1e-6)


def test_bfloat16_is_close(tiny_r):
    ws = tiny_r.broadcast(torch.randn(1, 8))
    exact = tiny_r.synthesize(ws)
    rough = tiny_r.prepare(torch.device("cpu"), torch.bfloat16).synthesize(ws)
    assert rough.dtype == torch.float32
    assert (rough - exact).square().mean() < 1e-3 * exact.square().mean()


@torch.inference_mode()
def test_bfloat16_is_close_in_a_network_like_trained_ones():
    """Where every layer's inputs are of unit magnitude and have a mean, filters whose rounded taps do not sum to 1 cost
    9 dB here."""
    generator = StyleGAN3(Config(resolution=64, channel_base=8192, channel_max=64))

    def measure(layer, inputs):
        layer.magnitude_ema.copy_(inputs[0].square().mean())

    measuring = []
    for layer in generator.modules():
        if isinstance(layer, SynthesisLayer):
            layer.bias.normal_(0, 0.2)
        if isinstance(layer, StyledLayer):
            measuring.append(layer.register_forward_pre_hook(measure))
    ws = generator.broadcast(generator.to_w(torch.randn(1, 512)))
    generator.synthesize(ws)
    for hook in measuring:
        hook.remove()
    exact = generator.synthesize(ws)
    rough = generator.prepare(torch.device("cpu"), torch.bfloat16).synthesize(ws)
    assert (rough - exact).square().mean() < 10**-4.2 * exact.square().mean()


def test_gradients_of_both_orders():
    config = Config(conv_kernel=3, w_dim=3)
    layer = SynthesisLayer(config, Signal(2, 2, 4, 8, 2), Signal(3, 2, 8, 9, 3), critical=False).double()
    x = torch.randn(2, 2, 8, 8, dtype=torch.float64, requires_grad=True)
    w = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    assert layer(x, w).shape == (2, 3, 9, 9)
    assert torch.autograd.gradcheck(lambda x, w: layer(x, w)[:, :, ::3, ::3], (x, w))
    assert torch.autograd.gradgradcheck(lambda x, w: layer(x, w)[:, :, ::4, ::4], (x, w))


def test_gradients_reach_every_parameter():
    generator = StyleGAN3(TINY_R)
    generator.synthesize(generator.broadcast(generator.to_w(torch.randn(2, 8)))).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in generator.parameters())


def test_labels():
    generator = StyleGAN3(Config(**(asdict(TINY_R) | {"c_dim": 3})))
    z, labels = torch.randn(1, 8).repeat(3, 1), torch.eye(3)
    w = generator.to_w(z, labels)
    assert w.shape == (3, 8)
    assert not torch.equal(w[0], w[1])
    with pytest.raises(UsageError, match="3 classes"):
        generator.to_w(z)
    for index in (-1, 3):
        with pytest.raises(UsageError, match="has the classes 0-2"):
            generator.choose_class(index)
    generator.choose_class(1)
    close(generator.to_w(z[:1]), w[1:2], 1e-6)


def test_layers_of_the_published_1024_pixel_model():
    generator = architectures.build("stylegan3", {"resolution": 1024})
    names = [name.split(".")[1] for name in generator.state_dict() if name.endswith("magnitude_ema")]
    assert names == [
        "L0_36_512", "L1_36_512", "L2_52_512", "L3_52_512", "L4_84_512", "L5_148_512", "L6_148_512", "L7_276_323",
        "L8_276_203", "L9_532_128", "L10_1044_81", "L11_1044_51", "L12_1044_32", "L13_1024_32", "L14_1024_3",
    ]  # fmt: skip
    bands = [layer.band for layer in generator.layers]
    assert bands == ["coarse"] * 4 + ["middle"] * 3 + ["fine"] * 9
    assert generator.resolution_of("mapping.fc0.weight") is None
    assert generator.resolution_of("synthesis.input.freqs") == 4
    assert generator.resolution_of("synthesis.L13_1024_32.affine.bias") == generator.layers[14].resolution == 1024


@pytest.mark.parametrize("resolution", [64, 256, 512])
def test_no_band_is_empty(resolution):
    layers = architectures.build("stylegan3", {"resolution": resolution}).layers
    assert {layer.band for layer in layers} == {"coarse", "middle", "fine"}
    assert [layer.resolution for layer in layers] == sorted(layer.resolution for layer in layers)


def test_margins_may_be_zero():
    generator = StyleGAN3(Config(**(asdict(TINY_R) | {"margin_size": 0})))
    assert generator.synthesize(torch.randn(1, generator.num_ws, 8)).shape == (1, 3, 32, 32)


@torch.no_grad()
def test_nothing_leaves_its_clamp():
    """The filter behind the nonlinearity overshoots a little; the picture is clamped before it is scaled."""
    generator, found = StyleGAN3(Config(**(asdict(TINY_R) | {"conv_clamp": 0.01}))), []
    for layer in generator.modules():
        if isinstance(layer, SynthesisLayer):
            layer.register_forward_hook(lambda _, __, out: found.append(out.abs().max().item()))
    generator.state_dict()["synthesis.L6_32_3.bias"].fill_(7)
    picture = generator.synthesize(torch.randn(1, generator.num_ws, 8))
    assert len(found) == 6
    assert 0.001 < max(found) < 0.02
    assert picture.abs().max().item() == pytest.approx(0.01 * 0.25)
