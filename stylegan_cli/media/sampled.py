"""Reading what `stylegan sample --dataset` wrote: pictures together with the latents that made them."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from stylegan_cli.errors import StyleganError
from stylegan_cli.generator import Generator, Origin
from stylegan_cli.latents import files
from stylegan_cli.media.dataset import LABELS
from stylegan_cli.media.decoding import UnusableError, decode
from stylegan_cli.media.encode import FORMATS
from stylegan_cli.media.sharded import check_finished
from stylegan_cli.media.sources import BROKEN_MEMBER

PICTURES = tuple(f".{format}" for format in FORMATS)
ROWS = 10_000  # of latents checked at once: there may be millions


class SampledFaces:
    """A data set of sampled pictures, in a folder or a `.zip`, read one by one; `ws` are their latents.

    `ws` is `[n, 1, w_dim]` if all layers share a `w`, else `[n, num_ws, w_dim]`. Raises `StyleganError` if the data set
    is unfinished, damaged or of another model.
    """

    def __init__(self, path: Path, generator: Generator) -> None:
        if not path.is_file():
            check_finished(path)
        self.path = path
        self._zip = None if path.is_dir() else _open_zip(path)
        self._names = sorted(name for name in self._listing() if name.lower().endswith(PICTURES))
        if origin := self._origin():
            origin.check(generator.origin, f"{path} was sampled from")
        self.ws = _read_ws(path / "w.npy" if path.is_dir() else path.with_name(f"{path.stem}-w.npy"), generator)
        if len(self._names) != len(self.ws):
            raise StyleganError(
                f"{path} holds {len(self._names)} pictures, but there are {len(self.ws)} latents; sample it again"
            )

    @property
    def w(self) -> np.ndarray:
        """`[n, w_dim]`, if all layers share a `w`; raises `StyleganError` if not."""
        if self.ws.shape[1] != 1:
            raise StyleganError(f"{self.path} was sampled with a cutoff, so its layers differ; sample it without one")
        return self.ws[:, 0].astype(np.float32)

    def __len__(self) -> int:
        return len(self._names)

    def image(self, index: int) -> Image.Image:
        """Picture `index` in RGB; raises `StyleganError` if it is damaged."""
        name = self._names[index]
        try:
            return decode(self._read(name))
        except UnusableError as error:
            raise StyleganError(f"{name} in {self.path} {error}; sample it again") from None
        except BROKEN_MEMBER as error:
            raise StyleganError(f"{name} in {self.path} cannot be read ({error}); sample it again") from None

    def __getitem__(self, index: int) -> np.ndarray:
        """Picture `index`, `[3, h, w]` uint8."""
        return np.asarray(self.image(index)).transpose(2, 0, 1)

    def _read(self, name: str) -> bytes:
        return self._zip.read(name) if self._zip else (self.path / name).read_bytes()

    def _origin(self) -> Origin | None:
        """The model that the pictures were sampled from, if it is known."""
        try:
            return Origin.from_plain(json.loads(self._read(LABELS))["model"])
        except (KeyError, TypeError, ValueError, OSError, *BROKEN_MEMBER):
            return None

    def _listing(self) -> list[str]:
        if self._zip:
            return self._zip.namelist()
        return [str(path.relative_to(self.path)) for path in self.path.rglob("*")]


def _open_zip(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise StyleganError(f"{path} is not a data set ({error}); make one with stylegan sample --dataset") from None


def _read_ws(path: Path, generator: Generator) -> np.ndarray:
    if not path.is_file():
        raise StyleganError(f"there are no latents {path} for the pictures; stylegan sample --dataset writes them")
    ws = files.read(path).array
    if ws.ndim == 2:
        ws = ws[:, None]
    if ws.ndim != 3 or ws.shape[1] not in (1, generator.num_ws) or ws.shape[2] != generator.w_dim:
        raise StyleganError(
            f"{path} has shape {list(ws.shape)}, which does not fit {generator.origin.name}; give the model that "
            "sampled it with --model"
        )
    if not all(map(_is_finite, (ws[first : first + ROWS] for first in range(0, len(ws), ROWS)))):
        raise StyleganError(f"{path} holds NaN, infinite or non-floating-point values; sample it again")
    return ws


def _is_finite(ws: np.ndarray) -> bool:
    return ws.dtype.kind == "f" and bool(np.isfinite(ws).all())
