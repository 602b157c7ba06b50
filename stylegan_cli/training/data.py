"""Training pictures: a folder or zip in NVIDIA's layout, checked before training, and read ahead during training.

The order is a new permutation for every epoch, determined by the seed: only a position in it needs to be saved.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stylegan_cli.datasets.sources import Squares, read_labels
from stylegan_cli.errors import StyleganError
from stylegan_cli.processors import processors
from stylegan_cli.training.randomness import seed_of

FEWEST = 16
SMALLEST = 8  # pixels
THREADS = (2, 8)  # that read ahead, at least and at most
CACHE = 1 << 30  # the maximum number of bytes of decoded pictures to keep


class DamagedError(StyleganError):
    """A picture proved unreadable when it was needed."""


@dataclass(frozen=True)
class Batch:
    """`images` `[n, 3, r, r]` in [-1, 1] and their classes, one-hot `[n, c_dim]`, None if there are none."""

    images: Tensor
    labels: Tensor | None


class Pictures(Squares):
    """Square pictures of one size, as `[3, resolution, resolution]` uint8, shrunk by a whole factor if necessary.

    On opening, all files are read and their sizes checked: only the headers in a zip, but whole files in a folder, for
    their checksums. `on_checked` gets the number of files done, and the total. Raises StyleganError if there are too
    few pictures, or one cannot be used.

    `classes` holds each picture's class, None unless labels are wanted; `c_dim` is the number of classes of all
    pictures, or `least_classes`, those of a model to start from, if it has more. `subset` is a number of pictures to
    choose at random, and the seed.
    """

    def __init__(
        self,
        path: Path,
        resolution: int | None,
        labelled: bool = False,
        subset: tuple[int, int] | None = None,
        least_classes: int = 0,
        on_checked: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> None:
        super().__init__(path)
        if subset is not None:
            self._names = self._chosen(*subset)
        self._check_names(subset)
        self._checksums: list[int] = []
        self.size = self._common_size(on_checked)
        self.resolution = self._check_resolution(resolution)
        self.classes: np.ndarray | None = None
        self.c_dim = 0
        if labelled:
            self.classes, self.c_dim = self._read_classes(least_classes)
        fits = len(self._names) * 3 * self.resolution**2 <= CACHE
        self._cache = np.empty((len(self._names), 3, self.resolution, self.resolution), np.uint8) if fits else None
        self._is_cached = np.zeros(len(self._names), bool)

    def __len__(self) -> int:
        return len(self._names)

    @property
    def fingerprint(self) -> str:
        """A hash of the pictures' names, size, contents (their CRC-32, as in a zip) and classes; the same for a folder
        and a zip of the same files."""
        sha = hashlib.sha256("\n".join([str(self.size), *self._names]).encode())
        sha.update(np.array(self._checksums, "<u4").tobytes())
        if self.classes is not None:
            sha.update(self.classes.tobytes())
        return sha.hexdigest()[:16]

    def __getitem__(self, index: int) -> np.ndarray:
        if self._cache is None:
            return self._read(self._names[index])
        if not self._is_cached[index]:
            self._cache[index] = self._read(self._names[index])
            self._is_cached[index] = True
        return self._cache[index]

    def _read(self, name: str) -> np.ndarray:
        try:
            image = self._picture(name)
            self._check(name, image.size, self.size, f"; when training began, it was {self.size} pixels wide")
        except StyleganError as error:
            raise DamagedError(str(error)) from None
        if self.resolution != self.size:
            image = image.reduce(self.size // self.resolution)
        return np.asarray(image).transpose(2, 0, 1)

    def _chosen(self, count: int, seed: int) -> list[str]:
        names = self._source.names
        if count > len(names):
            raise StyleganError(f"--subset {count}: {self.path} holds {len(names)} pictures")
        order = np.random.default_rng(seed_of(seed, "subset")).permutation(len(names))
        return [names[i] for i in sorted(order[:count])]

    def _check_names(self, subset: tuple[int, int] | None) -> None:
        if self._source.refused:
            raise self._refusal(*self._source.refused[0])
        if len(self._names) < FEWEST:
            found = f"{'--subset takes' if subset else f'{self.path} holds'} {len(self._names)}"
            raise StyleganError(
                f"{found} picture{'s' * (len(self._names) > 1)}, but training needs at least {FEWEST}, and thousands "
                "for good results"
            )

    def _common_size(self, on_checked: Callable[[int, int], None]) -> int:
        """Pixels per edge, from the files' headers; also fills `_checksums`."""
        edge = 0
        for name in self._names:
            size = self._size(name)
            with self._telling_which(name):
                self._checksums.append(self._source.checksum(name))
            on_checked(len(self._checksums), len(self._names))
            edge = edge or size[0]
            self._check(name, size, size[0], ", which is not square")
            self._check(name, size, edge)
        return edge

    def _check_resolution(self, asked: int | None) -> int:
        resolution, advice = asked or self.size, "make a data set with stylegan dataset --size"
        found = f"the pictures in {self.path} are {self.size} x {self.size}"
        if resolution < SMALLEST or resolution & (resolution - 1):
            if asked:
                raise StyleganError(f"--resolution {asked} is not a power of two of {SMALLEST} or more")
            raise StyleganError(f"{found}, but models are trained at powers of two from {SMALLEST} pixels; {advice}")
        if self.size % resolution:
            raise StyleganError(f"{found}, which is not a multiple of {resolution}; {advice}")
        return resolution

    def _read_classes(self, least: int) -> tuple[np.ndarray, int]:
        labels = read_labels(self._source, "auto").of
        if labels is None:
            raise StyleganError(f"--cond needs classes, but {self.path} has none; leave it out, or add a dataset.json")
        if (largest := max(labels.values())) >= max(count := len(self._source.names), least):
            raise StyleganError(
                f"the labels of {self.path} contain class {largest} for {count} pictures; number the classes from 0"
            )
        return np.array([labels[name] for name in self._names], np.int64), max(largest + 1, least)


