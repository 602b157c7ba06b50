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
    """Where picture `index` is in a data set."""
    return f"{index // FOLDER_SIZE:05d}/img{index:08d}.{format}"


def is_zip(path: Path) -> bool:
    """Whether a data set of this name is a zip; else it is a folder."""
    return path.suffix.lower() == ".zip"


def labels_file(
    labels: Sequence[tuple[str, int]] = (), classes: Sequence[str] = (), model: Mapping[str, str] | None = None
) -> bytes:
    """The content of `dataset.json`: the class of each picture by its name, if there are any, and classes' names; the
    `model` that the pictures were sampled from."""
    about: dict[str, object] = {"labels": labels or None}
    if model:
        about["model"] = model
    if classes:
        about["classes"] = classes
    return json.dumps(about).encode()


def member(name: str) -> zipfile.ZipInfo:
    """A file in a zip, without the time: the same pictures make the same zip."""
    info = zipfile.ZipInfo(name)
    info.external_attr = 0o644 << 16
    return info


class PictureWriter:
    """Streams encoded pictures, and perhaps their classes, into a folder or a `.zip`.

    A zip takes its name only when it is whole; in a folder every file does. `classes` names the classes; `labels` are
    the pictures written so far with theirs.
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
        """The next picture; either all have labels or none has."""
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
        with self._open_things:  # closed as after any other error where the disk is full here
            self._write(LABELS, labels_file(self.labels, self.classes))

    def _write(self, name: str, content: bytes) -> None:
        if self._zip is not None:
            self._zip.writestr(member(name), content)
        else:
            write_bytes(self.path / name, content)


@contextmanager
def writing_pictures(path: Path, format: str, classes: Sequence[str] = ()) -> Iterator[PictureWriter]:
    """A new data set, whole or not there: a `.zip`, or a folder that is empty or does not exist."""
    if is_zip(path):
        with PictureWriter(path, format, classes) as writer:
            yield writer
        return
    path = path.absolute()  # the present folder has a name, too
    held = alone(path.with_name(f".{path.name}{LOCK}"), f"{path} is being written")
    with held, _new_folder(path) as folder, PictureWriter(folder, format, classes) as writer:
        yield writer


@contextmanager
def _new_folder(path: Path) -> Iterator[Path]:
    """The folder `path`, if it is there and empty, or one that takes this name when the block ends well; else all is
    as before. What killed processes left of it is removed."""
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
    """Removes what is in a folder, and not the folder itself: somebody may be in it, or it is a link to another."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
