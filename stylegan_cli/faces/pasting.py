"""Putting an edited face back into its photo, without a seam.

The face is matched in colour and blended band by band (Burt and Adelson 1983, "A multiresolution spline with
application to image mosaics"): colours change over a wide zone, details over a narrow one. Hair continues beyond the
crop: similar colours there change as the edit changed the hair, less and less outwards. The generator draws a new
background and new clothes with every edit: the photo's do not change if a silhouette separates people from the one, and
a network tells where the others are. Where another person leaves free what was covered, and above them, the background
goes on smoothly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from stylegan_cli.faces import geometry
from stylegan_cli.faces.alignment import BLUR, Alignment, crop

# Places are described by their distance from the crop's middle. The face and most of the hair are in a superellipse,
# whose half axes are fractions of the crop's edge; measured in a square, the crop's own border is at distance 1.
AXES, POWER = (0.46, 0.47), 3.0
FACE = (0.85, 0.7)  # between these distances details change from the photo's to the face's
RIM = (0.99, 0.9)  # where, in the square, the widest transition ends; beyond it only colours follow the edit
MARGIN = 0.25  # how far around the crop they do, in fractions of its edge
UPPER = (0.65, 0.45)  # where, from the top, another person's head begins: from there upwards hair comes off
LOWER = (0.75, 0.9)  # where it ends: from there downwards shoulders and throats stay, with what hair is on them
WORN, DRESSED = (0.3, 0.7), (0.1, 0.4)  # how surely there are clothes that stay in the photo, and those that stay away
OUTWARDS, INWARDS = (1 + 2 * MARGIN, 1.0), (0.6, 0.9)  # where they fade in, on both sides of the border
EDITED = (6.0, 24.0)  # changes of colour (of 255) by an edit up to which details are the photo's, from which the face's
COLOUR_SIZE = 64  # pixels of the crops that colours are compared on
AROUND_SIZE = round(COLOUR_SIZE * (1 + 2 * MARGIN))  # the same with what is around the crops
WINDOW = 7  # of these pixels: edits and people are widened by half of it on each side, to include loose hair
BETWEEN = 0.04  # fractions of the crop: half the width of the border between two faces
CAST = 32.0  # colours that differ by more (of 255) are an edit rather than a colour cast
SKIN = np.s_[24:44, 18:46]  # of these pixels: the middle of a face, most of which is skin
GRAIN = 10.0  # differences of colour (of 255) that are noise
COARSEST, FINEST = 24, 1024  # pixels across a crop in the coarsest band and in the finest
STRIP = 256  # rows of the photo that are written at once

Finder = Callable[[Image.Image], np.ndarray]
"""Where a square picture shows people, or a crop clothes: `[n, n, 1]`, 0 to 1."""


def paste(
    photo: Image.Image,
    face: Image.Image,
    alignment: Alignment,
    reference: Image.Image | None,
    silhouette: Finder | None = None,
    others: Sequence[Alignment] = (),
    clothes: Finder | None = None,
) -> Image.Image:
    """The RGB photo with `face`, the edited crop of any size, in its place. Pixels farther than MARGIN from the crop,
    and those around it that the edit does not reach, keep their values.

    `reference` is the crop before the edit, as the generator draws it. The difference between its colours and the
    photo's is removed from the face; where the edit changed something other than the face (hair), that is pasted too.
    Without a `silhouette` that may be the wall behind it. Without a `reference`, because the face is another person's,
    it takes the colours of the photo's skin, as if in the same light, and everything that the photo shows of the person
    within the crop is replaced or, with a `silhouette`, everything but shoulders, and hair above the crop, too.
    `clothes` tells where a crop shows some: the photo's stay where the face has some, too, or where another person has
    nothing; with a `silhouette`, the face's are not drawn over the background. What is nearer to `others`, the places
    of the other faces in the photo, is theirs, and stays as it is.
    """
    if is_other := reference is None:
        reference = crop(photo, alignment, face.width)
        face = _lit(face, reference)
    size = 4 * max(round(min(2 * alignment.edge, FINEST) / 4), 1)
    border = round(size * MARGIN)
    corners = geometry.inside(alignment.corners, geometry.WHOLE * (1 + 2 * MARGIN) - MARGIN)
    before = _surroundings(photo, corners, size + 2 * border)
    if np.ptp(before, axis=2).max() < 1:  # a black-and-white photo
        face, reference = (picture.convert("L").convert("RGB") for picture in (face, reference))
    inner = slice(border, border + size)
    there, here = _people(before, face, inner, silhouette)
    worn = _where(clothes, _picture(before[inner, inner]), WORN)
    dressed = _where(clothes, face, DRESSED)
    if is_other:
        here = _middle_one(here)
    here = here * (1 - _resized(dressed, size))
    people = there.copy()
    people[inner, inner] = np.maximum(there[inner, inner], here)
    own = _own(alignment, others, _places(corners, len(before)))
    stays = np.minimum(worn, dressed)
    near = _widened(people) * own * (1 - _resized(_around(stays, worn), len(before)))
    rest = _step(_distance(size), *RIM)
    shown = _sharp(alignment, size) * near[inner, inner]  # elsewhere details are always the photo's
    edited = np.maximum(_step(_distance(size, AXES, POWER), *FACE), _resized(_edited(face, reference), size))
    ours = edited * shown * rest

    visible, change = _visible(alignment), np.zeros_like(before)
    fringe = np.maximum(_step(_distance(size), *INWARDS), 1 - shown)  # where colours follow the edit
    behind = None
    if is_other and there.min() < 0.5:  # if any background is seen
        down = (np.arange(len(before), dtype=np.float32)[:, None, None] + 0.5 - border) / size
        behind = _behind(before, there)
        change = (behind - before) * _step(down, *UPPER)
    elif not is_other:
        edit = (_small(face) - _small(reference)) * _resized(people[inner, inner], COLOUR_SIZE) * (1 - worn)
        change = _carried(before, edit, visible * _resized(fringe, COLOUR_SIZE))
    change *= _step(_distance(len(before)) * (1 + 2 * MARGIN), *OUTWARDS) * near
    change[inner, inner] *= fringe
    new = np.asarray(face.resize((size, size), Image.Resampling.LANCZOS), np.float32)
    cast = _cast(before[inner, inner], face, reference, there[inner, inner], here, visible)
    new = new + _resized(cast, size)
    if behind is not None:
        body = np.maximum(_step(down, *LOWER)[inner], _resized(worn, size))
        clear = behind[inner, inner] + (before - behind)[inner, inner] * body
        new += (clear - new) * (1 - here)
    missing = new - (before + change)[inner, inner]
    levels = max(round(math.log2(size / COARSEST)), 1)
    change[inner, inner] += _blended(missing, ours, levels) * rest * own[inner, inner]
    mask = _framed(ours, border)
    return _drawn(photo, corners, change + mask * before, mask)


def _lit(face: Image.Image, other: Image.Image) -> Image.Image:
    """A face whose skin has the colours of the skin in another crop; black stays black, and white white."""
    curves = []
    for own, wanted in zip(_skin(face), _skin(other), strict=True):
        curves += np.interp(np.arange(256), (0, own, 255), (0, wanted, 255)).round().astype(int).tolist()
    return face.point(curves)


def _skin(picture: Image.Image) -> np.ndarray:
    """The colour of the skin in a crop, `[3]`; not so dark or bright that nothing else fits below or above."""
    return np.median(_small(picture)[SKIN], axis=(0, 1)).clip(20, 235)


def _surroundings(photo: Image.Image, corners: np.ndarray, size: int) -> np.ndarray:
    """The square `[size, size, 3]`; beyond the photo's edges, its mirror image."""
    near, start, shrink = geometry.nearby(photo, corners, size)
    low, high = np.floor(corners.min(axis=0)).astype(int), np.ceil(corners.max(axis=0)).astype(int)
    (left, top), (right, bottom) = (-(-np.maximum(beyond, 0) // shrink) for beyond in (-low, high - photo.size))
    part = np.pad(np.asarray(near), ((top, bottom), (left, right), (0, 0)), "symmetric")
    moved = (corners - start) / shrink + (left, top)
    return np.asarray(geometry.cut(Image.fromarray(part), moved, size), np.float32)


def _people(
    before: np.ndarray, face: Image.Image, inner: slice, silhouette: Finder | None
) -> tuple[np.ndarray, np.ndarray]:
    """Where there are people in the photo's square, `before`, and in the `face`: both `[n, n, 1]`. Everywhere, if there
    is no silhouette or it shows nobody in the middle: it may be a cat."""
    size = inner.stop - inner.start
    if silhouette is not None:
        there = _resized(silhouette(_picture(before)), len(before))
        middle = slice(round(0.4 * len(before)), round(0.6 * len(before)))
        if there[middle, middle].mean() > 0.5:
            return there, _resized(silhouette(face), size)
    return np.ones((*before.shape[:2], 1), np.float32), np.ones((size, size, 1), np.float32)


def _middle_one(people: np.ndarray) -> np.ndarray:
    """Of the people in a crop, `[n, n, 1]`, the one in its middle: the generator draws bystanders, too."""
    seen = Image.fromarray((_resized(people, COLOUR_SIZE)[..., 0] > 0.5).astype(np.uint8))
    middle = (COLOUR_SIZE // 2, COLOUR_SIZE // 2)
    if not seen.getpixel(middle):
        return people
    seen = seen.copy()  # pictures of arrays cannot be filled
    ImageDraw.floodfill(seen, middle, 2)
    parts = np.asarray(seen)[..., None]
    bystanders = _wide((parts == 1).astype(np.float32)) * (parts != 2)  # with their soft edges
    return people * (1 - _resized(bystanders, len(people)))


def _where(clothes: Finder | None, picture: Image.Image, sure: tuple[float, float]) -> np.ndarray:
    """Where a crop shows clothes, `[COLOUR_SIZE, COLOUR_SIZE, 1]`; nowhere, if nothing can tell."""
    if clothes is None:
        return np.zeros((COLOUR_SIZE, COLOUR_SIZE, 1), np.float32)
    return _step(_resized(clothes(picture), COLOUR_SIZE), *sure)


def _around(inner: np.ndarray, edge: np.ndarray) -> np.ndarray:
    """Places of a crop `[COLOUR_SIZE, COLOUR_SIZE, 1]` and of what is around it, where the `edge` of a crop goes on:
    `[AROUND_SIZE, AROUND_SIZE, 1]`."""
    border = (AROUND_SIZE - COLOUR_SIZE) // 2
    whole = np.pad(edge, ((border, border), (border, border), (0, 0)), "edge")
    whole[border:-border, border:-border] = inner
    return whole


def _behind(before: np.ndarray, people: np.ndarray) -> np.ndarray:
    """The photo's square, `before`, without `people` `[n, n, 1]`: what is behind them goes on smoothly."""
    hidden = _step(_wide(_resized(people, AROUND_SIZE)), 0.0, 0.5)
    continued = _continued(_resized(before, AROUND_SIZE), 1 - hidden)
    return before + (_resized(continued, len(before)) - before) * _resized(hidden, len(before))


def _continued(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Values `[n, n, 3]`, and where they are not `known` `[n, n, 1]`, means of known ones: the farther, the wider."""
    if len(values) == 1:
        return values
    half = math.ceil(len(values) / 2)
    share = _resized(known, half)
    means = _resized(values * known, half) / np.maximum(share, 1e-6)
    wide = _continued(means, np.minimum(2 * share, 1))
    return values * known + _resized(wide, len(values)) * (1 - known)


def _carried(before: np.ndarray, change: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """A `change` of the crop's colours `[COLOUR_SIZE, COLOUR_SIZE, 3]`, continued around it: `[n, n, 3]`, as `before`.

    Colours change by the affine function that best fits the changes of the crop's colours nearby, weighted by `weight`
    `[COLOUR_SIZE, COLOUR_SIZE, 1]` (He et al. 2010, "Guided image filtering"): a mixture of half hair and half wall
    changes half as much as hair. The less certain the fit, because shapes moved or no such colour was seen, the smaller
    the change.
    """
    around, size = (AROUND_SIZE - COLOUR_SIZE) // 2, len(before)
    near = _kernel(AROUND_SIZE)
    weight = _framed(weight, around)[..., 0]
    total = near @ weight @ near + 1e-12

    def mean(values: np.ndarray) -> np.ndarray:
        return np.einsum("ij,jk,jk...,kl,il->il...", near, weight, values, near, 1 / total, optimize=True)

    seen, new = _resized(before, AROUND_SIZE), _framed(change, around)
    colours, changes = mean(seen), mean(new)
    precision = np.linalg.inv(mean(_outer(seen, seen)) - _outer(colours, colours) + GRAIN**2 * np.eye(3))
    together = mean(_outer(seen, new)) - _outer(colours, changes)
    slope = precision @ together
    unexplained = (mean(new**2) - changes**2 - (slope * together).sum(axis=2)).sum(axis=2, keepdims=True)

    apart = before - _resized(colours, size)
    carried = _resized(changes, size) + np.einsum("yxi,yxij->yxj", apart, _resized(slope, size))
    strange = np.einsum("yxi,yxij,yxj->yx", apart, _resized(precision, size), apart, optimize=True)[..., None]
    doubt = (_resized(unexplained, size).clip(0) + GRAIN**2) * (1 + strange)  # a prediction's variance
    power = (carried**2).sum(axis=2, keepdims=True)
    return np.asarray(carried * power / (power + doubt))


def _drawn(photo: Image.Image, corners: np.ndarray, values: np.ndarray, mask: np.ndarray) -> Image.Image:
    """The photo times `1 - mask`, plus `values`: squares `[n, n, 1]` and `[n, n, 3]` drawn into it."""
    low = np.maximum(np.floor(corners.min(axis=0)), 0).astype(int)
    high = np.minimum(np.ceil(corners.max(axis=0)), photo.size).astype(int)
    pictures = [Image.fromarray(np.ascontiguousarray(one)) for one in np.moveaxis(values, 2, 0)]
    cover, result = Image.fromarray(mask[..., 0]), photo.copy()
    for top in range(low[1], high[1], STRIP):
        box = (low[0], top, high[0], min(top + STRIP, high[1]))
        warp = _Warp(corners - (low[0], top), (box[2] - box[0], box[3] - box[1]))
        kept = 1 - warp(cover)
        own = np.asarray(photo.crop(box), np.float32)
        new = np.stack([own[..., i] * kept + warp(picture) for i, picture in enumerate(pictures)], axis=2)
        result.paste(Image.fromarray(new.round().clip(0, 255).astype(np.uint8)), box[:2])
    return result


class _Warp:
    """Draws pictures of a square, one channel each, into the part of a photo that contains it."""

    def __init__(self, corners: np.ndarray, size: tuple[int, int]) -> None:
        self.size, self.edge = size, geometry.edge(corners)
        axes = np.stack([corners[3] - corners[0], corners[1] - corners[0]], axis=1)
        self.inverse = np.linalg.inv(axes)  # from the photo's pixels to fractions of the square
        self.start = -self.inverse @ corners[0]

    def __call__(self, picture: Image.Image) -> np.ndarray:
        """Values `[h, w]` float32, antialiased."""
        fine = max(math.ceil(picture.width / self.edge), 1)
        step = self.inverse * picture.width / fine
        start = self.start * picture.width
        data = (step[0, 0], step[0, 1], start[0], step[1, 0], step[1, 1], start[1])
        size = (self.size[0] * fine, self.size[1] * fine)
        drawn = picture.transform(size, Image.Transform.AFFINE, data, Image.Resampling.BICUBIC)
        return np.asarray(drawn.reduce(fine) if fine > 1 else drawn)


def _distance(size: int, axes: tuple[float, float] = (0.5, 0.5), power: float = np.inf) -> np.ndarray:
    """The distance of a square's pixels from its middle, `[size, size, 1]`: 1 on the superellipse with these half axes,
    which are fractions of its edge."""
    place = np.abs((np.arange(size, dtype=np.float32) + 0.5) / size - 0.5)
    return np.asarray(np.linalg.norm(np.meshgrid(*(place / axis for axis in axes)), power, axis=0))[..., None]


def _edited(face: Image.Image, reference: Image.Image) -> np.ndarray:
    """Where an edit changed something, 0 to 1, slightly widened: `[COLOUR_SIZE, COLOUR_SIZE, 1]`."""
    much = _step(np.abs(_small(face) - _small(reference)).max(axis=2), *EDITED)
    return _wide(much[..., None])


def _widened(people: np.ndarray) -> np.ndarray:
    """People in the photo's square `[n, n, 1]`, widened."""
    return _resized(_wide(_resized(people, AROUND_SIZE)), len(people))


def _wide(places: np.ndarray) -> np.ndarray:
    """Places `[n, n, 1]`, 0 to 1, widened by half a WINDOW, with soft edges."""
    wide = Image.fromarray((places[..., 0].clip(0, 1) * 255).astype(np.uint8)).filter(ImageFilter.MaxFilter(WINDOW))
    return np.asarray(wide.filter(ImageFilter.GaussianBlur(1.5)), np.float32)[..., None] / 255


def _sharp(alignment: Alignment, size: int) -> np.ndarray:
    """How sharp the crop is, `[size, size, 1]`: near a photo's edge beyond which it is mirrored, the crop is blurred;
    the value falls to 0 at the edge. There details are better taken from the photo."""
    blur = np.minimum(alignment.beyond(), alignment.edge * BLUR).clip(1e-6)
    places = _places(alignment.corners, size)
    within = np.concatenate([places, alignment.size - places], axis=2) / blur
    return within.min(axis=2, keepdims=True).clip(0, 1).astype(np.float32)


def _visible(alignment: Alignment) -> np.ndarray:
    """Which places of a crop, `[COLOUR_SIZE, COLOUR_SIZE, 1]`, are in the photo and not in its mirror image."""
    places = _places(alignment.corners, COLOUR_SIZE)
    return np.asarray(((places >= 0) & (places < alignment.size)).all(axis=2, keepdims=True), np.float32)


def _own(alignment: Alignment, others: Sequence[Alignment], places: np.ndarray) -> np.ndarray:
    """Which of the photo's `places` `[n, n, 2]` belong to this face, 0 to 1: those nearer to its middle than to that of
    any other, in units of each face's crop."""
    own = np.ones((*places.shape[:2], 1), np.float32)
    for other in others:
        nearer = _from_middle(other, places) - _from_middle(alignment, places)
        own *= _step(nearer, -BETWEEN, BETWEEN)
    return own


def _from_middle(alignment: Alignment, places: np.ndarray) -> np.ndarray:
    """How far `places` `[n, n, 2]` are from a face, in crops' edges: `[n, n, 1]`."""
    return np.asarray(np.linalg.norm(places - alignment.corners.mean(axis=0), axis=2, keepdims=True) / alignment.edge)


def _places(corners: np.ndarray, size: int) -> np.ndarray:
    """Where in the photo the pixels of a square with these corners are: `[size, size, 2]`."""
    share = (np.arange(size) + 0.5) / size
    return geometry.inside(corners, np.stack(np.meshgrid(share, share), axis=2))


def _step(values: np.ndarray, zero: float, one: float) -> np.ndarray:
    """0 where values are `zero` or beyond, 1 where they are `one` or beyond, smooth between."""
    share = ((values - zero) / (one - zero)).clip(0, 1)
    return share * share * (3 - 2 * share)


def _blended(change: np.ndarray, mask: np.ndarray, levels: int) -> np.ndarray:
    """A change `[n, n, 3]` times `mask`, band by band: the coarser the band, the smoother the mask."""
    if not levels:
        return change * mask
    half = math.ceil(len(change) / 2)
    coarse = _resized(change, half)
    rest = _blended(coarse, _resized(mask, half), levels - 1)
    return (change - _resized(coarse, len(change))) * mask + _resized(rest, len(change))


def _cast(
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
    before, there, here = (_resized(values, COLOUR_SIZE) for values in (before, there, here))
    people, behind = before - _small(reference), before - _small(face)
    # Where people's colours differ greatly, the generator drew something else.
    alike = 1 / (1 + (np.abs(people).max(axis=2, keepdims=True) / CAST) ** 2)
    cast_behind = _spread(behind, visible * (1 - there) * (1 - here))
    return here * _spread(people, visible * alike) + (1 - here) * cast_behind


def _spread(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The local means of values `[COLOUR_SIZE, COLOUR_SIZE, 3]`, weighted by `weight`; 0 far from all weights."""
    near = _kernel(COLOUR_SIZE)
    weighted, total = (np.einsum("ij,jkc,kl->ilc", near, one, near, optimize=True) for one in (values * weight, weight))
    return np.asarray(weighted / (total + 1e-3))


def _picture(values: np.ndarray) -> Image.Image:
    return Image.fromarray(values.round().clip(0, 255).astype(np.uint8))


def _small(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.resize((COLOUR_SIZE, COLOUR_SIZE), Image.Resampling.BOX), np.float32)


def _kernel(size: int) -> np.ndarray:
    """The matrix `[size, size]` that smooths `size` places: a Gaussian as wide as an eighth of the crop."""
    place = np.arange(size)
    return np.asarray(np.exp(-(((place[:, None] - place) / (COLOUR_SIZE / 8)) ** 2) / 2))


def _resized(values: np.ndarray, size: int) -> np.ndarray:
    """Values `[n, n, ...]` as `[size, size, ...]`, antialiased."""
    channels = np.moveaxis(np.asarray(values, np.float32).reshape(*values.shape[:2], -1), 2, 0)
    pictures = [Image.fromarray(np.ascontiguousarray(one)) for one in channels]
    resized = [np.asarray(one.resize((size, size), Image.Resampling.BILINEAR)) for one in pictures]
    return np.stack(resized, axis=2).reshape(size, size, *values.shape[2:])


def _outer(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[..., :, None] * b[..., None, :]


def _framed(values: np.ndarray, width: int) -> np.ndarray:
    """Values `[n, n, c]` in a frame of zeros."""
    return np.pad(values, ((width, width), (width, width), (0, 0)))
