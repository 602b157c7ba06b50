"""Metrics of a model while it is trained: by its data set (all of it, whatever --subset says), and not more often than
is cheap."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from stylegan_cli.errors import UsageError
from stylegan_cli.generator import Generator
from stylegan_cli.metrics.evaluation import DISTANCES, MIN_PICTURES, Judge, Report, Settings
from stylegan_cli.metrics.features import EfficientNetFeatures
from stylegan_cli.metrics.sets import DataSet, Made

FEWEST = 2 * MIN_PICTURES  # in a data set whose halves can be compared
PICTURES = 1000  # a side: half of what `stylegan metrics` takes, for a curve with twice as many points
# Training goes on for so many times what the last measurement took: a twentieth of the time is spent on metrics.
PATIENCE = 20


def metrics_of(names: str) -> tuple[str, ...]:
    """The metrics that `fd`, `kd`, `fd,kd` or `none` names."""
    found = tuple(name.strip() for name in names.split(","))
    if found == ("none",):
        return ()
    for name in found:
        if name not in DISTANCES:
            raise UsageError(f"training measures no {name!r}; --metrics are fd, kd, fd,kd or none")
    return found


def is_due(ticks: Sequence[dict[str, Any]], measured: Sequence[dict[str, Any]]) -> bool:
    """Whether a run with this log and these measurements has trained for long enough since the last of them."""
    if not measured:
        return True
    last = measured[-1]
    return sum(tick["seconds"] for tick in ticks if tick["nimg"] > last["nimg"]) >= PATIENCE * last["seconds"]


class Watch:
    """Judges generators by `data` of at least FEWEST pictures, with the numbers of `stylegan metrics`.

    As many pictures as there are in half of the data at most: so the distance between its halves, the `floor`, is one
    of as many pictures.
    """

    def __init__(self, data: DataSet, metrics: tuple[str, ...], device: torch.device) -> None:
        self._data = data
        num = min(PICTURES, (data.count or 0) // 2)
        self._judge = Judge(data, Settings(metrics, num), EfficientNetFeatures(device))
        self._floor: Report | None = None

    def __call__(self, generator: Generator, on_picture: Callable[[], None]) -> list[dict[str, Any]]:
        """A line for each metric: its value, what it depends on, and the `seconds` that all of them took."""
        began = time.perf_counter()
        self._floor = self._floor or self._judge(self._data, on_picture)
        report = self._judge(Made(generator, classes=self._data.classes if generator.c_dim else None), on_picture)
        seconds = time.perf_counter() - began
        return [
            {
                "name": measure.name,
                "title": measure.title,
                "value": measure.estimate.value,
                "low": measure.estimate.low,
                "high": measure.estimate.high,
                "interval": f"95 %, {measure.interval}",
                "floor": self._floor[measure.name],
                "features": report.features,
                "num": report.num,
                "size": report.size,
                "filter": report.filter,
                "seed": report.seed,
                **{key: report.subject_about[key] for key in ("psi", "class", "precision")},
                "seconds": seconds,
            }
            for measure in report.measures
        ]
