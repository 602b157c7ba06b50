"""Data sets in NVIDIA's layout: `00000/img00000000.png` and `dataset.json`, in a folder or zip."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType

from stylegan_cli.errors import StyleganError
from stylegan_cli.files import LOCK, alone, part_of, replacing_alone, sweep, write_bytes

LABELS = "dataset.json"
FOLDER_SIZE = 1000


def picture_name(index: int, format: str) -> str:
    """The name of picture `index` in a data set."""
    return f"{index // FOLDER_SIZE:05d}/img{index:08d}.{format}"


def is_zip(path: Path) -> bool:
    """Whether a data set of this name is a zip rather than a folder."""
    return path.suffix.lower() == ".zip"


def labels_file(
    labels: Sequence[tuple[str, int]] = (), classes: Sequence[str] = (), model: Mapping[str, str] | None = None
) -> bytes:
    """The content of `dataset.json`: the class of each picture by name, if there are any, and the names of classes; the
    `model` that the pictures were sampled from."""
    about: dict[str, object] = {"labels": labels or None}
    if model:
        about["model"] = model
    if classes:
        about["classes"] = classes
    return json.dumps(about).encode()


def member(name: str) -> zipfile.ZipInfo:
    """The entry of a file in a zip, without its time, so that the same pictures make the same zip."""
    info = zipfile.ZipInfo(name)
    info.external_attr = 0o644 << 16
    return info


class PictureWriter:
    """Streams encoded pictures, and perhaps their classes, into a folder or a `.zip`.

    A zip gets its name only when it is complete; in a folder every file does. `classes` are the names of the classes;
    `labels` are the names of the pictures written so far, each with its class.
    """

    def __init__(self, path: Path, format: str, classes: Sequence[str] = ()) -> None:
        self.path, self.format, self.classes, self.index = path, format, classes, 0
        self.labels: list[tuple[str, int]] = []
        self._zip: zipfile.ZipFile | None = None
        self._open_things = ExitStack()

    def __enter__(self) -> PictureWriter:
        with ExitStack() as opening:
            if is_zip(self.path):
                part = opening.enter_context(replacing_alone(self.path))
                self._zip = opening.enter_context(zipfile.ZipFile(part, "w", zipfile.ZIP_STORED))
            else:
                self.path.mkdir(parents=True, exist_ok=True)
            self._open_things = opening.pop_all()
        return self

    def add(self, encoded: bytes, label: int | None = None) -> None:
        """Writes the next picture; either all have labels or none has."""
        name = picture_name(self.index, self.format)
        self._write(name, encoded)
        if label is not None:
            self.labels.append((name, label))
        self.index += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._open_things.__exit__(kind, error, trace)
            return
        with self._open_things:  # if the disk is full here, they are closed as after any other error
            self._write(LABELS, labels_file(self.labels, self.classes))

    def _write(self, name: str, content: bytes) -> None:
        if self._zip is not None:
            self._zip.writestr(member(name), content)
        else:
            write_bytes(self.path / name, content)


@contextmanager
def writing_pictures(path: Path, format: str, classes: Sequence[str] = ()) -> Iterator[PictureWriter]:
    """A new data set, complete or absent: a `.zip`, or a folder that is empty or does not exist. Raises StyleganError
    if the folder is not empty, or another process is writing it."""
    if is_zip(path):
        with PictureWriter(path, format, classes) as writer:
            yield writer
        return
    path = path.absolute()  # so that the current folder has a name, too
    held = alone(path.with_name(f".{path.name}{LOCK}"), f"{path} is being written")
    with held, _new_folder(path) as folder, PictureWriter(folder, format, classes) as writer:
        yield writer


@contextmanager
def _new_folder(path: Path) -> Iterator[Path]:
    """The folder `path`, if it exists and is empty, or else one that gets this name if the block succeeds; if it fails,
    everything is as before. What killed processes left of it is removed."""
    sweep(path)
    was_there = path.is_dir()
    if was_there and any(path.iterdir()):
        raise StyleganError(f"the folder {path} is not empty; choose another name")
    folder = path if was_there else part_of(path)
    try:
        yield folder
        folder.rename(path)
    except BaseException:
        if was_there:
            _empty(path)
        else:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _empty(folder: Path) -> None:
    """Removes the contents of a folder, but not the folder itself: it may be in use, or a link to another."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
