"""Following one face through a film: where it is in each frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from PIL import Image

from stylegan_cli.faces import alignment, detection, geometry
from stylegan_cli.faces.detection import Detection

JUMP = 0.4  # of a square's edge: from frame to frame, a face that is farther away is another
GROWTH = 1.3  # how much larger or smaller it may become
GAP = 0.5  # seconds for which a face may be hidden, and its place is taken to change evenly
STEADY = 0.06  # seconds: the standard deviation over which places are averaged

Squares = list[np.ndarray | None]
"""Of each frame FFHQ's square `[4, 2]`, as in `geometry`; None where the face is not seen."""


@dataclass(frozen=True)
class Trail:
    """Where the face is in every frame, and where the `others` are."""

    squares: Squares
    others: list[list[np.ndarray]]


def follow(
    frames: Iterable[Image.Image], number: int | None, owner: str, fps: float, on_frame: Callable[[], None]
) -> Trail:
    """Follows the face of this number, or the largest, in the first frame that shows any that is not tiny; `owner`
    names the film in messages. Raises as `alignment.choose` if there is no such face."""
    trail = Trail([], [])
    last: np.ndarray | None = None
    tiny: list[Detection] = []
    for frame in frames:
        everybody = detection.detect(frame)
        found = [face for face in everybody if not alignment.is_tiny(face)]
        tiny = tiny or everybody
        if last is None and found:
            square: np.ndarray | None = found[alignment.choose(found, number, owner) - 1].square
        else:
            square = _nearest(found, last)
        trail.squares.append(square)
        trail.others.append([face.square for face in everybody if face.square is not square])
        last = last if square is None else square
        on_frame()
    if last is None:
        alignment.choose(tiny, number, owner)
    return Trail(steadied(_filled(trail.squares, round(GAP * fps)), STEADY * fps), trail.others)


def _nearest(found: Sequence[Detection], last: np.ndarray | None) -> np.ndarray | None:
    """The square nearest to the last one, if it can be the same face's."""
    if last is None or not found:
        return None
    edge = geometry.edge(last)
    square = min((face.square for face in found), key=lambda one: np.hypot(*(one - last).mean(axis=0)))
    growth = geometry.edge(square) / edge
    is_near = np.hypot(*(square - last).mean(axis=0)) < JUMP * edge
    return square if is_near and 1 / GROWTH < growth < GROWTH else None


def _filled(squares: Squares, gap: int) -> Squares:
    """With evenly changing squares where the face is missing in at most `gap` frames."""
    seen = [(i, square) for i, square in enumerate(squares) if square is not None]
    filled = list(squares)
    for (before, start), (after, end) in pairwise(seen):
        if after - before <= gap + 1:
            for i in range(before + 1, after):
                filled[i] = start + (end - start) * (i - before) / (after - before)
    return filled


def steadied(squares: Squares, frames: float) -> Squares:
    """Averaged over time with a bell curve, whose standard deviation is so many `frames`: detections tremble."""
    reach = round(3 * frames)

    def mean(i: int) -> np.ndarray:
        near = range(max(i - reach, 0), min(i + reach + 1, len(squares)))
        around = {j: square for j in near if (square := squares[j]) is not None}
        weights = np.exp([-0.5 * ((j - i) / max(frames, 1e-6)) ** 2 for j in around])
        return np.asarray(np.tensordot(weights / weights.sum(), np.stack(list(around.values())), 1))

    return [None if square is None else mean(i) for i, square in enumerate(squares)]
