"""Convolutions that are differentiated twice, against PyTorch's own."""

import pytest
import torch
import torch.nn.functional as F
from small_families import make

from stylegan_cli.architectures import stylegan1, stylegan2
from stylegan_cli.ops import convolution
from stylegan_cli.ops.convolution import conv2d, conv_transpose2d, no_weight_gradients
from stylegan_cli.training.losses import path_lengths, r1_penalty

# Ours, PyTorch's, the weight's shape, what else is said: all that the networks use.
USED = [
    pytest.param(conv2d, F.conv2d, (6, 4, 3, 3), {"padding": 1}, id="3x3"),
    pytest.param(conv2d, F.conv2d, (6, 4, 1, 1), {}, id="1x1"),
    pytest.param(conv2d, F.conv2d, (6, 4, 3, 3), {"stride": 2}, id="halving, blurred before"),
    pytest.param(conv2d, F.conv2d, (6, 4, 4, 4), {"stride": 2, "padding": 1}, id="halving, spread"),
    pytest.param(conv_transpose2d, F.conv_transpose2d, (4, 6, 3, 3), {"stride": 2}, id="doubling, blurred after"),
    pytest.param(
        conv_transpose2d, F.conv_transpose2d, (4, 6, 4, 4), {"stride": 2, "padding": 1}, id="doubling, spread"
    ),
]
TYPES = [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)]
LAYOUTS = [torch.channels_last, torch.contiguous_format]


@pytest.fixture(params=[False, True], ids=["", "matrix units"])
def units(request, monkeypatch):
    """Whether transposed convolutions are computed in phases, even small ones and those of float32."""
    monkeypatch.setattr(convolution, "has_matrix_units", lambda *_: request.param)
    monkeypatch.setattr(convolution, "PIXELS", 1)
    monkeypatch.setattr(convolution, "CHANNELS", 1)
    return request.param


def given(convolve, shape, dtype, layout, size=9):
    """The result's arguments: `x`, a weight, and a bias where there may be one."""
    torch.manual_seed(0)
    x = torch.randn(2, 4, size, size).to(dtype, memory_format=layout)
    weight = (torch.randn(shape) / 6).to(dtype, memory_format=layout)
    bias = [torch.randn(6).to(dtype)] if convolve is conv2d else []
    return [tensor.requires_grad_() for tensor in (x, weight, *bias)]


def orders(convolve, arguments, **said):
    """The result, its gradients, and the gradients of something made of those."""
    result = convolve(*arguments, **said)
    weights = torch.linspace(-1, 1, result.numel()).view_as(result).to(result.dtype)
    first = torch.autograd.grad((result.square() * weights).sum(), arguments, create_graph=True)
    second = torch.autograd.grad(sum(gradient.square().sum() for gradient in first), arguments)
    return result, *first, *second


def same(found, expected, tolerance):
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        torch.testing.assert_close(one, other, rtol=0, atol=tolerance * max(other.abs().max().item(), 1))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("dtype", "tolerance"), TYPES)
@pytest.mark.parametrize(("ours", "torchs", "shape", "said"), USED)
def test_gradients_of_both_orders(ours, torchs, shape, said, dtype, tolerance, layout, units):
    for size in (8, 9):
        arguments = given(ours, shape, dtype, layout, size)
        same(orders(ours, arguments, **said), orders(torchs, arguments, **said), tolerance)


@pytest.mark.parametrize(("ours", "torchs", "shape", "said"), USED)
def test_any_order(ours, torchs, shape, said, units):
    x, weight, *_ = (
        tensor.detach().double().requires_grad_() for tensor in given(ours, shape, torch.float32, LAYOUTS[0])
    )
    assert torch.autograd.gradgradcheck(lambda x, w: ours(x, w, **said), [x, weight], fast_mode=True)
    assert torch.autograd.gradgradcheck(
        lambda x: torch.autograd.grad(ours(x, weight, **said).square().sum(), weight, create_graph=True), [x],
        fast_mode=True,
    )  # fmt: skip


@pytest.mark.parametrize(("ours", "torchs", "shape", "said"), USED)
def test_first_gradients_are_torchs_to_the_bit(ours, torchs, shape, said):
    arguments = given(ours, shape, torch.float32, LAYOUTS[0])
    found, expected = (torch.autograd.grad(f(*arguments, **said).square().sum(), arguments) for f in (ours, torchs))
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


