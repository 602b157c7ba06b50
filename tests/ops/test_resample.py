"""FIR resampling against a direct implementation of its definition."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F

from stylegan_cli.ops.constants import hold_when_compiled
from stylegan_cli.ops.resample import filter_on, setup_filter, upfirdn2d


def direct(x, f, up, down, padding, gain):
    """The definition, step by step: insert zeros, pad or crop, true convolution, decimate."""
    n, c, h, w = x.shape
    f = torch.ones(1, 1) if f is None else torch.outer(f, f) if f.ndim == 1 else f
    spread = x.new_zeros(n, c, h * up, w * up)
    spread[:, :, ::up, ::up] = x
    kernel = (f * gain).flip(0, 1).to(x)
    out = F.conv2d(F.pad(spread, padding).flatten(0, 1)[:, None], kernel[None, None])
    return out.unflatten(0, (n, c)).squeeze(2)[:, :, ::down, ::down]


def filters():
    torch.manual_seed(0)
    return {
        "none": None,
        "short": torch.randn(4, dtype=torch.float64),
        "odd": torch.randn(5, dtype=torch.float64),
        "long": torch.randn(24, dtype=torch.float64),
        "2d": torch.randn(4, 4, dtype=torch.float64),
        "oblong": torch.randn(7, 3, dtype=torch.float64),
    }


PADDINGS = [(0, 0, 0, 0), (2, 1, 2, 1), (9, 8, 10, 7), (-1, -2, -3, 0), (40, 1, -1, 30)]


@pytest.mark.parametrize("name", filters())
def test_matches_the_definition(name):
    f = filters()[name]
    x = torch.randn(2, 3, 29, 31, dtype=torch.float64)
    for up, down, padding in itertools.product((1, 2, 3, 4), (1, 2, 3), PADDINGS):
        if name == "long" and up == 1 and min(padding) < 0:
            continue  # nothing would be left of the picture
        expected = direct(x, f, up, down, padding, 4.0)
        torch.testing.assert_close(upfirdn2d(x, f, up, down, padding, 4.0), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", filters())
def test_half_precision_matches_the_definition(name, dtype):
    f = filters()[name]
    f = None if f is None else (f / f.abs().sum()).to(dtype).double()
    x = torch.randn(2, 3, 29, 31).to(dtype)
    for up, padding in itertools.product((2, 3, 4), PADDINGS):
        expected = direct(x.double(), f, up, 1, padding, 1.0)
        found = upfirdn2d(x, f, up, 1, padding)
        assert found.dtype == dtype and found.shape == expected.shape
        torch.testing.assert_close(found.double(), expected, rtol=0, atol=0.01 * expected.abs().max().item())


@pytest.mark.parametrize("up, down", [(1, 1), (2, 1), (1, 2), (2, 2)])
@pytest.mark.parametrize("taps", [4, 14])
def test_gradients_of_both_orders(up, down, taps):
    x = torch.randn(1, 2, 6, 5, dtype=torch.float64, requires_grad=True)
    f = torch.randn(taps, dtype=torch.float64)

    def resample(x):
        return upfirdn2d(x, f, up, down, (taps - 1, 3, taps, -1), up**2)

    assert torch.autograd.gradcheck(resample, x)
    assert torch.autograd.gradgradcheck(resample, x)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_keeps_the_type(dtype):
    x = torch.randn(1, 2, 8, 8).to(dtype)
    out = upfirdn2d(x, setup_filter([1, 3, 3, 1]), up=2, padding=(2, 1, 2, 1), gain=4)
    assert out.dtype == dtype and out.shape == (1, 2, 16, 16)
    torch.testing.assert_close(
        out.double(), direct(x.double(), setup_filter([1, 3, 3, 1]), 2, 1, (2, 1, 2, 1), 4), atol=0.02, rtol=0.02
    )


def test_the_filter_is_flipped():
    x = torch.zeros(1, 1, 5, 5)
    x[..., 2, 2] = 1
    f = torch.arange(9.0).view(3, 3)
    assert torch.equal(upfirdn2d(x, f)[0, 0], f)


def test_pictures_of_a_batch_are_independent():
    x = torch.randn(3, 4, 20, 20)
    f = setup_filter([1, 3, 3, 1])
    whole = upfirdn2d(x, f, up=2, padding=(2, 1, 2, 1), gain=4)
    assert torch.equal(whole[1:2], upfirdn2d(x[1:2], f, up=2, padding=(2, 1, 2, 1), gain=4))


@pytest.mark.parametrize("taps", [12, 24])
def test_long_filters_keep_their_sum(taps):
    """Though no tap is what it was: rounded one by one they would make these pictures lighter or darker by 1e-3."""
    torch.manual_seed(5)
    f = setup_filter((torch.hann_window(taps + 2, periodic=False)[1:-1] + torch.rand(taps) / 3).tolist())
    impulse = torch.zeros(1, 1, 49, 49, dtype=torch.bfloat16)
    impulse[..., 24, 24] = 1
    spread = upfirdn2d(impulse, f, padding=(12, 12, 12, 12))
    assert spread.double().sum().item() == pytest.approx(1, abs=5e-4)


def test_filters_sum_to_one():
    for taps, shape in (([1, 3, 3, 1], (4, 4)), ([1.0] * 12, (12,))):
        assert (setup_filter(taps).shape, setup_filter(taps).sum().item()) == (shape, pytest.approx(1))


def test_compiled_code_has_its_filter_from_the_start():
    """Made inside, it would be made on the CPU for every use, and CUDA graphs take nothing from there."""
    called = []

    def keep(graph, _example):
        called.extend(node.target for node in graph.graph.nodes if node.op == "call_function")
        return graph.forward

    def blur(x):
        return upfirdn2d(x, filter_on(x.device, (1.0, 2.0, 1.0)), padding=(1, 1, 1, 1))

    hold_when_compiled()
    x = torch.randn(1, 2, 8, 8)
    assert torch.equal(torch.compile(blur, backend=keep, fullgraph=True)(x), blur(x))
    assert F.conv2d in called
    assert torch.tensor not in called
