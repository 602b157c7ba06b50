"""Data sets in NVIDIA's layout: `00000/img00000000.png` and `dataset.json`, in a folder or zip."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType

import numpy as np

from stylegan_cli.files import replacing
from stylegan_cli.latents.files import writing_npy

FOLDER_SIZE = 1000


class PictureWriter:
    """Streams encoded pictures, and perhaps their classes, into a folder or a `.zip`.

    A zip takes its name only when it is whole; in a folder every file does. `classes` names the classes.
    """

    def __init__(self, path: Path, format: str, classes: Sequence[str] = ()) -> None:
        self.path, self.format, self.classes, self.index = path, format, classes, 0
        self._labels: list[tuple[str, int]] = []
        self._zip: zipfile.ZipFile | None = None
        self._open_things = ExitStack()

    def __enter__(self) -> PictureWriter:
        with ExitStack() as opening:
            if self.path.suffix == ".zip":
                part = opening.enter_context(replacing(self.path))
                self._zip = opening.enter_context(zipfile.ZipFile(part, "w", zipfile.ZIP_STORED))
            else:
                self.path.mkdir(parents=True, exist_ok=True)
            self._open_things = opening.pop_all()
        return self

    def add(self, encoded: bytes, label: int | None = None) -> None:
        """The next picture; either all have labels or none has."""
        name = f"{self.index // FOLDER_SIZE:05d}/img{self.index:08d}.{self.format}"
        self._write(name, encoded)
        if label is not None:
            self._labels.append((name, label))
        self.index += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            about: dict[str, object] = {"labels": self._labels or None}
            if self.classes:
                about["classes"] = self.classes
            self._write("dataset.json", json.dumps(about).encode())
        self._open_things.__exit__(kind, error, trace)

    def _write(self, name: str, content: bytes) -> None:
        if self._zip is not None:
            self._zip.writestr(name, content)
            return
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as part:
            part.write_bytes(content)


class DatasetWriter:
    """Streams sampled pictures into a data set, and their latents, `shape` each, into a `.npy` beside them."""

    def __init__(self, path: Path, count: int, shape: tuple[int, int], format: str) -> None:
        self.path = path
        self.latents = path.with_name(f"{path.stem}-w.npy") if path.suffix == ".zip" else path / "w.npy"
        self._pictures = PictureWriter(path, format)
        self._shape = (count, *shape)
        self._open_things = ExitStack()

    @property
    def index(self) -> int:
        """How many pictures there are so far."""
        return self._pictures.index

    def __enter__(self) -> DatasetWriter:
        with ExitStack() as opening:
            opening.enter_context(self._pictures)
            self._add_ws = opening.enter_context(writing_npy(self.latents, self._shape))
            self._open_things = opening.pop_all()
        return self

    def add(self, encoded: bytes, ws: np.ndarray) -> None:
        """The next picture and its latents: `[1, w_dim]`, or `[num_ws, w_dim]` where layers differ."""
        self._pictures.add(encoded)
        self._add_ws(ws)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open_things.__exit__(kind, error, trace)


@contextmanager
def writing_pictures(path: Path, format: str, classes: Sequence[str] = ()) -> Iterator[PictureWriter]:
    """A new data set, whole or not there: a `.zip`, or a folder that is empty or does not exist."""
    if path.suffix == ".zip":
        with PictureWriter(path, format, classes) as writer:
            yield writer
        return
    was_there = path.is_dir()
    folder = path if was_there else path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with PictureWriter(folder, format, classes) as writer:
            yield writer
        folder.rename(path)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        if was_there:
            path.mkdir(exist_ok=True)
        raise
