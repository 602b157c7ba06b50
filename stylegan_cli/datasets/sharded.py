"""A data set of sampled pictures that one or many processes write, and that continues after it was stopped or killed.

faces/                     or faces.zip.part/, while a zip is being made
  manifest.json            what was asked for, and which process writes which pictures
  00000/img00000000.png    the pictures in NVIDIA's layout; each gets its name once it is complete
  shard0.zip               in their place, for a zip, those of each process
  w.npy.part               the latents, of any length at first; a picture's are written before the picture
  dataset.json             the last file, which makes a folder a finished data set; like the manifest, also in the zip
  .lock                    held by the leader of the processes that are writing
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from stylegan_cli.datasets.layout import LABELS, MANIFEST, is_zip, labels_file, picture_name, working_folder
from stylegan_cli.datasets.shards import PictureFiles, ZipShards
from stylegan_cli.errors import StyleganError
from stylegan_cli.files import LOCK, alone, rename, replacing_alone, sweep, telling_why, write_bytes
from stylegan_cli.latents.files import BROKEN, npy_header

LATENTS = "w.npy.part"


class ShardedDataset:
    """`count` pictures and their latents, `shape` each, in a folder or a `.zip`.

    One process, the leader, calls `begin`; then every process adds the pictures in its `todo`; then the leader calls
    `finish`, and in any case `close`. The result does not depend on the number of processes, or on how often they were
    killed.
    """

    def __init__(self, path: Path, count: int, shape: tuple[int, int], format: str) -> None:
        self.path, self.count, self.shape, self.format = path, count, shape, format
        self.is_zip, self.folder = is_zip(path), working_folder(path)
        self._pictures = (ZipShards if self.is_zip else PictureFiles)(self.folder, count, format)
        self.latents = path.with_name(f"{path.stem}-w.npy") if self.is_zip else path / "w.npy"
        self._row = 4 * shape[0] * shape[1]  # bytes of one picture's latents
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
            rename(self.latents, latents)  # the process was killed between its last two steps
        if anew or self._start(latents) is None:
            self._clear()
            manifest = {key: value for key, value in manifest.items() if key != "runs"}
        self._sweep()
        there = self._there()
        run = {"there": int(there.sum()), "shares": _shares(there, processes)}
        manifest |= {"count": self.count, "runs": [*manifest.get("runs", ()), run]}
        # Written last, because without latents a data set counts as not begun: a full disk leaves nothing behind here.
        write_bytes(self.folder / MANIFEST, json.dumps(manifest, indent=1).encode())
        if not latents.exists():
            write_bytes(latents, npy_header((self.count, *self.shape)))

    def todo(self, rank: int) -> np.ndarray:
        """Which pictures process `rank` has to make, `[count]` bool: the missing ones in its share."""
        first, stop = self.manifest()["runs"][-1]["shares"][rank]
        todo = np.zeros(self.count, bool)
        todo[first:stop] = ~self._there()[first:stop]
        return todo

    def there(self) -> int:
        """How many pictures exist now."""
        return int(self._there().sum())

    def _there(self) -> np.ndarray:
        """Which pictures are whole, with their latents, `[count]` bool. A picture's latents are written first, but
        after a power failure, or in a copy, they may be missing all the same."""
        there = self._pictures.there()
        # They have their last name already if the process was killed between its last two steps.
        for latents in (self.folder / LATENTS, self.latents):
            if (start := self._start(latents)) is not None:
                there[(latents.stat().st_size - start) // self._row :] = False
                return there
        return np.zeros(self.count, bool)

    def _start(self, latents: Path) -> int | None:
        """Where the values begin in a file of latents; None if this data set did not begin it. (NumPy's versions write
        headers of different lengths.)"""
        try:
            with latents.open("rb") as file:
                np.lib.format.read_magic(file)
                shape, _, kind = np.lib.format.read_array_header_1_0(file)
                return file.tell() if (shape, kind) == ((self.count, *self.shape), np.dtype("<f4")) else None
        except BROKEN:
            return None

    @contextmanager
    def adding(self, rank: int) -> Iterator[Callable[[int, bytes, np.ndarray], None]]:
        """Yields what writes a picture of process `rank`, given its number, the encoded picture and its latents
        (`shape`)."""
        path = self.folder / LATENTS
        start = self._start(path)
        assert start is not None  # `begin` has seen to it
        with telling_why(path), path.open("r+b") as latents, self._pictures.adding(rank) as add_picture:

            def add(index: int, encoded: bytes, ws: np.ndarray) -> None:
                latents.seek(start + index * self._row)
                latents.write(ws.astype("<f4").tobytes())
                latents.flush()
                add_picture(index, encoded)

            yield add

    def finish(self, classes: Iterable[int], model: Mapping[str, str], on_picture: Callable[[int], None]) -> None:
        """Puts everything together. `classes` has each picture's class, or nothing if there are none; `model` is what
        the pictures were sampled from. Calls `on_picture` with the number of pictures copied so far, if any need to be.
        Raises `StyleganError` if pictures are missing."""
        if missing := self.count - self.there():
            raise StyleganError(
                f"{self.folder} has lost {missing} of {self.count} pictures since they were written; run the same "
                "command again to make them"
            )
        about = labels_file([(picture_name(i, self.format), one) for i, one in enumerate(classes)], model=model)
        if not self.is_zip:
            rename(self.folder / LATENTS, self.latents)
            self._pictures.finish(self.path, {LABELS: about}, on_picture)
            return
        with replacing_alone(self.latents) as part:
            shutil.copyfile(self.folder / LATENTS, part)
        made = {key: value for key, value in self.manifest().items() if key != "runs"}
        files = {MANIFEST: json.dumps(made, indent=1).encode(), LABELS: about}
        self._pictures.finish(self.path, files, on_picture)
        self._clear()

    def close(self) -> None:
        """Releases the data set, so that others can begin."""
        self._held.close()

    def _sweep(self) -> None:
        """Removes what killed processes left half-written. Other files in the folder are left alone."""
        for name in (MANIFEST, LABELS, LATENTS):
            sweep(self.folder / name)
        self._pictures.sweep()

    def _clear(self) -> None:
        """Removes the data set's files from the folder: first what makes it a finished one, last what tells that it is
        ours."""
        self._sweep()
        (self.folder / LABELS).unlink(missing_ok=True)
        self._pictures.clear()
        for name in (LATENTS, "w.npy", MANIFEST):
            (self.folder / name).unlink(missing_ok=True)


def _shares(there: np.ndarray, processes: int) -> list[list[int]]:
    """For each process, its first picture and the one after its last; all have equally many to make."""
    missing = np.flatnonzero(~there)
    starts = [int(missing[len(missing) * i // processes]) if len(missing) else 0 for i in range(processes)]
    return [[first, stop] for first, stop in zip([0, *starts[1:]], [*starts[1:], len(there)], strict=True)]


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()
