"""Measuring models: each draws its pictures, and they are compared with the same others."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from stylegan_cli import hardware, store
from stylegan_cli.cli import features
from stylegan_cli.cli.console import fetch, progress, tell
from stylegan_cli.cli.opened import open_generator
from stylegan_cli.cli.options import ModelChoice
from stylegan_cli.datasets.layout import is_zip
from stylegan_cli.errors import UsageError
from stylegan_cli.metrics.evaluation import Judge, Report, Settings
from stylegan_cli.metrics.sets import DataSet, Made
from stylegan_cli.scorers.perceptual import EFFICIENTNET

if TYPE_CHECKING:
    from stylegan_cli.metrics.features import Features
    from stylegan_cli.metrics.sets import PictureSet


@dataclass(frozen=True)
class Drawing:
    """How models draw the pictures that are measured."""

    device: str
    precision: str
    psi: float
    class_index: int | None


class Comparison:
    """Measures models by their likeness to `reference`, a data set or another model, whose features are computed once;
    or, without one, alone."""

    def __init__(self, settings: Settings, features: str, drawing: Drawing, reference: str | None) -> None:
        self._settings, self._named, self._drawing = settings, features, drawing
        self._reference = None if reference is None else self._opened(reference)
        self.tell = cache(tell)  # what there is to know about the reference is the same for every model

    def measure(self, name: str) -> Report:
        """What is measured of a model, or of a data set."""
        reference, only = self._reference, self._drawing.class_index
        judged = self._opened(name, reference if isinstance(reference, DataSet) else None)
        self._settings.check(judged)  # before anything is fetched
        for side in (judged, reference):
            if only is not None and isinstance(side, DataSet) and not side.classes:
                self.tell(f"{side.title} has no classes, so all its pictures are taken for class {only}.")
        judge = self._judge or Judge(judged, self._settings, self.features)
        with progress(f"measuring {name}", judge.steps(judged), "pictures") as advance:
            return judge(judged, advance)

    @cached_property
    def features(self) -> Features | None:
        """What pictures are compared by, if they are; fetched with all else that is needed."""
        if "ppl" in self._settings.metrics:
            fetch([EFFICIENTNET])
        if not self._settings.compares:
            return None
        return features.opened(self._named, hardware.choose_device(self._drawing.device))

    @cached_property
    def _judge(self) -> Judge | None:
        return None if self._reference is None else Judge(self._reference, self._settings, self.features)

    def _opened(self, name: str, like: DataSet | None = None) -> PictureSet:
        drawing = self._drawing
        if is_data(name):
            return DataSet(Path(name), only=drawing.class_index)
        generator, _ = open_generator(ModelChoice(name, drawing.device, drawing.precision))
        if drawing.class_index is not None:
            generator.choose_class(drawing.class_index)
        return Made(generator, drawing.psi, like)


def is_data(name: str) -> bool:
    """Whether a side is a data set, not a model. Raises UsageError if it is neither."""
    path, models = Path(name), store.models()
    if is_zip(path) or (path.is_dir() and name not in models and not (path / store.SNAPSHOT).is_file()):
        return True
    if not (name in models or name.startswith(store.URL) or store.is_file(name)):
        raise UsageError(
            f"there is neither a model nor a data set {name!r}; known models are {', '.join(models)}, and paths to a "
            "model file, or to a folder or .zip of pictures, work too"
        )
    return False
