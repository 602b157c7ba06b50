"""Reading what `stylegan sample --dataset` wrote: pictures together with the latents that made them."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from stylegan_cli.datasets.layout import LABELS
from stylegan_cli.datasets.sources import Squares
from stylegan_cli.errors import MALFORMED, StyleganError
from stylegan_cli.generator import Generator, Origin
from stylegan_cli.latents import files, people
from stylegan_cli.media.decoding import UnusableError


class SampledFaces(Squares):
    """A data set of sampled pictures, in a folder or a `.zip`, read one by one; `ws` are their latents.

    `ws` is `[n, 1, w_dim]` if all layers share a `w`, else `[n, num_ws, w_dim]`. Raises `StyleganError` if the data set
    is unfinished, damaged or of another model.
    """

    advice = "sample it again"

    def __init__(self, path: Path, generator: Generator) -> None:
        super().__init__(path)
        if origin := self._origin():
            origin.check(generator.origin, f"{path} was sampled from")
        self.ws = _read_ws(path / "w.npy" if path.is_dir() else path.with_name(f"{path.stem}-w.npy"), generator)
        if len(self._names) != len(self.ws):
            raise StyleganError(
                f"{path} holds {len(self._names)} pictures, but there are {len(self.ws)} latents; {self.advice}"
            )

    @property
    def w(self) -> np.ndarray:
        """`[n, w_dim]`, if all layers share a `w`; raises `StyleganError` if not."""
        return _shared(self.ws, self.path)

    def __len__(self) -> int:
        return len(self._names)

    def image(self, index: int) -> Image.Image:
        """Picture `index` in RGB; raises `StyleganError` if it is damaged, or not square and as large as the first."""
        name = self._names[index]
        image, edge = self._picture(name), self._edge
        why = f", but {self._names[0]} is {edge} pixels wide, and sampled pictures are square and of one size"
        self._check(name, image.size, edge, why)
        return image

    @cached_property
    def _edge(self) -> int:
        """The width of every picture."""
        return self._size(self._names[0])[0]

    def __getitem__(self, index: int) -> np.ndarray:
        """Picture `index`, `[3, h, w]` uint8."""
        return np.asarray(self.image(index)).transpose(2, 0, 1)

    def _origin(self) -> Origin | None:
        """The model that the pictures were sampled from, if it is known."""
        if not self._source.has_labels():
            return None
        try:
            return Origin.from_plain(json.loads(self._source.read(LABELS))["model"])
        except (UnusableError, *MALFORMED):
            return None


def read_w(path: Path, generator: Generator) -> np.ndarray:
    """The `w` of many people in a file, `[n, w_dim]` float32. Raises `StyleganError` if they do not fit the model, or
    if their layers differ."""
    return _shared(_read_ws(path, generator), path)


def _shared(ws: np.ndarray, path: Path) -> np.ndarray:
    if not people.is_one_w(ws):
        raise StyleganError(
            f"the layers of the people in {path} differ, as after sampling with --cutoff, or with a "
            "--new-center whose layers differ; sample them without"
        )
    return ws[:, 0].astype(np.float32)


def _read_ws(path: Path, generator: Generator) -> np.ndarray:
    if not path.is_file():
        raise StyleganError(f"there are no latents {path} for the pictures; stylegan sample --dataset writes them")
    stored = files.read(path)
    if stored.origin:
        stored.origin.check_kin(generator.origin, f"{path} was saved from")
    ws = stored.array
    ws = people.one_w(generator, ws if ws.ndim != 2 else ws[:, None])
    if ws.ndim != 3 or ws.shape[1] not in (1, generator.num_ws) or ws.shape[2] != generator.w_dim:
        raise StyleganError(
            f"{path} has shape {list(ws.shape)}, which does not fit {generator.origin.name}; give the model that "
            "sampled it with --model"
        )
    if not all(map(_is_finite, people.in_blocks(ws))):
        raise StyleganError(f"{path} holds NaN, infinite or non-floating-point values; sample it again")
    return ws


def _is_finite(ws: np.ndarray) -> bool:
    return ws.dtype.kind == "f" and bool(np.isfinite(ws).all())
