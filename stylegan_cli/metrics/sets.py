"""Sets of pictures to compare: a data set, or what a generator makes. All randomness comes from a seed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from stylegan_cli.datasets.sources import Squares, read_labels
from stylegan_cli.errors import StyleganError
from stylegan_cli.generator import Generator
from stylegan_cli.hardware import precision_of
from stylegan_cli.media.render import to_pixels
from stylegan_cli.noise import Noise
from stylegan_cli.processors import in_order


class PictureSet(ABC):
    """Square pictures of `resolution` pixels; `count` of them, or None if there is no limit."""

    title: str
    count: int | None

    @property
    @abstractmethod
    def resolution(self) -> int:
        """Pixels per edge."""

    @abstractmethod
    def about(self) -> dict[str, Any]:
        """What the pictures depend on, for JSON."""

    @abstractmethod
    def draw(self, num: int, seed: int, part: int) -> Iterator[Image.Image]:
        """`num` random pictures; different values of `part` give different pictures for the same seed."""


class DataSet(Squares, PictureSet):
    """A folder or zip of square pictures of one size, as made by `stylegan dataset`. With a smaller `resolution` the
    pictures are shrunk by a whole factor, as in training at that resolution. `only` keeps the pictures of this class,
    if they have classes. Reading raises StyleganError if a picture is damaged or has another size."""

    def __init__(self, path: Path, resolution: int | None = None, only: int | None = None) -> None:
        super().__init__(path)
        self.title, self._shrunken = str(path), resolution
        self._only = None
        if only is not None and self.classes:
            self._only = only
            self._names = [name for name in self._names if self.classes[name] == only]
            if not self._names:
                raise StyleganError(f"no picture in {path} is of class {only}; its labels say which there are")
        self.count: int = len(self._names)

    @cached_property
    def classes(self) -> dict[str, int] | None:
        """The class of every picture, None if there are no classes."""
        return read_labels(self._source, "auto").of

    @cached_property
    def resolution(self) -> int:
        first = next(self._read(self._names[:1]))
        self._check(self._names[0], first.size, first.width, why="")
        return first.width

    def about(self) -> dict[str, Any]:
        about = {"pictures": self.count, "resolution": self.resolution}
        return about if self._only is None else {**about, "class": self._only}

    def draw(self, num: int, seed: int, part: int) -> Iterator[Image.Image]:
        order = np.random.RandomState(seed).permutation(len(self._names))
        chosen = np.sort(order[part * num : (part + 1) * num])
        names = [self._names[i] for i in chosen]
        for name, image in zip(names, self._read(names), strict=True):
            self._check(name, image.size, self.resolution)
            yield image

    def _read(self, names: list[str]) -> Iterator[Image.Image]:
        for image in in_order(self._picture, names):
            yield image.reduce(max(image.width // self._shrunken, 1)) if self._shrunken else image


class Made(PictureSet):
    """What a generator makes from random z, truncated by `psi`, with random per-pixel noise.

    A model with classes makes the chosen class, or else those of the data set `like`, as frequently as there; or else
    all. Raises StyleganError if the model does not have them, or makes pictures that are not square.
    """

    count = None

    def __init__(self, generator: Generator, psi: float = 1.0, like: DataSet | None = None) -> None:
        generator.demand_squares("measuring")
        self.generator, self.title = generator, generator.origin.name
        self._psi = psi
        # Labels that are not needed are not read: they may be of another kind.
        draws_classes = generator.c_dim and generator.chosen_class is None
        self._classes = self._classes_of(like) if draws_classes else None

    @property
    def resolution(self) -> int:
        return self.generator.size[0]

    def about(self) -> dict[str, Any]:
        """`sha256` is None for a model that is being trained; `class` is None if there are none, or all are drawn."""
        return {
            "sha256": self.generator.origin.sha256 or None,
            "psi": self._psi,
            "class": self.generator.chosen_class,
            "precision": precision_of(self.generator.dtype),
        }

    def draw(self, num: int, seed: int, part: int) -> Iterator[Image.Image]:
        generator, stream = self.generator, np.random.RandomState([seed, part])
        classes = self._classes_from(seed, part)
        first_noise = stream.randint(2**31)
        for i in range(num):
            z, c = self._z(stream), next(classes)
            with torch.inference_mode():  # no yield in here: a consumer that stops early would be left in this mode
                ws = generator.truncate(generator.broadcast(generator.to_w(z[None], c)), self._psi, c)
                pixels = to_pixels(generator.synthesize(ws, Noise("random", first_noise + i)))[0]
            yield Image.fromarray(pixels)

    def ends(self, num: int, seed: int) -> Iterator[tuple[Tensor, Tensor | None]]:
        """For each of `num` paths, the z `[2, z_dim]` of its ends, and its class `[1, c_dim]` or None."""
        stream, classes = np.random.RandomState([seed, 2]), self._classes_from(seed, 2)
        for _ in range(num):
            yield torch.stack([self._z(stream), self._z(stream)]), next(classes)

    def moving(self, num: int, seed: int, numbers: int) -> Iterator[tuple[Tensor, Tensor | None, np.ndarray]]:
        """For each of `num` pictures, its z `[1, z_dim]`, its class `[1, c_dim]` or None, and how to move it: so many
        numbers in [-1, 1], which have a stream of their own."""
        stream, classes = np.random.RandomState([seed, 3]), self._classes_from(seed, 3)
        moves = np.random.RandomState([seed, 3, 2])
        for _ in range(num):
            yield self._z(stream)[None], next(classes), moves.uniform(-1, 1, numbers)

    def _z(self, stream: np.random.RandomState) -> Tensor:
        return torch.from_numpy(stream.randn(self.generator.z_dim)).float().to(self.generator.device)

    def _classes_of(self, like: DataSet | None) -> np.ndarray:
        """The classes to choose from, each as many times as it is to be counted."""
        generator, classes = self.generator, like.classes if like else None
        if not classes:
            return np.arange(generator.c_dim)
        if (largest := max(classes.values())) >= generator.c_dim:
            raise StyleganError(
                f"the data have classes up to {largest}, but {self.title} has 0-{generator.c_dim - 1}; choose one with "
                "--class"
            )
        return np.array(sorted(classes.values()))

    def _classes_from(self, seed: int, part: int) -> Iterator[Tensor | None]:
        """Random classes `[1, c_dim]`; None if there are none, or one was chosen. They have a stream of their own, so
        that z does not depend on which classes there are."""
        stream = np.random.RandomState([seed, part, 1])
        while True:
            if self._classes is None:
                yield None
            else:
                yield self.generator.one_hot(torch.tensor([int(stream.choice(self._classes))]))
