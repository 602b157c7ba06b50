"""Metrics of a model during training: against its data set (all of it, whatever --subset is), and only as often as they
cost little."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from stylegan_cli.errors import UsageError
from stylegan_cli.generator import Generator
from stylegan_cli.metrics.evaluation import DISTANCES, MIN_PICTURES, Judge, Report, Settings, listed
from stylegan_cli.metrics.features import Features
from stylegan_cli.metrics.sets import DataSet, Made

FEWEST = 2 * MIN_PICTURES  # pictures in a data set, so that its halves can be compared
# Training continues for so many times the duration of the last measurement: a twentieth of the time goes into metrics.
PATIENCE = 20


def metrics_of(names: str) -> tuple[str, ...]:
    """The metrics that `fd`, `kd`, `fd,kd` or `none` names. Raises UsageError for other names."""
    found = listed(names)
    if found == ("none",):
        return ()
    for name in found:
        if name not in DISTANCES:
            raise UsageError(
                f"training does not measure {name!r}; use --metrics fd, kd, fd,kd or none, and then stylegan metrics"
            )
    return found


def is_due(ticks: Sequence[dict[str, Any]], measured: Sequence[dict[str, Any]]) -> bool:
    """Whether a run with this log and these measurements has trained long enough since the last measurement."""
    if not measured:
        return True
    last = measured[-1]
    return sum(tick["seconds"] for tick in ticks if tick["nimg"] > last["nimg"]) >= PATIENCE * last["seconds"]


@dataclass(frozen=True)
class Choice:
    """Which `metrics` are computed, with the features of this name, on up to `num` pictures of a model."""

    metrics: tuple[str, ...]
    features: str
    num: int


class Watch:
    """Compares generators with `data` of at least FEWEST pictures, as `stylegan metrics` does.

    It uses at most half as many pictures as there are, so that the distance between the halves of the data, the
    `floor`, is for the same number of pictures; but with features that compare with all of the data, as FID's, as many
    of a model as are asked for: then there is no such distance.
    """

    def __init__(self, data: DataSet, metrics: tuple[str, ...], features: Features, num: int) -> None:
        self._data = data
        self._num = num if features.by_all else min(num, data.count // 2)
        self._titles = {features.titles[name] for name in metrics}
        self._judge = Judge(data, Settings(metrics, self._num), features)
        self._floor: Report | None = None
        self._is_by_all = features.by_all

    def knows(self, measured: Sequence[dict[str, Any]], nimg: int) -> bool:
        """Whether these records have everything about the model after `nimg` pictures."""
        return self._titles <= {one["title"] for one in measured if (one["nimg"], one["num"]) == (nimg, self._num)}

    def __call__(self, generator: Generator, on_picture: Callable[[], None]) -> list[dict[str, Any]]:
        """A record for each metric: its value, what it depends on, and the `seconds` that all metrics took."""
        began = time.perf_counter()
        if not self._is_by_all:
            self._floor = self._floor or self._judge(self._data, on_picture)
        report = self._judge(Made(generator, like=self._data), on_picture)
        seconds = time.perf_counter() - began
        return [
            {
                "name": measure.name,
                "title": measure.title,
                "value": measure.estimate.value,
                "low": measure.estimate.low,
                "high": measure.estimate.high,
                "interval": f"95 %, {measure.interval}",
                "floor": self._floor and self._floor[measure.name],
                "features": report.features,
                "num": report.num,
                "reference_num": report.reference_num,
                "size": report.size,
                "filter": report.filter,
                "seed": report.seed,
                **{key: report.subject_about[key] for key in ("psi", "class", "precision")},
                "seconds": seconds,
            }
            for measure in report.measures
        ]