@pytest.mark.parametrize(
    ("kernel", "stride", "padding"),
    [(1, 2, 0), (2, 2, 0), (3, 1, 0), (3, 2, 0), (3, 2, 1), (4, 2, 1), (4, 3, 3), (5, 3, 2), (6, 2, 2)],
)
def test_phases_are_a_transposed_convolution(kernel, stride, padding, units):
    x, weight = torch.randn(2, 3, 7, 6), torch.randn(3, 5, kernel, kernel)
    found = conv_transpose2d(x, weight, stride, padding)
    torch.testing.assert_close(found, F.conv_transpose2d(x, weight, stride=stride, padding=padding))
    assert found.is_contiguous(memory_format=torch.channels_last) or not units or stride == 1


def test_with_matrix_units_nothing_is_transposed(units):
    def both():
        conv_transpose2d(x, torch.randn(4, 6, 3, 3), 2)
        conv2d(x, weight, stride=2).sum().backward()

    x, weight = torch.randn(2, 4, 9, 9, requires_grad=True), torch.randn(6, 4, 3, 3)
    with torch.profiler.profile(record_shapes=True) as profile:
        both()
    names = {"aten::conv_transpose2d", "aten::convolution_backward"}
    assert bool(names & {event.name for event in profile.events()}) != units


def test_nothing_is_ours_where_nothing_is_differentiated():
    x, weight, bias = given(conv2d, (6, 4, 3, 3), torch.float32, LAYOUTS[0])
    with torch.no_grad():
        assert torch.equal(conv2d(x, weight, bias), F.conv2d(x, weight, bias))
    assert conv2d(x.detach(), weight.detach(), bias.detach()).grad_fn is None
    assert "_Result" in type(conv2d(x, weight, bias).grad_fn).__name__


def kernels(derive):
    """The sizes of all kernels that were convolved with while `derive` ran."""
    with torch.profiler.profile(record_shapes=True) as profile:
        derive()
    where = {"aten::convolution": 1, "aten::convolution_backward": 2}
    shapes = [event.input_shapes[where[event.name]] for event in profile.events() if event.name in where]
    assert shapes
    return {max(shape[2:]) for shape in shapes}


def r1(family, **sizes):
    judge = family.Discriminator(family.DiscriminatorConfig(resolution=64, **sizes))
    images = torch.randn(2, 3, 64, 64, requires_grad=True)
    r1_penalty(judge(images), images).sum().backward()


def path():
    generator = make("stylegan2").requires_grad_(True)
    ws = generator.broadcast(generator.to_w(torch.randn(2, generator.z_dim)))
    images = generator.synthesize(ws, noise=None)
    path_lengths(images, ws, torch.randn_like(images), ws.shape[1]).sum().backward()


@pytest.mark.parametrize(
    "derive",
    [
        pytest.param(lambda: r1(stylegan1, fmap_base=256, fmap_max=8), id="R1 of StyleGAN 1"),
        pytest.param(lambda: r1(stylegan2, channel_base=512, channel_max=8), id="R1 of StyleGAN 2"),
        pytest.param(path, id="path lengths"),
    ],
)
def test_no_kernel_is_a_whole_map(derive):
    """For which cuDNN has nothing fast."""
    assert max(kernels(derive)) <= 4


def test_gradients_of_weights_are_left_out_where_they_would_be_thrown_away():
    x, weight, bias = given(conv2d, (6, 4, 3, 3), torch.float32, LAYOUTS[0])
    (expected,) = torch.autograd.grad(F.conv2d(x, weight, bias).square().sum(), x, create_graph=True)
    loss = conv2d(x, weight, bias).square().sum()
    with torch.profiler.profile() as profile, no_weight_gradients():
        (found,) = torch.autograd.grad(loss, x, create_graph=True)
    assert sum(event.name == "aten::convolution_backward" for event in profile.events()) == 1
    second = [torch.autograd.grad(gradient.square().sum(), (x, weight)) for gradient in (found, expected)]
    same([found, *second[0]], [expected, *second[1]], 1e-5)


def test_gradients_of_weights_count_again_after_an_error():
    x, weight, bias = given(conv2d, (6, 4, 3, 3), torch.float32, LAYOUTS[0])
    with pytest.raises(ValueError, match="no memory"), no_weight_gradients():
        raise ValueError("no memory")
    (found,) = torch.autograd.grad(conv2d(x, weight, bias).square().sum(), weight)
    assert found.any()
