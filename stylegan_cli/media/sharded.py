"""A data set of sampled pictures that one or many processes write, and that continues after it was stopped or killed.

faces/                     or faces.zip.part/, while a zip is being made
  manifest.json            what was asked for, and which process writes which pictures
  00000/img00000000.png    the pictures in NVIDIA's layout; each gets its name once it is complete
  w.npy.part               the latents, of any length at first; a picture's are written before the picture
  dataset.json             the last file, which makes a folder a finished data set
  .lock                    held by the leader of the processes that are writing
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from stylegan_cli.errors import StyleganError
from stylegan_cli.files import LOCK, alone, is_leftover, replacing_alone, sweep, telling_why, write_bytes
from stylegan_cli.latents.files import writing_npy
from stylegan_cli.media.dataset import (
    FOLDER_SIZE,
    LABELS,
    MANIFEST,
    is_zip,
    labels_file,
    picture_name,
    working_folder,
    writing_zip,
)
from stylegan_cli.media.encode import FORMATS

LATENTS = "w.npy.part"
LONGEST = 40


class ShardedDataset:
    """`count` pictures and their latents, `shape` each, in a folder or a `.zip`.

    One process, the leader, calls `begin`; then every process adds the pictures in its `todo`; then the leader calls
    `finish`, and in any case `close`. The result does not depend on the number of processes, or on how often they were
    killed.
    """

    def __init__(self, path: Path, count: int, shape: tuple[int, int], format: str) -> None:
        self.path, self.count, self.shape, self.format = path, count, shape, format
        self.is_zip, self.folder = is_zip(path), working_folder(path)
        self.latents = path.with_name(f"{path.stem}-w.npy") if self.is_zip else path / "w.npy"
        self._held = ExitStack()

    def manifest(self) -> dict[str, Any]:
        """The manifest of the data set that was begun."""
        return dict(json.loads((self.folder / MANIFEST).read_text(encoding="utf-8")))

    def begin(self, manifest: dict[str, Any], processes: int, anew: bool) -> None:
        """Prepares the folder, and gives each process an equal share of the missing pictures.

        The `manifest` is the one that `unfinished` found, which is continued, or a new one; `anew` removes what was
        there. Raises `StyleganError` if others have begun this data set and not yet called `close`.
        """
        if self.is_zip:
            self._held.callback(_remove_if_empty, self.folder)
        self._held.enter_context(alone(self.folder / LOCK, f"{self.path} is being sampled"))
        latents = self.folder / LATENTS
        if not anew and not self.is_zip and self.latents.exists():
            self.latents.rename(latents)  # the process was killed between its last two steps
        if anew or not latents.exists():
            self._clear()
            manifest = {key: value for key, value in manifest.items() if key != "runs"}
        self._sweep()
        there = self._there(0, self.count)
        run = {"there": int(there.sum()), "shares": _shares(there, processes)}
        manifest |= {"count": self.count, "runs": [*manifest.get("runs", ()), run]}
        # Written last, because without latents a data set counts as not begun: a full disk leaves nothing behind here.
        write_bytes(self.folder / MANIFEST, json.dumps(manifest, indent=1).encode())
        if not latents.exists():
            with writing_npy(latents, (self.count, *self.shape)):
                pass  # the header only

    def todo(self, rank: int) -> np.ndarray:
        """Which pictures process `rank` has to make, `[count]` bool: the missing ones in its share."""
        first, stop = self.manifest()["runs"][-1]["shares"][rank]
        todo = np.zeros(self.count, bool)
        todo[first:stop] = ~self._there(first, stop)[first:stop]
        return todo

    def there(self) -> int:
        """How many pictures exist now."""
        return int(self._there(0, self.count).sum())

    @contextmanager
    def adding(self) -> Iterator[Callable[[int, bytes, np.ndarray], None]]:
        """Yields a function that writes a picture, given its number, the encoded picture and its latents (`shape`)."""
        path = self.folder / LATENTS
        with telling_why(path), path.open("r+b") as latents:
            np.lib.format.read_magic(latents)
            np.lib.format.read_array_header_1_0(latents)
            start, row = latents.tell(), 4 * self.shape[0] * self.shape[1]

            def add(index: int, encoded: bytes, ws: np.ndarray) -> None:
                latents.seek(start + index * row)
                latents.write(ws.astype("<f4").tobytes())
                latents.flush()
                write_bytes(self.folder / picture_name(index, self.format), encoded)

            yield add

    def finish(self, on_picture: Callable[[int], None]) -> None:
        """Puts everything together; calls `on_picture` with the number of pictures in the zip so far. Raises
        `StyleganError` if pictures are missing."""
        if missing := self.count - self.there():
            raise StyleganError(
                f"{self.folder} has lost {missing} of {self.count} pictures since they were written; run the same "
                "command again to make them"
            )
        wishes = self.manifest()["wishes"]
        names = () if wishes.get("class") is None else (picture_name(i, self.format) for i in range(self.count))
        about = labels_file([(name, wishes["class"]) for name in names], model=wishes.get("model"))
        if not self.is_zip:
            (self.folder / LATENTS).rename(self.latents)
            write_bytes(self.folder / LABELS, about)
            return
        with replacing_alone(self.latents) as part:
            shutil.copyfile(self.folder / LATENTS, part)
        with writing_zip(self.path) as write:
            for index in range(self.count):
                name = picture_name(index, self.format)
                write(name, (self.folder / name).read_bytes())
                on_picture(index + 1)
            write(LABELS, about)
        self._clear()

    def close(self) -> None:
        """Releases the data set, so that others can begin."""
        self._held.close()

    def _there(self, first: int, stop: int) -> np.ndarray:
        """Which pictures exist, `[count]` bool, at least among those from `first` up to `stop`."""
        there = np.zeros(self.count, bool)
        picture = re.compile(rf"img(\d{{8,}})\.{self.format}")
        for number in range(first // FOLDER_SIZE, -(-stop // FOLDER_SIZE)):
            with suppress(FileNotFoundError):
                for match in filter(None, map(picture.fullmatch, _names(self.folder / f"{number:05d}"))):
                    if (index := int(match[1])) < self.count:  # others are not ours
                        there[index] = True
        return there

    def _sweep(self) -> None:
        """Removes half-written files of killed processes. Other files in the folder are left alone."""
        for name in (MANIFEST, LABELS, LATENTS):
            sweep(self.folder / name)
        for folder in self._numbered():
            for name in filter(is_leftover, _names(folder)):
                (folder / name).unlink(missing_ok=True)

    def _clear(self) -> None:
        """Removes the data set's files from the folder."""
        picture = re.compile(rf"img\d{{8,}}\.({'|'.join(FORMATS)})")
        self._sweep()
        for name in (MANIFEST, LABELS, LATENTS, "w.npy"):
            (self.folder / name).unlink(missing_ok=True)
        for folder in self._numbered():
            for name in filter(picture.fullmatch, _names(folder)):
                (folder / name).unlink()
            _remove_if_empty(folder)

    def _numbered(self) -> list[Path]:
        """The folders of pictures."""
        return [self.folder / name for name in _names(self.folder) if re.fullmatch(r"\d{5,}", name)]


def difference(before: dict[str, Any], now: dict[str, Any]) -> str | None:
    """The first setting in which two data sets differ, as words; None if they are the same."""
    for name, value in now.items():
        if value != before.get(name):
            return f"--{name} was {_shown(before.get(name))}, and is now {_shown(value)}"
    return None


def _shares(there: np.ndarray, processes: int) -> list[list[int]]:
    """For each process, its first picture and the one after its last; all have equally many to make."""
    missing = np.flatnonzero(~there)
    starts = [int(missing[len(missing) * i // processes]) if len(missing) else 0 for i in range(processes)]
    return [[first, stop] for first, stop in zip([0, *starts[1:]], [*starts[1:], len(there)], strict=True)]


def _shown(value: Any) -> str:
    if value is None:
        return "not given"
    text = f"{value['name']} ({value['sha256'][:12]})" if isinstance(value, dict) else str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def _names(folder: Path) -> list[str]:
    """The names in a folder; only names, because there may be millions."""
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries]
