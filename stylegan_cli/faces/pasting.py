"""Putting an edited face back into its photo, without a seam.

The face is matched in colour and blended band by band (Burt and Adelson 1983, "A multiresolution spline with
application to image mosaics"): colours change over a wide zone, details over a narrow one. Hair continues beyond the
crop: similar colours there change as the edit changed the hair, less and less outwards. The generator draws a new
background and new clothes with every edit: the photo's do not change if a silhouette separates people from the one, and
a network tells where the others are. Where another person leaves free what was covered, and above them, what is around
it goes on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from stylegan_cli.faces import backgrounds, geometry
from stylegan_cli.faces.alignment import BLUR, Alignment, crop
from stylegan_cli.faces.colours import COLOUR_SIZE, carried, framed, light, resized, small, tinted, tints

# Places are described by their distance from the crop's middle. The face and most of the hair are in a superellipse,
# whose half axes are fractions of the crop's edge; measured in a square, the crop's own border is at distance 1.
AXES, POWER = (0.46, 0.47), 3.0
FACE = (0.85, 0.7)  # between these distances details change from the photo's to the face's
RIM = (0.99, 0.9)  # where, in the square, the widest transition ends; beyond it only colours follow the edit
BRINK = (1.0, 0.97)  # where it ends for another person, whose whole head is drawn
MARGIN = 0.25  # how far around the crop they do, in fractions of its edge
BARE = (0.3, 0.7)  # how surely there is hair that an edit removes
SHORN = (0.16, 0.2)  # of what is at the crop's border, how much it removes if all beyond goes with it
UPPER = (0.65, 0.45)  # where, from the top, another person's head begins: from there upwards hair comes off
LOWER = (0.75, 0.9)  # where it ends: from there downwards shoulders and throats stay, with what hair is on them
WORN, DRESSED = (0.3, 0.7), (0.1, 0.4)  # how surely there are clothes that stay in the photo, and those that stay away
OUTWARDS, INWARDS = (1 + 2 * MARGIN, 1.0), (0.6, 0.9)  # where they fade in, on both sides of the border
AWAY = (1 + 2 * MARGIN, 1 + 1.4 * MARGIN)  # where, beyond it, a head that goes is still seen
EDITED = (6.0, 24.0)  # changes of colour (of 255) by an edit up to which details are the photo's, from which the face's
AROUND = round(COLOUR_SIZE * MARGIN)  # pixels around the crops that colours are compared on
AROUND_SIZE = COLOUR_SIZE + 2 * AROUND
WINDOW = 7  # of these pixels: edits and people are widened by half of it on each side, to include loose hair
STRANDS = (0.06, 0.02, 0.008)  # their widths, where somebody else's long hair leaves the crop
RAGGED, TIP = 0.2, 0.05  # how much shorter some are, and how long their tips are
NECK = (0.2, 0.35)  # where, from the middle, they begin
BETWEEN = 0.04  # fractions of the crop: half the width of the border between two faces
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
    kept: np.ndarray | None = None,
) -> Image.Image:
    """The RGB photo with `face`, the edited crop of any size, in its place. Pixels farther than MARGIN from the crop,
    and those around it that the edit does not reach, keep their values.

    `reference` is the crop before the edit, as the generator draws it; or as the photo shows it, if the face was given
    its details: where, 0 to 1, is `kept` `[n, n, 1]`, and there the photo's own pixels are changed, not replaced. The
    difference between its colours and the photo's is removed from the face; where the edit changed something other than
    the face (hair), that is pasted too. Without a `silhouette` that may be the wall behind it.

    Without a `reference`, because the face is another person's (see `colours.lighting`), everything that the photo
    shows of the person within the crop is replaced or, with a `silhouette`, everything but shoulders, and hair above
    the crop, too. In a black-and-white or sepia photo, the face becomes so, too. `clothes` tells where a crop shows
    some: the photo's stay where the face has some, too, or where another person has nothing; with a `silhouette`, the
    face's are not drawn over the background. What is nearer to `others`, the places of the other faces in the photo, is
    theirs, and stays as it is.
    """
    if is_other := reference is None:
        reference = crop(photo, alignment, face.width)
    square = _square(photo, alignment)
    before, inner, size = square.before, square.inner, square.size
    if (tone := tints(before)) is not None:
        face, reference = (tinted(picture, tone) for picture in (face, reference))
    seen = _look(square, face, is_other, silhouette, clothes)
    own = _own(alignment, others, _places(square.corners, len(before)))
    near = _near(square, seen) * own
    rest = _step(_distance(size), *(BRINK if is_other else RIM))
    longer = 1.0 if is_other else seen.here * (1 - seen.there[inner])
    rest = rest * (1 - longer * (1 - _strands(size)))
    shown = _sharp(alignment, size) * near[inner]  # elsewhere details are always the photo's
    redrawn = _edited(face, reference)
    ours = np.maximum(_step(_distance(size, AXES, POWER), *FACE), resized(redrawn, size)) * shown * rest

    fringe = np.maximum(_step(_distance(size), *INWARDS), 1 - shown)  # where colours follow the edit
    visible = _visible(alignment.corners, COLOUR_SIZE, alignment.size)
    change, shows_wall = np.zeros_like(before), seen.there.min() < 0.5
    if not is_other:
        edit = (small(face) - small(reference)) * resized(seen.there[inner], COLOUR_SIZE) * (1 - seen.worn)
        change = carried(before, edit, visible * resized(fringe, COLOUR_SIZE), AROUND)
        if shows_wall:
            change = _bared(square, seen, change, redrawn)
    correction = resized(light(before[inner], face, reference, seen.there[inner], seen.here, visible), size)
    new = _scaled(face, size) + correction
    if kept is not None:  # scaled alike, so that an edit of nothing changes nothing
        new += before[inner] - _scaled(reference, size)
    if is_other and shows_wall:
        change, new = _alone(square, seen, new)
    outwards = _distance(len(before)) * (1 + 2 * MARGIN)
    change *= _step(outwards, *(AWAY if is_other else OUTWARDS)) * near
    change[inner] *= fringe
    missing = new - (before + change)[inner]
    levels = max(round(math.log2(size / COARSEST)), 1)
    change[inner] += _blended(missing, ours, levels) * rest * own[inner]
    mask = framed(ours if kept is None else ours * (1 - resized(kept, size)), square.border)
    return _drawn(photo, square.corners, change + mask * before, mask)


@dataclass(frozen=True)
class _Square:
    """The part of a photo that a face can change, `before` `[n, n, 3]`: its crop, `size` pixels wide, with a `border`
    around it; and how much of that is in the photo, and not in its mirror image: `visible` `[AROUND_SIZE, AROUND_SIZE,
    1]`."""

    corners: np.ndarray
    size: int
    before: np.ndarray
    visible: np.ndarray

    @property
    def border(self) -> int:
        return (len(self.before) - self.size) // 2

    @property
    def inner(self) -> tuple[slice, slice]:
        """Where the crop is."""
        return (slice(self.border, self.border + self.size),) * 2


@dataclass(frozen=True)
class _Seen:
    """Where there are people in the square, `there` `[n, n, 1]`, in the face, `here` `[size, size, 1]`, and in either,
    `[n, n, 1]`; where clothes are in the photo's crop, `worn`, and in the face, `dressed`: `[COLOUR_SIZE, COLOUR_SIZE,
    1]`."""

    there: np.ndarray
    here: np.ndarray
    people: np.ndarray
    worn: np.ndarray
    dressed: np.ndarray


def _square(photo: Image.Image, alignment: Alignment) -> _Square:
    size = 4 * max(round(min(2 * alignment.edge, FINEST) / 4), 1)
    corners = geometry.inside(alignment.corners, geometry.WHOLE * (1 + 2 * MARGIN) - MARGIN)
    before = _surroundings(photo, corners, size + 2 * round(size * MARGIN))
    return _Square(corners, size, before, _visible(corners, AROUND_SIZE, alignment.size))


def _look(
    square: _Square, face: Image.Image, is_other: bool, silhouette: Finder | None, clothes: Finder | None
) -> _Seen:
    """Of another person's picture, only who is in its middle counts; nobody's clothes do."""
    there, here = _people(square, face, silhouette)
    worn, dressed = _where(clothes, _picture(square.before[square.inner]), WORN), _where(clothes, face, DRESSED)
    if is_other:
        here = _middle_one(here)
    here = here * (1 - resized(dressed, square.size))
    people = there.copy()
    people[square.inner] = np.maximum(there[square.inner], here)
    return _Seen(there, here, people, worn, dressed)


def _near(square: _Square, seen: _Seen) -> np.ndarray:
    """Where the square may change, `[n, n, 1]`: at people and a little around them, but not at clothes that stay."""
    stays = _around(np.minimum(seen.worn, seen.dressed), seen.worn)
    return _widened(seen.people) * (1 - resized(stays, len(square.before)))


def _alone(square: _Square, seen: _Seen, new: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How the square changes where somebody's head goes, `[n, n, 3]`, and `new`, the face of another, before what was
    behind that head: `[size, size, 3]`."""
    before, inner, down = square.before, square.inner, _down(square)
    behind = _behind(square, seen.there)
    body = np.maximum(_step(down, *LOWER)[inner[0]], resized(seen.worn, square.size))
    clear = behind[inner] + (before - behind)[inner] * body
    return (behind - before) * _step(down, *UPPER), new + (clear - new) * (1 - seen.here)


def _bared(square: _Square, seen: _Seen, change: np.ndarray, redrawn: np.ndarray) -> np.ndarray:
    """How the square changes, `[n, n, 3]`, where the face has less hair on top than the photo: what was behind is seen,
    also beyond the crop, where hair would stay alone. But only if much is gone at the border, not if a strand is.
    `redrawn` is where the edit changed something."""
    upper = _step((np.arange(COLOUR_SIZE)[:, None, None] + 0.5) / COLOUR_SIZE, *UPPER)
    there, here = (resized(people, COLOUR_SIZE) for people in (seen.there[square.inner], seen.here))
    gone = np.minimum(_step(there - here, *BARE), redrawn) * upper
    border = upper * (_distance(COLOUR_SIZE) > RIM[1])
    share = _step((gone * border).sum() / max((there * border).sum(), 1), *SHORN)
    beyond = _step(_distance(len(square.before)) * (1 + 2 * MARGIN), RIM[1], 1) * _step(_down(square), *UPPER)
    bare = share * np.maximum(framed(resized(_wide(gone), square.size), square.border), beyond)
    return change + (_behind(square, seen.there) - square.before - change) * bare if bare.any() else change


def _down(square: _Square) -> np.ndarray:
    """How far down in its crop the square's rows are, `[n, 1, 1]`, from 0 to 1 within."""
    return (np.arange(len(square.before), dtype=np.float32)[:, None, None] + 0.5 - square.border) / square.size


def _surroundings(photo: Image.Image, corners: np.ndarray, size: int) -> np.ndarray:
    """The square `[size, size, 3]`; beyond the photo's edges, its mirror image."""
    near, start, shrink = geometry.nearby(photo, corners, size)
    low, high = np.floor(corners.min(axis=0)).astype(int), np.ceil(corners.max(axis=0)).astype(int)
    (left, top), (right, bottom) = (-(-np.maximum(beyond, 0) // shrink) for beyond in (-low, high - photo.size))
    part = np.pad(np.asarray(near), ((top, bottom), (left, right), (0, 0)), "symmetric")
    moved = (corners - start) / shrink + (left, top)
    return np.asarray(geometry.cut(Image.fromarray(part), moved, size), np.float32)


def _people(square: _Square, face: Image.Image, silhouette: Finder | None) -> tuple[np.ndarray, np.ndarray]:
    """Where there are people in the square, and in the `face`: `[n, n, 1]` and `[size, size, 1]`. Everywhere, if there
    is no silhouette or it shows nobody in the middle: it may be a cat."""
    before, size = square.before, square.size
    if silhouette is not None:
        there = resized(silhouette(_picture(before)), len(before))
        middle = slice(round(0.4 * len(before)), round(0.6 * len(before)))
        if there[middle, middle].mean() > 0.5:
            return there, resized(silhouette(face), size)
    return np.ones((*before.shape[:2], 1), np.float32), np.ones((size, size, 1), np.float32)


def _middle_one(people: np.ndarray) -> np.ndarray:
    """Of the people in a crop, `[n, n, 1]`, the one in its middle: the generator draws bystanders, too. The whole crop,
    if nobody is seen there: what was drawn may not look like a person."""
    seen = Image.fromarray((resized(people, COLOUR_SIZE)[..., 0] > 0.5).astype(np.uint8))
    middle = (COLOUR_SIZE // 2, COLOUR_SIZE // 2)
    if not seen.getpixel(middle):
        return np.ones_like(people)
    seen = seen.copy()  # pictures of arrays cannot be filled
    ImageDraw.floodfill(seen, middle, 2)
    parts = np.asarray(seen)[..., None]
    bystanders = _wide((parts == 1).astype(np.float32)) * (parts != 2)  # with their soft edges
    return people * (1 - resized(bystanders, len(people)))


def _where(clothes: Finder | None, picture: Image.Image, sure: tuple[float, float]) -> np.ndarray:
    """Where a crop shows clothes, `[COLOUR_SIZE, COLOUR_SIZE, 1]`; nowhere, if nothing can tell."""
    if clothes is None:
        return np.zeros((COLOUR_SIZE, COLOUR_SIZE, 1), np.float32)
    return _step(resized(clothes(picture), COLOUR_SIZE), *sure)


def _around(inner: np.ndarray, edge: np.ndarray) -> np.ndarray:
    """Places of a crop `[COLOUR_SIZE, COLOUR_SIZE, 1]` and of what is around it, where the `edge` of a crop goes on:
    `[AROUND_SIZE, AROUND_SIZE, 1]`."""
    whole = np.pad(edge, ((AROUND, AROUND), (AROUND, AROUND), (0, 0)), "edge")
    whole[AROUND:-AROUND, AROUND:-AROUND] = inner
    return whole


def _behind(square: _Square, people: np.ndarray) -> np.ndarray:
    """The square without `people` `[n, n, 1]`: what is around them goes on behind them. `[n, n, 3]`."""
    before = square.before
    hidden = _step(_wide(resized(people, AROUND_SIZE)), 0.0, 0.5)
    behind = backgrounds.filled(before, (1 - hidden) * square.visible)
    return before + (behind - before) * resized(hidden, len(before))


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


def _strands(size: int) -> np.ndarray:
    """Where long hair is drawn, `[size, size, 1]`: what leaves the crop at its lower border ends there, beside the neck
    as hair does, in strands that are not equally long."""
    place, random = (np.arange(size, dtype=np.float32) + 0.5) / size, np.random.RandomState(0)
    shorter = np.zeros(size, np.float32)
    for width in STRANDS:
        ends = random.rand(round(1 / width) + 1)
        shorter += RAGGED / len(STRANDS) * np.interp(place / width, np.arange(len(ends)), ends)
    shorter *= _step(np.abs(place - 0.5), *NECK)
    return _step((1 - place)[:, None] - shorter, 0.0, TIP)[..., None]


def _distance(size: int, axes: tuple[float, float] = (0.5, 0.5), power: float = np.inf) -> np.ndarray:
    """The distance of a square's pixels from its middle, `[size, size, 1]`: 1 on the superellipse with these half axes,
    which are fractions of its edge."""
    place = np.abs((np.arange(size, dtype=np.float32) + 0.5) / size - 0.5)
    return np.asarray(np.linalg.norm(np.meshgrid(*(place / axis for axis in axes)), power, axis=0))[..., None]


def _edited(face: Image.Image, reference: Image.Image) -> np.ndarray:
    """Where an edit changed something, 0 to 1, slightly widened: `[COLOUR_SIZE, COLOUR_SIZE, 1]`."""
    much = _step(np.abs(small(face) - small(reference)).max(axis=2), *EDITED)
    return _wide(much[..., None])


def _widened(people: np.ndarray) -> np.ndarray:
    """People in the photo's square `[n, n, 1]`, widened."""
    return resized(_wide(resized(people, AROUND_SIZE)), len(people))


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


def _visible(corners: np.ndarray, size: int, photo: tuple[int, int]) -> np.ndarray:
    """Which places of the square with these corners, `[size, size, 1]`, are in the photo and not in its mirror image:
    `photo` is its width and height."""
    places = _places(corners, size)
    return np.asarray(((places >= 0) & (places < photo)).all(axis=2, keepdims=True), np.float32)


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
    coarse = resized(change, half)
    rest = _blended(coarse, resized(mask, half), levels - 1)
    return (change - resized(coarse, len(change))) * mask + resized(rest, len(change))


def _scaled(picture: Image.Image, size: int) -> np.ndarray:
    return np.asarray(picture.resize((size, size), Image.Resampling.LANCZOS), np.float32)


def _picture(values: np.ndarray) -> Image.Image:
    return Image.fromarray(values.round().clip(0, 255).astype(np.uint8))
