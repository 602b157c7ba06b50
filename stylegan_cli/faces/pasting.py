"""Putting an edited face back into its photo, without a seam.

The face is warped to its place, matched in colour, and blended band by band (Burt and Adelson 1983, "A multiresolution
spline with application to image mosaics"): colours change over a wide zone, details over a narrow one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageFilter

from stylegan_cli.faces import geometry
from stylegan_cli.faces.alignment import BLUR, Alignment, crop

# Places are told by their distance from the crop's middle. The face and most of the hair lie in a superellipse, whose
# half axes are shares of the crop's edge; the crop's own border is at distance 1 of a square.
AXES, POWER = (0.46, 0.47), 3.0
FACE = (0.85, 0.7)  # from where to where details turn from the photo's to the face's
RIM = (0.99, 0.9)  # where, in the square, the widest transition ends; beyond it nothing changes
EDITED = (6.0, 24.0)  # so far an edit changed colours (of 255) where details are the photo's, and where the face's
COLOURS = 64  # pixels of the crops that colours are compared on
CAST = 32.0  # colours that differ by more (of 255) are an edit rather than a cast of light
COARSEST = 24  # pixels of a crop in the coarsest band


def paste(photo: Image.Image, face: Image.Image, alignment: Alignment, reference: Image.Image) -> Image.Image:
    """The RGB photo with `face`, the edited crop of any size, in its place; pixels around the crop keep their values.

    `reference` is the crop before it was edited, as the generator draws it. How its colours differ from the photo's is
    taken off the face; where the edit changed something beside the face itself (hair), that goes into the photo too.
    """
    corners = alignment.corners
    low = np.maximum(np.floor(corners.min(axis=0)), 0).astype(int)
    high = np.minimum(np.ceil(corners.max(axis=0)), photo.size).astype(int)
    if (low >= high).any():
        return photo.copy()
    box = (*low.tolist(), *high.tolist())
    width, height = (high - low).tolist()
    warp = _Warp(corners - low, (width, height))
    rest = _step(warp.distance((0.5, 0.5), np.inf), *RIM)
    ours = np.maximum(_step(warp.distance(AXES, POWER), *FACE), warp(_edited(face, reference)))
    ours = ours * _sharp(alignment, low, high) * rest
    levels = max(round(math.log2(alignment.edge / COARSEST)), 1)
    cast = _cast(photo, alignment, reference)
    before = photo.crop(box)
    channels = []
    for own, new, shift in zip(before.split(), face.split(), cast.transpose(2, 0, 1), strict=True):
        own_values = np.asarray(own, np.float32)
        change = warp(new) + warp(Image.fromarray(np.ascontiguousarray(shift))) - own_values
        change = _blended(change, ours, levels) * rest
        channels.append(Image.fromarray((own_values + change).round().clip(0, 255).astype(np.uint8)))
    result = photo.copy()
    result.paste(Image.merge("RGB", channels), box)
    return result


class _Warp:
    """Draws pictures of a square, one channel each, into the part of a photo that it lies in."""

    def __init__(self, corners: np.ndarray, size: tuple[int, int]) -> None:
        self.size, self.edge = size, geometry.edge(corners)
        axes = np.stack([corners[3] - corners[0], corners[1] - corners[0]], axis=1)
        self.inverse = np.linalg.inv(axes)  # from the photo's pixels to shares of the square
        self.start = -self.inverse @ corners[0]

    def __call__(self, picture: Image.Image) -> np.ndarray:
        """Values `[h, w]` float32, antialiased."""
        fine = max(math.ceil(picture.width / self.edge), 1)
        step = self.inverse * picture.width / fine
        start = self.start * picture.width
        data = (step[0, 0], step[0, 1], start[0], step[1, 0], step[1, 1], start[1])
        size = (self.size[0] * fine, self.size[1] * fine)
        drawn = picture.convert("F").transform(size, Image.Transform.AFFINE, data, Image.Resampling.BICUBIC)
        return np.asarray(drawn.reduce(fine) if fine > 1 else drawn)

    def distance(self, axes: tuple[float, float], power: float) -> np.ndarray:
        """How far every pixel `[h, w]` is from the square's middle: 1 on the superellipse of these half axes."""
        x, y = (np.arange(length, dtype=np.float32) + 0.5 for length in self.size)
        beside, below = (
            np.float32((across * x[None] + down * y[:, None] + (start - 0.5)) / axis)
            for axis, (across, down), start in zip(axes, self.inverse, self.start, strict=True)
        )
        return np.asarray(np.linalg.norm([beside, below], power, axis=0))