@lru_cache(maxsize=2)
def _order(seed: int, epoch: int, count: int) -> np.ndarray:
    return np.random.default_rng(seed_of(seed, "order", epoch)).permutation(count)


class Loader:
    """Reads batches ahead on other threads, as many as there are processors. `waited` is the time in seconds that
    training waited for it."""

    def __init__(self, pictures: Pictures, seed: int, mirror: bool) -> None:
        self.pictures, self.mirror, self.waited = pictures, mirror, 0.0
        self._seed, self._threads = seed, min(max(processors(), THREADS[0]), THREADS[1])
        self._pool = ThreadPoolExecutor(self._threads)
        self._coming: tuple[Sequence[int], list[Future[np.ndarray]]] | None = None

    def start(self, positions: Sequence[int]) -> None:
        """Starts reading the pictures at these positions in the endless order of pictures."""
        indices = [self.index(position) for position in positions]
        parts = [indices[i :: self._threads] for i in range(self._threads)]
        self._coming = positions, [self._pool.submit(self._read, part) for part in parts]

    def take(self, positions: Sequence[int], device: torch.device) -> Batch:
        """The pictures at these positions, which were given to `start` before."""
        if self._coming is None or self._coming[0] != positions:
            self.start(positions)
        assert self._coming is not None
        began = time.perf_counter()
        parts = [future.result() for future in self._coming[1]]
        self.waited += time.perf_counter() - began
        self._coming = None
        pixels = np.empty((len(positions), *parts[0].shape[1:]), np.uint8)
        for i, part in enumerate(parts):
            pixels[i :: self._threads] = part
        images = torch.from_numpy(pixels).to(device).contiguous(memory_format=torch.channels_last)
        return Batch(images.float() / 127.5 - 1, self._labels(positions, device))

    def index(self, position: int) -> tuple[int, bool]:
        """The index of the picture at a position, and whether it is mirrored: with `mirror` an epoch contains both."""
        count = len(self.pictures) * (2 if self.mirror else 1)
        epoch, place = divmod(position, count)
        index = int(_order(self._seed, epoch, count)[place])
        return index % len(self.pictures), index >= len(self.pictures)

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _read(self, indices: Sequence[tuple[int, bool]]) -> np.ndarray:
        shape = (3, self.pictures.resolution, self.pictures.resolution)
        pixels = np.empty((len(indices), *shape), np.uint8)
        for row, (index, mirrored) in zip(pixels, indices, strict=True):
            row[:] = self.pictures[index][:, :, ::-1] if mirrored else self.pictures[index]
        return pixels

    def _labels(self, positions: Sequence[int], device: torch.device) -> Tensor | None:
        classes = self.pictures.classes
        if classes is None:
            return None
        chosen = torch.from_numpy(classes[[self.index(position)[0] for position in positions]])
        return torch.nn.functional.one_hot(chosen, self.pictures.c_dim).float().to(device)
