"""The losses of StyleGAN 1, 2 and 3 as pure functions: one value per picture, from scores, pictures and styles.

Scores are logits, large if the discriminator takes a picture for real. Gradients that are part of a loss are computed
`SCALE` times too large, and then divided: at single pixels they would be too small for float16.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from stylegan_cli.ops.convolution import no_weight_gradients

SCALE = 1024.0  # a power of two: it does not change the digits of a result


def loss_if_real(scores: Tensor) -> Tensor:
    """The logistic loss -log(sigmoid(D(x))) of scores `[n, 1]`: `[n, 1]`. It is the discriminator's on real pictures,
    and the generator's, which does not saturate, on its own (Goodfellow et al. 2014, section 3)."""
    return F.softplus(-scores)


def loss_if_fake(scores: Tensor) -> Tensor:
    """The discriminator's loss on generated pictures, -log(1 - sigmoid(D(G(z)))), of scores `[n, 1]`: `[n, 1]`."""
    return F.softplus(scores)


def r1_penalty(scores: Tensor, images: Tensor) -> Tensor:
    """The squared norm of the scores' gradient at real `images` `[n, 3, h, w]` (Mescheder et al. 2018, equation 9):
    `[n]`, to be weighted by gamma / 2."""
    with no_weight_gradients():
        (gradient,) = torch.autograd.grad(scores.sum() * SCALE, images, create_graph=True)
    return (gradient / SCALE).square().sum(dim=(1, 2, 3))


def path_lengths(images: Tensor, ws: Tensor, directions: Tensor, active: int) -> Tensor:
    """How much pictures change with their styles (StyleGAN2, section 3.2 and appendix B): `[n]`.

    `images` `[n, 3, h, w]` were made from `ws` `[n, num_ws, w_dim]`, of which growing networks use the first `active`
    layers; `directions`, of the pictures' shape, are N(0, I).
    """
    y = directions / math.sqrt(images.shape[2] * images.shape[3])
    with no_weight_gradients():
        (gradient,) = torch.autograd.grad((images * y).sum() * SCALE, ws, create_graph=True)
    return (gradient / SCALE)[:, :active].square().sum(dim=2).mean(dim=1).sqrt()


def path_penalty(lengths: Tensor, mean: Tensor) -> Tensor:
    """The squared distance of path lengths `[n]` from their running `mean` (StyleGAN2, equation 4): `[n]`."""
    return (lengths - mean).square()


def mixed_styles(ws: Tensor, other: Tensor, probability: float, active: int) -> Tensor:
    """Style mixing (StyleGAN, section 3.1): with `probability`, all layers from a random one on come from `other`.

    Both are `[n, num_ws, w_dim]`; the layer is drawn for each picture from the first `active` ones, which the growing
    networks use, except the first.
    """
    n, layers, _ = ws.shape
    first = torch.randint(1, active, (n, 1), device=ws.device)
    first = torch.where(torch.rand(n, 1, device=ws.device) < probability, first, layers)
    return torch.where((torch.arange(layers, device=ws.device) < first)[:, :, None], ws, other)
