"""Compares one set of pictures with another, or measures a model alone: numbers, intervals, and everything that they
depend on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from stylegan_cli.datasets.framing import FILTERS, Framing, check_filter
from stylegan_cli.errors import StyleganError, UsageError
from stylegan_cli.metrics import distances, equivariance, path_length, precision_recall
from stylegan_cli.metrics.estimates import GROUPS, Estimate, jackknife, leaving_out
from stylegan_cli.metrics.features import EfficientNetFeatures, Features, describe
from stylegan_cli.metrics.sets import DataSet, Made, PictureSet
from stylegan_cli.scorers import perceptual

ALONE = ("ppl", *equivariance.TITLES)  # metrics of a model, which compare it with nothing
METRICS = ("fd", "kd", "pr", *ALONE)
# The beginnings of NVIDIA's names, and the nearest metrics here; NVIDIA's use other numbers of pictures.
NEAREST = {
    "fid": "fd --features inception",
    "kid": "kd --features inception",
    "pr": "pr",
    "ppl": "ppl",
    "eqt50k_frac": "eqt_frac",
    "eqt": "eqt_int",
    "eqr": "eqr",
}
JACKKNIFE = f"jackknife of {GROUPS} groups"
# Functions that return the values `jackknife` takes.
DISTANCES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "fd": partial(leaving_out, distances.frechet),
    "kd": distances.kernel,
}
MIN_PICTURES = 5 * GROUPS  # so that each group still has some
MIN_ALONE = GROUPS  # paths or pictures of a model alone: one in each of the groups that give the interval


def listed(names: str) -> tuple[str, ...]:
    """`fd,kd` as a tuple, each name once."""
    return tuple(dict.fromkeys(name.strip() for name in names.split(",")))


def counted(metrics: Sequence[str]) -> str:
    """What `num` is a number of if these metrics are measured, for people."""
    return "paths" if set(metrics) == {"ppl"} else "pictures"


def _nearest(name: str) -> str:
    """What to use for NVIDIA's name, which may say how many pictures it means."""
    number = " --num 50000" if "50k" in name else ""
    return next((f"; nearest: --metrics {to}{number}" for key, to in NEAREST.items() if name.startswith(key)), "")


@dataclass(frozen=True)
class Settings:
    """`metrics` of METRICS, on up to `num` pictures of each side. They are compared at `size` pixels (None: the smaller
    of the two resolutions), to which `filter` scales them, and then to the size that the features need. Raises
    UsageError for unknown names, or too few pictures (or paths)."""

    metrics: tuple[str, ...] = ("fd", "kd", "pr")
    num: int = 2000
    seed: int = 0
    size: int | None = None
    filter: str = "lanczos"

    def __post_init__(self) -> None:
        for name in self.metrics:
            if name not in METRICS:
                raise UsageError(f"there is no metric {name!r}; metrics are {', '.join(METRICS)}{_nearest(name)}")
        check_filter(self.filter)
        if self.compares and self.num < MIN_PICTURES:
            raise UsageError(f"{self.num} pictures are too few to compare; use at least {MIN_PICTURES}")
        if self.num < MIN_ALONE:
            raise UsageError(
                f"{self.num} {counted(self.metrics)} are too few for an interval; use at least {MIN_ALONE}"
            )

    @property
    def alone(self) -> tuple[str, ...]:
        """Those of the metrics that are of a model alone."""
        return tuple(name for name in self.metrics if name in ALONE)

    @property
    def compares(self) -> bool:
        """Whether pictures are compared with a reference."""
        return self.alone != self.metrics

    @property
    def of_moved(self) -> tuple[str, ...]:
        """Those of the metrics that are about moved pictures."""
        return tuple(name for name in self.metrics if name in equivariance.TITLES)

    def check(self, subject: PictureSet) -> None:
        """Raises UsageError if the metrics cannot be measured on this subject, before anything is drawn."""
        if self.alone and not isinstance(subject, Made):
            raise UsageError(f"{self.alone[0]} is measured on a model, but {subject.title} is a data set")
        if self.of_moved and isinstance(subject, Made):
            equivariance.check(subject.generator)


@dataclass(frozen=True)
class Measure:
    """A metric's `name` for programs, its `title` for people, its value with a 95 % interval, and how the interval was
    computed."""

    name: str
    title: str
    estimate: Estimate
    interval: str


@dataclass(frozen=True)
class Report:
    """Measures, and everything they depend on: only measures that agree in all of it are comparable. Each side has a
    title and the contents of `PictureSet.about`. Where no pictures are compared, what depends on that is None."""

    subject: str
    subject_about: dict[str, Any]
    reference: str
    reference_about: dict[str, Any]
    num: int
    reference_num: int
    seed: int
    size: int | None
    features_size: int | None
    filter: str | None
    features: str | None
    measures: tuple[Measure, ...]

    def __getitem__(self, name: str) -> float:
        """The value of the measure called `fd`, `kd`, `precision`, `recall`, `ppl`, `eqt_int`, `eqt_frac` or
        `eqr`."""
        return next(measure.estimate.value for measure in self.measures if measure.name == name)

    def as_dict(self) -> dict[str, Any]:
        """The report for JSON, with the measures by name."""
        measures = {measure.name: asdict(measure) for measure in self.measures}
        return asdict(self) | {"measures": {name: one | one.pop("estimate") for name, one in measures.items()}}


