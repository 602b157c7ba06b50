"""What a photo shows of a face and its generator does not draw: pores, freckles, single hairs, the light in an eye.

The difference between a photo and the picture drawn of it is added to the edited face, band by band, where that still
looks as before: it moves as the face does (by the optical flow of Lucas and Kanade 1981, "An iterative image
registration technique with an application to stereo vision", coarse to fine), stays away where the edit redrew
something, and fades where it smoothed something, as wrinkles of somebody who becomes younger.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from stylegan_cli.faces.colours import COLOUR_SIZE, WEIGHTS

LARGEST = 1024  # pixels across crops of photos, unless the generator draws more
FLOW_SIZE, COARSEST_FLOW = 256, 16  # pixels of the pictures that a movement is looked for in
STEPS, STEP = 3, 1.0  # at each of their sizes, and the pixels that each moves by at most
WINDOW, SMOOTH = 15, 9  # pixels across that move alike, and across which a movement changes slowly
FLAT = 8.0  # the squared slopes of greys (of 255) that say nothing about a movement
NEAR, COMPARED = 17, 128  # pixels across that must look alike, and of the pictures that such means are taken of
GRAIN = 4.0  # variances of greys that are no structure
FAINT = 0.5  # variances that edits may smooth
LANCZOS = Image.Resampling.LANCZOS
ALIKE = (0.3, 0.7)  # correlations of structure up to which nothing is kept, and from which everything is
REDRAWN = (20.0, 60.0)  # changes of colour (of 255) by an edit from which, up to which, less of the colours is kept
WIDE = 7  # pixels of COLOUR_SIZE: such changes are widened by half of it on each side


def kept(face: Image.Image, drawn: Image.Image, shown: Image.Image) -> tuple[Image.Image, np.ndarray]:
    """The edited `face` with what the photo's crop, `shown`, has and the generator did not draw before the edit,
    `drawn`: RGB squares. It is as large as `shown`, which may be larger than the others. Also where, 0 to 1, it has the
    finest of these details: `[n, n, 1]`."""
    size = shown.width
    after, before, photo = (_tensor(one.resize((size, size), LANCZOS)) for one in (face, drawn, shown))
    grey, grey_before = map(_grey, (after, before))
    there = moved(torch.cat([photo - before, grey_before], dim=1), _stretched(_flow(grey_before, grey), size))
    count = max(round(math.log2(size / COLOUR_SIZE)), 0)
    lacking, old, new = (_bands(one, count) for one in (there[:, :3], there[:, 3:], grey))
    added, share = lacking[0] * _same_colours(before, after, lacking[0].shape[-1]), torch.ones(1, 1, 1, 1)
    for band, band_before, band_after in zip(lacking[1:], old[1:], new[1:], strict=True):
        wide = band.shape[-1]
        share = torch.minimum(_stretched(share, wide), _alike(band_before, band_after))
        added = _stretched(added, wide) + band * share
    values = (after + added).round().clamp(0, 255).to(torch.uint8)
    return Image.fromarray(values[0].permute(1, 2, 0).numpy()), _stretched(share, size)[0].permute(1, 2, 0).numpy()


def crop_size(edge: float, drawn: int) -> int:
    """How many pixels wide a crop must be to show the details of a photo in which it has an edge of so many pixels: at
    least as many as the generator has `drawn`."""
    return max(drawn, min(2 ** math.ceil(math.log2(max(edge, 1))), LARGEST))


def _same_colours(before: Tensor, after: Tensor, size: int) -> Tensor:
    """Where colours hardly change, 0 to 1, `[1, 1, size, size]`."""
    change = F.interpolate(after - before, (size, size), mode="area").abs().amax(dim=1, keepdim=True)
    low, high = REDRAWN
    redrawn = ((change - low) / (high - low)).clamp(0, 1)
    return 1 - _smooth(F.max_pool2d(redrawn, WIDE, 1, WIDE // 2), 3)


def _flow(before: Tensor, after: Tensor) -> Tensor:
    """For every place in `after` `[1, 1, n, n]`, where in `before` it was, in pixels from there: `[1, 2, m, m]` in
    fractions of the picture's edge."""
    size = min(before.shape[-1], FLOW_SIZE)
    sizes = [size]
    while sizes[-1] > COARSEST_FLOW:
        sizes.append(sizes[-1] // 2)
    flow = torch.zeros(1, 2, 1, 1)
    for wide in reversed(sizes):
        old, new = (_without_light(F.interpolate(one, (wide, wide), mode="area")) for one in (before, after))
        flow = _stretched(flow, wide)
        for _ in range(STEPS):
            flow = _smooth(flow + _step(moved(old, flow), new).clamp(-STEP, STEP) / wide, SMOOTH)
    return flow


def _step(old: Tensor, new: Tensor) -> Tensor:
    """Where the pixels of `new` `[1, 1, n, n]` are in `old`, by its slopes, if windows move as a whole: `[1, 2, n, n]`,
    in pixels."""
    along_x, along_y = torch.gradient(old, dim=(3, 2))
    change = new - old
    products = [along_x**2, along_y**2, along_x * along_y, along_x * change, along_y * change]
    xx, yy, xy, x, y = _smooth(torch.cat(products, dim=1), WINDOW).split(1, dim=1)
    xx, yy = xx + FLAT, yy + FLAT
    return torch.cat([yy * x - xy * y, xx * y - xy * x], dim=1) / (xx * yy - xy**2)


def moved(picture: Tensor, flow: Tensor) -> Tensor:
    """`picture` `[1, c, n, n]` with the values that are at the end of the flow `[1, 2, n, n]`."""
    place = (torch.arange(picture.shape[-1]) + 0.5) / picture.shape[-1]
    here = torch.stack(torch.meshgrid(place, place, indexing="xy"))
    there = (here + flow).permute(0, 2, 3, 1) * 2 - 1
    return F.grid_sample(picture, there, "bicubic", "border", align_corners=False)


def _alike(before: Tensor, after: Tensor) -> Tensor:
    """Where a band of a grey picture `[1, 1, n, n]` shows the same structure as before, 0 to 1; less, where less of
    it."""
    size = before.shape[-1]
    small = min(size, COMPARED)
    products = torch.cat([before * after, before * before, after * after], dim=1)
    window = max(NEAR * small // size | 1, 3)
    means = _smooth(F.interpolate(products, (small, small), mode="area"), window)
    common, old, new = _stretched(means, size).split(1, dim=1)
    low, high = ALIKE
    same = ((common + GRAIN) / ((old + new) / 2 + GRAIN) - low) / (high - low)
    return same.clamp(0, 1) * ((new + FAINT) / (old + FAINT)).sqrt().clamp(max=1)


def _bands(picture: Tensor, count: int) -> list[Tensor]:
    """A picture `[1, c, n, n]`, halved `count` times, and what each halving leaves out, the coarsest first."""
    bands = list[Tensor]()
    for _ in range(count):
        half = F.interpolate(picture, scale_factor=0.5, mode="area")
        bands.append(picture - _stretched(half, picture.shape[-1]))
        picture = half
    return [picture, *bands[::-1]]


def _tensor(picture: Image.Image) -> Tensor:
    return torch.from_numpy(np.asarray(picture, np.float32)).permute(2, 0, 1)[None]


def _grey(colours: Tensor) -> Tensor:
    return (colours * torch.tensor(WEIGHTS).view(3, 1, 1)).sum(dim=1, keepdim=True)


def _without_light(grey: Tensor) -> Tensor:
    return grey - _smooth(grey, SMOOTH)


def _smooth(values: Tensor, window: int) -> Tensor:
    """Means of windows of means of windows, which are nearly those of a bell."""
    for rows, columns in 2 * ((window, 1), (1, window)):
        padding = (rows // 2, columns // 2)
        values = F.avg_pool2d(values, (rows, columns), 1, padding, count_include_pad=False)
    return values


def _stretched(values: Tensor, size: int) -> Tensor:
    return values if values.shape[-1] == size else F.interpolate(values, (size, size), mode="bilinear")
