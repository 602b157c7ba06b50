"""Adaptive discriminator augmentation (Karras et al. 2020, arXiv:2006.06676, sections 2 and 3, appendix B).

The discriminator sees real and generated pictures only after random changes, each made with probability p. As long as p
is below about 0.8, the generator does not copy the changes. The sign of the discriminator's scores of real pictures
shows how much it overfits, and controls p.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from stylegan_cli.ops.resample import filter_on, upfirdn2d

# The groups of changes: pixel blitting, geometry, colour. Names as in NVIDIA's train.
PIPES = {"blit": "b", "geom": "g", "color": "c", "bg": "bg", "bgc": "bgc"}
# The low-pass filter of the wavelet sym6: upsampling with it and downsampling with its mirror image is the identity.
SYM6 = (
    *(0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633),
    *(0.4910559419267466, 0.787641141030194, 0.3379294217276218, -0.07263752278646252),
    *(-0.021060292512300564, 0.04472490177066578, 0.0017677118642428036, -0.007800708325034148),
)
REACH = len(SYM6) // 4  # pixels beyond the edge that the filters need
# The filter is not quite symmetric: it moves slowly varying content by 0.40 taps, details by more. As in NVIDIA's code,
# by how much this is undone: with half a tap, mirrored and turned photos have the smallest error (a third less than
# with 0.40).
OFF_CENTRE = -0.5
SHIFT = 0.125  # picture widths
ZOOM = 0.2 * math.log(2)
BRIGHTNESS, CONTRAST, SATURATION = 0.2, 0.5 * math.log(2), math.log(2)


def steered(p: float, r_t: float, target: float, kimg: float, span: float) -> float:
    """The next `p`, after `kimg` with a mean sign `r_t` of the scores of real pictures (section 3.1): one step up or
    down, of a size that would take it from 0 to 1 in `span` kimg."""
    step = kimg / span
    return min(max(p + (step if r_t > target else -step if r_t < target else 0.0), 0.0), 1.0)


def augment(images: Tensor, p: float, pipe: str) -> Tensor:
    """`images` `[n, 3, r, r]`, each changed differently; unchanged if `p` is 0. Differentiable twice."""
    if p == 0:
        return images
    groups, draw = PIPES[pipe], Draw(len(images), p)
    if groups != "c":
        inverse = draw.identity(3)
        if "b" in groups:
            inverse = inverse @ blits(draw, images.shape[3])
        if "g" in groups:
            inverse = inverse @ geometry(draw)
        images = warp(images, inverse)
    return recoloured(images, colours(draw)) if "c" in groups else images


def blurred(images: Tensor, sigma: float) -> Tensor:
    """`images` `[n, 3, r, r]` through NVIDIA's filter, `2**-(t / sigma)**2` at a distance of t pixels (its standard
    deviation is 0.85 `sigma`), cut off at 3 `sigma`; unchanged if that is less than a pixel."""
    reach = int(3 * sigma)
    if reach == 0:
        return images
    taps = torch.arange(-reach, reach + 1, device=images.device).div(sigma).square().neg().exp2()
    return upfirdn2d(images, taps / taps.sum(), padding=(reach,) * 4)


class Draw:
    """Random numbers for `n` pictures, each of which is changed with probability `p`. They are drawn, and matrices made
    from them, on the CPU: a GPU would have to run hundreds of tiny operations, and round products to TF32."""

    def __init__(self, n: int, p: float) -> None:
        self.n, self.p = n, p

    def uniform(self, low: float, high: float) -> Tensor:
        return torch.rand(self.n) * (high - low) + low

    def normal(self, deviation: float) -> Tensor:
        return torch.randn(self.n) * deviation

    def integer(self, count: int) -> Tensor:
        return torch.randint(count, (self.n,)).float()

    def maybe(self, value: Tensor, p: float | None = None) -> Tensor:
        """`value` `[n]` for pictures that are changed, else 0; stacked values `[k, n]` are kept or dropped together."""
        made = torch.rand(self.n) < (self.p if p is None else p)
        return torch.where(made, value, 0.0)

    def identity(self, size: int) -> Tensor:
        return torch.eye(size).expand(self.n, -1, -1)


def blits(draw: Draw, resolution: int) -> Tensor:
    """Mirroring, quarter turns and whole-pixel shifts: matrices `[n, 3, 3]` from new places to old places.

    Places are in half picture widths from the centre.
    """
    mirror = scaling(1 - 2 * draw.maybe(draw.integer(2)), torch.ones(draw.n))
    turn = rotation(math.pi / 2 * draw.maybe(draw.integer(4)))
    x, y = draw.maybe(torch.stack([draw.uniform(-SHIFT, SHIFT), draw.uniform(-SHIFT, SHIFT)]))
    return mirror @ turn @ translation((x * resolution).round() / resolution, (y * resolution).round() / resolution)


def geometry(draw: Draw) -> Tensor:
    """Zoom, a rotation, a stretch, another rotation, and a subpixel shift: matrices like those of `blits`.

    With a rotation before and after it, the stretch can have any direction; together these are made with probability p.
    """
    turning = 1 - math.sqrt(1 - draw.p)
    zoom = draw.maybe(draw.normal(ZOOM)).exp()
    matrix = scaling(zoom, zoom) @ rotation(draw.maybe(draw.uniform(-math.pi, math.pi), p=turning))
    stretch = draw.maybe(draw.normal(ZOOM)).exp()
    matrix = matrix @ scaling(stretch, 1 / stretch)
    matrix = matrix @ rotation(draw.maybe(draw.uniform(-math.pi, math.pi), p=turning))
    x, y = draw.maybe(torch.stack([draw.normal(SHIFT), draw.normal(SHIFT)]))
    return matrix @ translation(x, y)


def colours(draw: Draw) -> Tensor:
    """Brightness, contrast, inverted luma, rotated hue, saturation: matrices `[n, 4, 4]` on (r, g, b, 1)."""
    grey = torch.tensor([1.0, 1.0, 1.0, 0.0]) / math.sqrt(3)
    luma = torch.outer(grey, grey)  # projects onto the grey axis
    whole = draw.identity(4)

    matrix = whole.clone()
    matrix[:, :3, 3] = draw.maybe(draw.normal(BRIGHTNESS))[:, None]
    contrast = draw.maybe(draw.normal(CONTRAST)).exp()
    matrix = torch.diag_embed(torch.stack([contrast, contrast, contrast, torch.ones_like(contrast)], dim=1)) @ matrix
    matrix = (whole - 2 * luma * draw.maybe(draw.integer(2))[:, None, None]) @ matrix
    matrix = _hue(draw.maybe(draw.uniform(-math.pi, math.pi)), luma) @ matrix
    saturation = draw.maybe(draw.normal(SATURATION)).exp()[:, None, None]
    last = torch.diag(torch.tensor([0.0, 0.0, 0.0, 1.0]))
    return (luma + last + (whole - luma - last) * saturation) @ matrix


def _hue(angle: Tensor, luma: Tensor) -> Tensor:
    """A rotation about the grey axis by `angle` `[n]` radians (Rodrigues' formula), `[n, 4, 4]`."""
    cross = torch.zeros_like(luma)
    cross[:3, :3] = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / math.sqrt(3)
    last = torch.diag(torch.tensor([0.0, 0.0, 0.0, 1.0]))
    around = torch.eye(4) - luma - last
    angle = angle[:, None, None]
    return luma + last + around * angle.cos() + cross * angle.sin()


def recoloured(images: Tensor, matrix: Tensor) -> Tensor:
    """`images` `[n, 3, h, w]` with colours multiplied by `matrix` `[n, 4, 4]`, which may be on the CPU."""
    matrix = _uploaded(matrix, images)
    pixels = matrix[:, :3, :3] @ images.flatten(2) + matrix[:, :3, 3:]
    return pixels.reshape(images.shape)


def translation(x: Tensor, y: Tensor) -> Tensor:
    """A shift by `x`, `y` `[n]` picture widths, as matrices `[n, 3, 3]` on places in half widths."""
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    return _rows(one, zero, 2 * x, zero, one, 2 * y)


def scaling(x: Tensor, y: Tensor) -> Tensor:
    """A scaling by factors `x`, `y` `[n]`, as matrices `[n, 3, 3]`."""
    zero = torch.zeros_like(x)
    return _rows(x, zero, zero, zero, y, zero)


def rotation(angle: Tensor) -> Tensor:
    """A rotation by `angle` `[n]` radians, as matrices `[n, 3, 3]`."""
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    return _rows(cos, -sin, zero, sin, cos, zero)


def _rows(*entries: Tensor) -> Tensor:
    one, zero = torch.ones_like(entries[0]), torch.zeros_like(entries[0])
    return torch.stack([*entries, zero, zero, one], dim=1).reshape(-1, 3, 3)


def warp(images: Tensor, inverse: Tensor) -> Tensor:
    """Transforms pictures `[n, c, r, r]`: `inverse` `[n, 3, 3]`, on the CPU, maps each place to the one that its colour
    comes from.

    Pictures are mirrored beyond their edges, and sampled at twice the resolution between two filters, so that nothing
    aliases.
    """
    size = images.shape[3]
    moved = inverse.new_tensor([OFF_CENTRE / 2 / size])
    inverse = translation(moved, moved) @ inverse @ translation(-moved, -moved)
    margin = _margin(inverse, size)
    images = F.pad(images, (margin, margin, margin, margin), mode="reflect")
    sym6, taps = filter_on(images.device, SYM6).to(images.dtype), len(SYM6)
    low, high = (taps + 1) // 2, (taps - 2) // 2
    images = upfirdn2d(images, sym6, up=2, padding=(low, high, low, high), gain=4)

    padded, canvas = size + 2 * margin, size + 2 * REACH
    theta = torch.cat([inverse[:, :2, :2] * (canvas / padded), inverse[:, :2, 2:] * (size / padded)], dim=2)
    images = _Sample.apply(images, _grid(_uploaded(theta, images), 2 * canvas))

    crop = (taps - 1) // 2 - 2 * REACH
    return upfirdn2d(images, sym6.flip(0), down=2, padding=(crop, crop, crop, crop))


def _grid(theta: Tensor, size: int) -> Tensor:
    """`F.affine_grid` for `size` x `size` places. PyTorch's own is a matrix product, which TF32 would change by up to a
    seventh of a pixel."""
    places = (torch.arange(size, device=theta.device, dtype=theta.dtype) * 2 + 1) / size - 1
    x, y, constant = theta[:, None, None].unbind(-1)  # [n, 1, 1, 2] each
    return x * places[:, None] + y * places[:, None, None] + constant


def _uploaded(matrix: Tensor, images: Tensor) -> Tensor:
    """The matrix on the images' device, without waiting for the GPU: CUDA copies something this small at once, and
    sends it later."""
    return matrix.to(images, non_blocking=images.is_cuda)


def _margin(inverse: Tensor, size: int) -> int:
    """How many pixels beyond an edge the map needs, rounded up so that convolutions are tried for only few sizes; at
    most as many as mirroring can give."""
    corners = torch.tensor([[-1.0, -1, 1], [-1, 1, 1], [1, -1, 1], [1, 1, 1]]).to(inverse)
    reach = (inverse[:, :2] @ corners.t()).abs().max().item()
    margin, step = max(math.ceil((reach - 1) * size / 2), 0) + 2 * REACH, max(size // 8, 1)
    return min(math.ceil(margin / step) * step, size - 1)


class _Sample(torch.autograd.Function):
    """Bilinear sampling, linear in `images`; torch's own cannot be differentiated twice."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, grid: Tensor) -> Tensor:
        ctx.save_for_backward(grid)
        ctx.shape = images.shape
        return F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        return _Spread.apply(*gradients, *ctx.saved_tensors, ctx.shape), None


class _Spread(torch.autograd.Function):
    """The transpose of `_Sample`."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, grid: Tensor, shape: torch.Size) -> Tensor:
        ctx.save_for_backward(grid)
        images = gradient.new_empty(shape)  # only its shape is used
        zeros, bilinear, wanted = 0, 0, (True, False)
        return torch.ops.aten.grid_sampler_2d_backward(gradient, images, grid, bilinear, zeros, False, wanted)[0]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        return _Sample.apply(*gradients, *ctx.saved_tensors), None, None