class Judge:
    """Compares sets of pictures with one `reference`, whose features are computed once. `features` may be None if the
    settings compare nothing."""

    def __init__(self, reference: PictureSet, settings: Settings, features: Features | None) -> None:
        self.reference, self.settings, self._features = reference, settings, features
        self._known: dict[tuple[int, int], np.ndarray] = {}

    @property
    def features(self) -> Features:
        assert self._features is not None  # the settings compare something
        return self._features

    def counts(self, subject: PictureSet) -> tuple[int, int]:
        """How many pictures of the subject and of the reference are compared: as many as asked for, if there are so
        many; if both are the same data set, its halves; all of the reference, if the features require that. Raises
        StyleganError if there are too few."""
        if not self.settings.compares:
            return self.settings.num, 0
        parts = 2 if self._same(subject) else 1
        num, reference_num = (
            self.settings.num if side.count is None else min(self.settings.num, side.count // parts)
            for side in (subject, self.reference)
        )
        if self.features.by_all and not self._same(subject) and self.reference.count is not None:
            reference_num = self.reference.count
        if (least := min(num, reference_num)) < MIN_PICTURES:
            raise StyleganError(
                f"{subject.title} and {self.reference.title} give only {least} pictures for each side, which is too "
                f"few to compare; use at least {MIN_PICTURES}"
            )
        return num, reference_num

    def steps(self, subject: PictureSet) -> int:
        """How many times `on_picture` will be called."""
        num, reference_num = self.counts(subject)
        alone = num * (("ppl" in self.settings.metrics) + bool(self.settings.of_moved))
        if not self.settings.compares:
            return alone
        is_known = (reference_num, self._size(subject)) in self._known
        return alone + num + (0 if is_known else reference_num)

    def __call__(self, subject: PictureSet, on_picture: Callable[[], None] = lambda: None) -> Report:
        self.settings.check(subject)
        num, reference_num = self.counts(subject)
        measures: list[Measure] = []
        size = None
        if self.settings.compares:
            size = self._size(subject)
            real = self._real(reference_num, size, on_picture)
            fake = self._describe(subject, num, size, int(self._same(subject)), on_picture)
            measures += self._compare(fake, real)
        if isinstance(subject, Made):
            measures += self._alone(subject, num, on_picture)
        return Report(
            subject=subject.title,
            subject_about=subject.about(),
            reference=self.reference.title,
            reference_about=self.reference.about(),
            num=num,
            reference_num=reference_num,
            seed=self.settings.seed,
            size=size,
            features_size=None if size is None else self.features.size(size),
            filter=None if size is None else self.settings.filter,
            features=None if size is None else self.features.name,
            measures=tuple(measures),
        )

    def _size(self, subject: PictureSet) -> int:
        """At how many pixels pictures are compared."""
        return self.settings.size or min(subject.resolution, self.reference.resolution)

    def _same(self, subject: PictureSet) -> bool:
        """Whether both are the same: then they must not be compared on the same pictures."""
        a, b = subject, self.reference
        if isinstance(a, DataSet) and isinstance(b, DataSet):
            return a.path.resolve() == b.path.resolve()
        return isinstance(a, Made) and isinstance(b, Made)

    def _real(self, num: int, size: int, on_picture: Callable[[], None]) -> np.ndarray:
        if (num, size) not in self._known:
            self._known[num, size] = self._describe(self.reference, num, size, 0, on_picture)
        return self._known[num, size]

    def _describe(
        self, pictures: PictureSet, num: int, size: int, part: int, on_picture: Callable[[], None]
    ) -> np.ndarray:
        frame = Framing(size, size, filter=self.settings.filter, upscale=True)
        drawn = pictures.draw(num, self.settings.seed, part)
        return describe(map(frame, drawn), self.features, FILTERS[self.settings.filter], on_picture)

    def _compare(self, fake: np.ndarray, real: np.ndarray) -> Iterator[Measure]:
        for name in self.settings.metrics:
            if name in DISTANCES:
                (found,) = jackknife(DISTANCES[name](fake, real))
                yield Measure(name, self.features.titles[name], found, JACKKNIFE)
            elif name == "pr":
                both = jackknife(precision_recall.precision_recall(fake, real))
                for title, found, rows in zip(("precision", "recall"), both, (fake, real), strict=True):
                    estimate = found.and_share_of(len(rows)).within(0, 1)
                    yield Measure(title, f"{title}-{self.features.name}", estimate, f"{JACKKNIFE}, and Wilson's")

    def _alone(self, made: Made, num: int, on_picture: Callable[[], None]) -> Iterator[Measure]:
        generator, seed = made.generator, self.settings.seed
        if "ppl" in self.settings.metrics:
            network = perceptual.network(generator.device)
            lengths = path_length.path_lengths(generator, network, made.ends(num, seed), seed, on_picture)
            title = f"PPL-{EfficientNetFeatures.name}"
            yield Measure("ppl", title, path_length.path_length(lengths), f"{GROUPS} blocks")
        if names := self.settings.of_moved:
            people = made.moving(num, seed, equivariance.NUMBERS)
            errors = equivariance.squared_errors(generator, names, people, on_picture)
            for name, found in zip(names, map(equivariance.equivariance, errors), strict=True):
                yield Measure(name, equivariance.TITLES[name], found, JACKKNIFE)
