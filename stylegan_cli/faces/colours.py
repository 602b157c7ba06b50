"""Colours of faces and photos, compared on crops of COLOUR_SIZE pixels: what a photo's light does to a face, and how
colours around a face follow its edit.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

COLOUR_SIZE = 64  # pixels of the crops that colours are compared on
SKIN = np.s_[24:44, 18:46]  # of these pixels: the middle of a face, most of which is skin
TAKEN = 0.7  # how much of the difference between two skins is taken for the light's
CAST = 32.0  # colours that differ by more (of 255) are an edit rather than a colour cast
GRAIN = 10.0  # differences of colour (of 255) that are noise
GREYS = np.arange(256)
WEIGHTS = (0.299, 0.587, 0.114)  # of red, green and blue in a grey
FADED = 0.03  # shares of the brightest grey that a photo's tints may differ by, if it is black and white or sepia


def lighting(face: Image.Image, other: Image.Image) -> list[int]:
    """The curves, for `Image.point`, that bring a face into the light of another crop: its skin takes most of the
    colour of the skin there; black stays black, and white white."""
    skin, curves = _skin(face), list[int]()
    for own, wanted in zip(skin, skin + TAKEN * (_skin(other) - skin), strict=True):
        curves += np.interp(GREYS, (0, own, 255), (0, wanted, 255)).round().astype(int).tolist()
    return curves


def _skin(picture: Image.Image) -> np.ndarray:
    """The colour of the skin in a crop, `[3]`; not so dark or bright that nothing else fits below or above."""
    return np.median(small(picture)[SKIN], axis=(0, 1)).clip(20, 235)


def tints(photo: np.ndarray) -> np.ndarray | None:
    """What a black-and-white photo `[n, n, 3]` adds to each grey, `[256, 3]`: nothing, or more or less of one tint, if
    it is sepia or has yellowed. None if it is in colour."""
    colours = resized(photo, COLOUR_SIZE).reshape(-1, 3).astype(np.float64)
    greys = colours @ WEIGHTS
    added = colours - greys[:, None]
    hue = added.mean(axis=0) / max(np.linalg.norm(added.mean(axis=0)), 1e-9)
    near = np.exp(-np.abs(GREYS[:, None] - greys) / 8)
    found = (near @ (added @ hue) / near.sum(axis=1)).clip(0)[:, None] * hue
    apart = np.abs(added - found[greys.round().clip(0, 255).astype(int)]).max(axis=1)
    return found if np.percentile(apart, 99) <= FADED * greys.max() else None


def tinted(picture: Image.Image, tints: np.ndarray) -> Image.Image:
    """A picture in black and white, with a tint `[256, 3]` for each grey."""
    grey = np.asarray(picture.convert("L"))
    return Image.fromarray((grey[..., None] + tints[grey]).round().clip(0, 255).astype(np.uint8))


def light(
    before: np.ndarray,
    face: Image.Image,
    reference: Image.Image,
    there: np.ndarray,
    here: np.ndarray,
    visible: np.ndarray,
) -> np.ndarray:
    """A smooth correction of the face's colours, `[COLOUR_SIZE, COLOUR_SIZE, 3]`: for people (`here` in the face,
    `there` in the photo), how the photo differs from the face before the edit; for the background, how it differs from
    the face after the edit. `before` is the photo in the crop's place, as far as it is `visible`."""
    before, there, here = (resized(values, COLOUR_SIZE) for values in (before, there, here))
    people, behind = before - small(reference), before - small(face)
    # Where people's colours differ greatly, the generator drew something else.
    alike = 1 / (1 + (np.abs(people).max(axis=2, keepdims=True) / CAST) ** 2)
    on_wall = _spread(behind, visible * (1 - there) * (1 - here))
    return here * _spread(people, visible * alike) + (1 - here) * on_wall


def _spread(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The local means of values `[COLOUR_SIZE, COLOUR_SIZE, 3]`, weighted by `weight`; 0 far from all weights."""
    near = _kernel(COLOUR_SIZE)
    weighted, total = (np.einsum("ij,jkc,kl->ilc", near, one, near, optimize=True) for one in (values * weight, weight))
    return np.asarray(weighted / (total + 1e-3))


def carried(before: np.ndarray, change: np.ndarray, weight: np.ndarray, border: int) -> np.ndarray:
    """A `change` of the crop's colours `[COLOUR_SIZE, COLOUR_SIZE, 3]`, continued around it, `border` of these pixels
    wide: `[n, n, 3]`, as `before`.

    Colours change by the affine function that best fits the changes of the crop's colours nearby, weighted by `weight`
    `[COLOUR_SIZE, COLOUR_SIZE, 1]` (He et al. 2010, "Guided image filtering"): a mixture of half hair and half wall
    changes half as much as hair. The less certain the fit, because shapes moved or no such colour was seen, the smaller
    the change.
    """
    around, size = COLOUR_SIZE + 2 * border, len(before)
    near = _kernel(around)
    weight = framed(weight, border)[..., 0]
    total = near @ weight @ near + 1e-12

    def mean(values: np.ndarray) -> np.ndarray:
        return np.einsum("ij,jk,jk...,kl,il->il...", near, weight, values, near, 1 / total, optimize=True)

    seen, new = resized(before, around), framed(change, border)
    colours, changes = mean(seen), mean(new)
    precision = np.linalg.inv(mean(_outer(seen, seen)) - _outer(colours, colours) + GRAIN**2 * np.eye(3))
    together = mean(_outer(seen, new)) - _outer(colours, changes)
    slope = precision @ together
    unexplained = (mean(new**2) - changes**2 - (slope * together).sum(axis=2)).sum(axis=2, keepdims=True)

    apart = before - resized(colours, size)
    predicted = resized(changes, size) + np.einsum("yxi,yxij->yxj", apart, resized(slope, size))
    strange = np.einsum("yxi,yxij,yxj->yx", apart, resized(precision, size), apart)[..., None]
    doubt = (resized(unexplained, size).clip(0) + GRAIN**2) * (1 + strange)  # a prediction's variance
    power = (predicted**2).sum(axis=2, keepdims=True)
    return np.asarray(predicted * power / (power + doubt))


def _outer(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[..., :, None] * b[..., None, :]


def _kernel(size: int) -> np.ndarray:
    """The matrix `[size, size]` that smooths `size` places: a Gaussian as wide as an eighth of the crop."""
    place = np.arange(size)
    return np.asarray(np.exp(-(((place[:, None] - place) / (COLOUR_SIZE / 8)) ** 2) / 2))


def small(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.resize((COLOUR_SIZE, COLOUR_SIZE), Image.Resampling.BOX), np.float32)


def framed(values: np.ndarray, width: int) -> np.ndarray:
    """Values `[n, n, c]` in a frame of zeros."""
    return np.pad(values, ((width, width), (width, width), (0, 0)))


def resized(values: np.ndarray, size: int) -> np.ndarray:
    """Values `[n, n, ...]` as `[size, size, ...]`, antialiased."""
    channels = np.moveaxis(np.asarray(values, np.float32).reshape(*values.shape[:2], -1), 2, 0)
    pictures = [Image.fromarray(np.ascontiguousarray(one)) for one in channels]
    scaled = [np.asarray(one.resize((size, size), Image.Resampling.BILINEAR)) for one in pictures]
    return np.stack(scaled, axis=2).reshape(size, size, *values.shape[2:])
