"""Data sets of sampled pictures, in NVIDIA's layout: `00000/img00000000.png` and `dataset.json`, in a folder or zip."""

from __future__ import annotations

import json
import zipfile
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import numpy as np

from stylegan_cli.files import replacing
from stylegan_cli.latents.files import writing_npy

FOLDER_SIZE = 1000


class DatasetWriter:
    """Streams encoded pictures into a folder or a `.zip`, and their latents, `shape` each, into a `.npy` beside them.

    A zip takes its name only when it is whole; in a folder every file does.
    """

    def __init__(self, path: Path, count: int, shape: tuple[int, int], format: str) -> None:
        self.path, self.format, self.index = path, format, 0
        self.latents = path.with_name(f"{path.stem}-w.npy") if path.suffix == ".zip" else path / "w.npy"
        self._shape = (count, *shape)
        self._open_things = ExitStack()

    def __enter__(self) -> DatasetWriter:
        with ExitStack() as opening:
            self._zip = None
            if self.path.suffix == ".zip":
                part = opening.enter_context(replacing(self.path))
                self._zip = opening.enter_context(zipfile.ZipFile(part, "w", zipfile.ZIP_STORED))
            else:
                self.path.mkdir(parents=True, exist_ok=True)
            self._add_ws = opening.enter_context(writing_npy(self.latents, self._shape))
            self._open_things = opening.pop_all()
        return self

    def add(self, encoded: bytes, ws: np.ndarray) -> None:
        """The next picture and its latents: `[1, w_dim]`, or `[num_ws, w_dim]` where layers differ."""
        self._write(f"{self.index // FOLDER_SIZE:05d}/img{self.index:08d}.{self.format}", encoded)
        self._add_ws(ws)
        self.index += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._write("dataset.json", json.dumps({"labels": None}).encode())
        self._open_things.__exit__(kind, error, trace)

    def _write(self, name: str, content: bytes) -> None:
        if self._zip is not None:
            self._zip.writestr(name, content)
            return
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as part:
            part.write_bytes(content)
