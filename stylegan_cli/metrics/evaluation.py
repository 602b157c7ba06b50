"""Compares one set of pictures with another: numbers, intervals, and everything that they depend on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from stylegan_cli.datasets.framing import FILTERS, Framing, check_filter
from stylegan_cli.errors import StyleganError, UsageError
from stylegan_cli.metrics import distances, path_length, precision_recall
from stylegan_cli.metrics.estimates import GROUPS, Estimate, jackknife, leaving_out
from stylegan_cli.metrics.features import EfficientNetFeatures, Features, describe
from stylegan_cli.metrics.sets import DataSet, Made, PictureSet
from stylegan_cli.scorers import perceptual

METRICS = ("fd", "kd", "pr", "ppl")
# The beginnings of NVIDIA's names, and the nearest metrics here; NVIDIA's use other numbers of pictures.
NEAREST = {"fid": "fd --features inception", "kid": "kd --features inception", "pr": "pr", "ppl": "ppl"}
JACKKNIFE = f"jackknife of {GROUPS} groups"
# Functions that return the values `jackknife` takes.
DISTANCES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "fd": partial(leaving_out, distances.frechet),
    "kd": distances.kernel,
}
MIN_PICTURES = 5 * GROUPS  # so that each group still has some
MIN_PATHS = GROUPS  # one in each of the blocks that give the interval of their mean


def listed(names: str) -> tuple[str, ...]:
    """`fd,kd` as a tuple, each name once."""
    return tuple(dict.fromkeys(name.strip() for name in names.split(",")))


def _nearest(name: str) -> str:
    """What to use for NVIDIA's name, which may say how many pictures it means."""
    number = " --num 50000" if "50k" in name else ""
    return next((f"; nearest: --metrics {to}{number}" for key, to in NEAREST.items() if name.startswith(key)), "")


@dataclass(frozen=True)
class Settings:
    """`metrics` of METRICS, on up to `num` pictures of each side. They are compared at `size` pixels (None: the smaller
    of the two resolutions), to which `filter` scales them, and then to the size that the features need. Raises
    UsageError for unknown names, or too few pictures (or paths, if nothing is compared)."""

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
        if self.num < MIN_PATHS:
            raise UsageError(f"{self.num} paths are too few for the interval of their length; use at least {MIN_PATHS}")

    @property
    def compares(self) -> bool:
        """Whether pictures are compared with a reference: path length is measured on a model alone."""
        return set(self.metrics) != {"ppl"}


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
        """The value of the measure called `fd`, `kd`, `precision`, `recall` or `ppl`."""
        return next(measure.estimate.value for measure in self.measures if measure.name == name)

    def as_dict(self) -> dict[str, Any]:
        """The report for JSON, with the measures by name."""
        measures = {measure.name: asdict(measure) for measure in self.measures}
        return asdict(self) | {"measures": {name: one | one.pop("estimate") for name, one in measures.items()}}


class Judge:
    """Compares sets of pictures with one `reference`, whose features are computed once."""

    def __init__(self, reference: PictureSet, settings: Settings, features: Features) -> None:
        self.reference, self.settings, self.features = reference, settings, features
        self._known: dict[tuple[int, int], np.ndarray] = {}

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
        paths = num * ("ppl" in self.settings.metrics)
        if not self.settings.compares:
            return paths
        is_known = (reference_num, self._size(subject)) in self._known
        return paths + num + (0 if is_known else reference_num)

    def __call__(self, subject: PictureSet, on_picture: Callable[[], None] = lambda: None) -> Report:
        asked = self.settings.metrics
        if "ppl" in asked and not isinstance(subject, Made):
            raise UsageError(f"path length (ppl) is measured on a model, but {subject.title} is a data set")
        num, reference_num = self.counts(subject)
        measures: list[Measure] = []
        size = None
        if self.settings.compares:
            size = self._size(subject)
            real = self._real(reference_num, size, on_picture)
            fake = self._describe(subject, num, size, int(self._same(subject)), on_picture)
            measures += self._compare(fake, real)
        if "ppl" in asked and isinstance(subject, Made):
            measures.append(self._path_length(subject, num, on_picture))
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

    def _path_length(self, made: Made, num: int, on_path: Callable[[], None]) -> Measure:
        network = perceptual.network(made.generator.device)
        seed = self.settings.seed
        lengths = path_length.path_lengths(made.generator, network, made.ends(num, seed), seed, on_path)
        title = f"PPL-{EfficientNetFeatures.name}"
        return Measure("ppl", title, path_length.path_length(lengths), f"{GROUPS} blocks")
