"""A film of training: its sheets of fakes in order, with the newest shown for a second."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from stylegan_cli.media.film import filming

LONGEST = 20  # seconds, including the one in which the newest sheet is held
SHEETS_A_SECOND = 8  # if there are few
MOST_A_SECOND = 30

T = TypeVar("T")


def write(sheets: Sequence[Path], path: Path) -> None:
    """Writes a film of 2 to 20 seconds from at least two sheets."""
    shown = spread(sheets, (LONGEST - 1) * MOST_A_SECOND)
    fps = rate(len(shown))
    with filming(path, fps, "mp4") as add:
        for sheet in [*shown, *shown[-1:] * fps]:
            with Image.open(sheet) as image:
                add(np.asarray(image.convert("RGB")))


def rate(sheets: int) -> int:
    """Sheets per second."""
    return min(max(SHEETS_A_SECOND, math.ceil(sheets / (LONGEST - 1))), sheets)


def spread(found: Sequence[T], most: int) -> list[T]:
    """At most `most` items, evenly chosen, including the first and the last."""
    if len(found) <= most:
        return list(found)
    return [found[round(i * (len(found) - 1) / (most - 1))] for i in range(most)]