def _edited(face: Image.Image, reference: Image.Image) -> Image.Image:
    """Where an edit changed something, 0 to 1, a little wider than it did: a picture of COLOURS pixels."""
    much = _step(np.abs(_small(face) - _small(reference)).max(axis=2), *EDITED)
    wide = Image.fromarray((much * 255).astype(np.uint8)).filter(ImageFilter.MaxFilter(3))
    return Image.fromarray(np.asarray(wide.filter(ImageFilter.GaussianBlur(1.5)), np.float32) / 255)


def _sharp(alignment: Alignment, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """How sharp the crop shows the photo's pixels `[h, w]` from `low` to `high`: it blurs a photo that goes on as a
    mirror image before its edge, down to 0 there. Details are then better taken from the photo."""
    left, top, right, bottom = np.minimum(alignment.beyond(), alignment.edge * BLUR).clip(1e-6)
    x, y = (np.arange(start, end) + 0.5 for start, end in zip(low, high, strict=True))
    across = np.minimum(x / left, (alignment.size[0] - x) / right).clip(0, 1)
    down = np.minimum(y / top, (alignment.size[1] - y) / bottom).clip(0, 1)
    sharp: np.ndarray = np.minimum(across, down[:, None]).astype(np.float32)
    return sharp


def _step(values: np.ndarray, zero: float, one: float) -> np.ndarray:
    """0 where values are `zero` and beyond, 1 where they are `one` and beyond, smooth between."""
    share = ((values - zero) / (one - zero)).clip(0, 1)
    return share * share * (3 - 2 * share)


def _blended(change: np.ndarray, mask: np.ndarray, levels: int) -> np.ndarray:
    """A change `[h, w]` where `mask` lets it: each band of it through a mask as smooth as the band is coarse."""
    if not levels:
        return change * mask
    coarse = _resized(change, [math.ceil(edge / 2) for edge in change.shape])
    rest = _blended(coarse, _resized(mask, coarse.shape), levels - 1)
    return (change - _resized(coarse, change.shape)) * mask + _resized(rest, change.shape)


def _resized(values: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    height, width = shape
    return np.asarray(Image.fromarray(values).resize((width, height), Image.Resampling.BILINEAR))


def _cast(photo: Image.Image, alignment: Alignment, reference: Image.Image) -> np.ndarray:
    """What to add to the face's colours, smooth, `[COLOURS, COLOURS, 3]`."""
    difference = _small(crop(photo, alignment, 4 * COLOURS)) - _small(reference)
    # Where colours differ much, something else is drawn there.
    weight = _visible(alignment)[..., None] / (1 + (np.abs(difference).max(axis=2, keepdims=True) / CAST) ** 2)
    smooth = _smooth(np.concatenate([difference * weight, weight], axis=2))
    return smooth[..., :3] / (smooth[..., 3:] + 1e-3)


def _small(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.resize((COLOURS, COLOURS), Image.Resampling.BOX), np.float32)


def _visible(alignment: Alignment) -> np.ndarray:
    """Which places of a crop `[COLOURS, COLOURS]` are in the photo and not its mirror image."""
    share = (np.arange(COLOURS) + 0.5) / COLOURS
    places = geometry.inside(alignment.corners, np.stack(np.meshgrid(share, share), axis=2))
    return np.asarray(((places >= 0) & (places < alignment.size)).all(axis=2))


def _smooth(values: np.ndarray) -> np.ndarray:
    """Channels `[COLOURS, COLOURS, c]` under a Gaussian as wide as an eighth of the crop."""
    place = np.arange(COLOURS, dtype=np.float32)
    kernel = np.exp(-(((place[:, None] - place) / (COLOURS / 8)) ** 2) / 2)
    kernel /= kernel.sum()
    return np.einsum("ij,jkc,lk->ilc", kernel, values, kernel, optimize=True) * COLOURS**2
