"""What is behind people: unknown parts of a picture, filled with what is around them.

What is known is mirrored at its border, as textures and lines that meet the border go on behind it. Where there is
nothing to mirror, colours go on smoothly.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from stylegan_cli.faces.colours import resized
from stylegan_cli.faces.details import moved

SURE = 0.98  # how well known a place is that is mirrored
LITTLE = 4  # places beyond a border are too few to be mirrored
SMOOTH = 2  # places: neighbours that differ less are mirrored alike


def filled(picture: np.ndarray, known: np.ndarray) -> np.ndarray:
    """A square picture `[n, n, 3]`, everywhere as it could be behind what hides it, given where it is `known`
    `[m, m, 1]`, 0 to 1, at a coarser resolution."""
    size = len(picture)
    smooth = resized(_continued(resized(picture, len(known)), known), size)
    way, found = _mirrored(known[..., 0] >= SURE)
    return smooth + (_seen_along(picture, way) - smooth) * resized(found, size)


def _mirrored(known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For places that are not `known` `[m, m]`, the way to what they mirror, `[k, k, 2]` (down, right) in fractions of
    the picture's edge; and whether there is something, 0 to 1: `[l, l, 1]`. They mirror what is beyond the nearest
    border, at the same distance, or less if the known part ends there."""
    size = len(known)
    way, found = np.zeros((size, size, 2), np.float32), known[..., None].astype(np.float32)
    padded = np.pad(known, 1, constant_values=True)
    inside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    border, places = np.argwhere(known & ~inside).astype(np.float32), np.argwhere(~known).astype(np.float32)
    if not len(border):  # all is known, or nothing
        return way, found
    down, right = ((places[:, None, axis] - border[:, axis]) ** 2 for axis in (0, 1))
    nearest = border[(down + right).argmin(axis=1)]
    depth = np.linalg.norm(nearest - places, axis=1, keepdims=True)
    outwards = (nearest - places) / depth
    room = _room(known, nearest, outwards)
    beyond = room * (1 - np.exp(-depth / room.clip(1e-3)))
    way[~known] = (depth + beyond) * outwards / size
    found[~known] = room > LITTLE
    return resized(way, size // SMOOTH), resized(found, size // SMOOTH // 2)


def _room(known: np.ndarray, start: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """How far the `known` part `[m, m]` goes on from places `[k, 2]` in a direction `[k, 2]`, in places: `[k, 1]`."""
    size = len(known)
    room, is_open = np.zeros(len(start), np.float32), np.ones(len(start), bool)
    for step in range(1, size):
        y, x = (start + step * direction).round().astype(int).T
        within = (y >= 0) & (y < size) & (x >= 0) & (x < size)
        is_open &= within & known[y.clip(0, size - 1), x.clip(0, size - 1)]
        room += is_open
    return room[:, None]


def _seen_along(picture: np.ndarray, way: np.ndarray) -> np.ndarray:
    """What each place of a picture `[n, n, 3]` sees at the end of its way `[m, m, 2]`."""
    values, flow = (torch.from_numpy(one).permute(2, 0, 1)[None] for one in (picture, resized(way, len(picture))))
    return np.asarray(moved(values, flow.flip(1))[0].permute(1, 2, 0))


def _continued(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Values `[n, n, 3]`, and where they are not `known` `[n, n, 1]`, means of known ones: the farther, the wider."""
    if len(values) == 1:
        return values
    half = math.ceil(len(values) / 2)
    share = resized(known, half)
    means = resized(values * known, half) / np.maximum(share, 1e-6)
    wide = _continued(means, np.minimum(2 * share, 1))
    return values * known + resized(wide, len(values)) * (1 - known)
