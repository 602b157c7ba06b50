"""Data sets in NVIDIA's layout: `00000/img00000000.png` and `dataset.json`, in a folder or zip."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stylegan_cli.datasets.zips import Write, writing_zip
from stylegan_cli.errors import MALFORMED, StyleganError
from stylegan_cli.files import LOCK, alone, is_vacant, names_in, part_of, rename, sweep, write_bytes

LABELS = "dataset.json"
MANIFEST = "manifest.json"  # of a data set of sampled pictures, while it is in the making, and after
FOLDER_SIZE = 1000


def picture_name(index: int, format: str) -> str:
    """The name of picture `index` in a data set."""
    return f"{index // FOLDER_SIZE:05d}/img{index:08d}.{format}"


def is_zip(path: Path) -> bool:
    """Whether a data set of this name is a zip rather than a folder."""
    return path.suffix.lower() == ".zip"


def labels_file(
    labels: Sequence[tuple[str, int]], classes: Sequence[str] = (), model: Mapping[str, str] | None = None
) -> bytes:
    """The content of `dataset.json`: the class of each picture by name, if there are any, and the names of classes; the
    `model` that the pictures were sampled from."""
    about: dict[str, object] = {"labels": labels or None}
    if model:
        about["model"] = model
    if classes:
        about["classes"] = classes
    return json.dumps(about).encode()


def unfinished(path: Path) -> dict[str, Any] | None:
    """The manifest of the data set that was begun as `path` and never finished; None if there is none."""
    folder = working_folder(path)
    return None if (folder / LABELS).exists() else manifest_in(folder)


def manifest_in(folder: Path) -> dict[str, Any] | None:
    """The manifest of the sampled data set, finished or not, in a folder; None if there is none, or none that is
    whole."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        is_whole = isinstance(manifest["wishes"], dict) and isinstance(manifest["runs"], list)
        return manifest if is_whole else None
    except (OSError, *MALFORMED):
        return None


def check_finished(path: Path) -> None:
    """Raises `StyleganError` if a data set of this name was begun and not finished."""
    if unfinished(path):
        raise StyleganError(f"{path} is unfinished; run the stylegan sample that began it again to continue")


def working_folder(path: Path) -> Path:
    """Where a data set of sampled pictures is while it is in the making."""
    return path.with_name(f"{path.name}.part") if is_zip(path) else path


class PictureWriter:
    """Streams encoded pictures, and perhaps their classes, to where `write` puts a file by its name.

    `classes` names the classes; `labels` are the pictures written so far with theirs.
    """

    def __init__(self, write: Write, format: str, classes: Sequence[str]) -> None:
        self.format, self.classes, self.index = format, classes, 0
        self.labels: list[tuple[str, int]] = []
        self._write = write

    def add(self, encoded: bytes, label: int | None = None) -> None:
        """Writes the next picture; either all have labels or none has."""
        name = picture_name(self.index, self.format)
        self._write(name, encoded)
        if label is not None:
            self.labels.append((name, label))
        self.index += 1


@contextmanager
def writing_pictures(path: Path, format: str, classes: Sequence[str] = ()) -> Iterator[PictureWriter]:
    """A new data set, whole or not there: a `.zip`, or a folder that is empty or does not exist."""
    with (writing_zip if is_zip(path) else _writing_folder)(path) as write:
        writer = PictureWriter(write, format, classes)
        yield writer
        write(LABELS, labels_file(writer.labels, classes))


@contextmanager
def _writing_folder(path: Path) -> Iterator[Write]:
    """Yields what adds a file to a new folder, which takes its name when it is whole."""
    path = path.absolute()  # the present folder has a name, too
    held = alone(path.with_name(f".{path.name}{LOCK}"), f"{path} is being written")
    with held, _new_folder(path) as folder:
        yield lambda name, content: write_bytes(folder / name, content)


@contextmanager
def _new_folder(path: Path) -> Iterator[Path]:
    """A folder that gets the name `path` if the block succeeds. If there is an empty one, which may be in use or a link
    to another, it stays and gets the contents. What killed processes left of it is removed."""
    was_there = path.is_dir()
    final = path / path.name if was_there else path
    sweep(final)
    if was_there and not is_vacant(path):
        raise StyleganError(f"the folder {path} is not empty; choose another name")
    folder = part_of(final)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        if was_there:
            for name in sorted(names_in(folder)):  # the labels come last
                rename(folder / name, path / name)
        else:
            rename(folder, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
