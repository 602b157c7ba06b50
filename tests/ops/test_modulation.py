"""Modulated convolutions in half precision."""

import pytest
import torch

from stylegan_cli.ops.modulation import modulated_conv2d


@pytest.mark.parametrize("size", [1e-3, 1.0, 300.0])
def test_styles_of_any_size_do_not_overflow_in_half_precision(size):
    """Demodulation cancels them, even with the largest activations that a clamp of 256 lets through."""
    x, weight = torch.full((2, 512, 4, 4), 256.0), torch.ones(2, 512, 3, 3)
    found = modulated_conv2d(x.half(), weight, torch.full((2, 512), size)).float()
    torch.testing.assert_close(found, modulated_conv2d(x, weight, torch.ones(2, 512)), rtol=1e-2, atol=0)
