"""Tensors that are still in the file: where their numbers are, checked before memory is allocated for them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

MAX_DIMENSIONS = 8
MAX_NAME = 256
MOST_REPEATED = 1 << 22  # numbers in a tensor that repeats fewer


class RefusedError(Exception):
    """Why a checkpoint is refused: what was found in it, worded to follow 'PATH was refused: '."""


def shown(value: Any) -> str:
    """A name or a number from a file, safe to print: escaped and short. For anything else only the type is given: a few
    nested lists can print as endless text."""
    if isinstance(value, str):
        return ascii(value[:80])[1:-1]
    return str(value)[:20] if isinstance(value, int | float) and abs(value) < 1e18 else f"a {type(value).__name__}"


def is_name(value: Any) -> bool:
    """Whether a value is a short string, as names are: a file could repeat a long one ten thousand times at no cost."""
    return isinstance(value, str) and len(value) <= MAX_NAME


def sizes(values: Sequence[Any]) -> tuple[int, ...]:
    """A tensor's sizes or strides, checked before anything is computed with them."""
    if len(values) > MAX_DIMENSIONS or any(type(n) is not int or not 0 <= n < 2**40 for n in values):
        raise RefusedError("a tensor in it has an impossible shape")
    return tuple(values)


@dataclass(slots=True, eq=False)
class Storage:
    """A flat run of numbers in the file; in the old PyTorch format its place is known only at the end."""

    dtype: torch.dtype
    count: int
    data: memoryview | None = None

    def fill(self, data: memoryview) -> None:
        if data.nbytes != self.count * self.dtype.itemsize:
            raise RefusedError(f"an array in it claims {self.count} {self.dtype} numbers, but has {data.nbytes} bytes")
        self.data = data


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """A tensor still in the file: a view of a storage, checked to be within it, and not larger than what it views,
    unless it repeats few numbers, as `expand` does."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def __post_init__(self) -> None:
        extent = 1 + sum((size - 1) * step for size, step in zip(self.shape, self.stride, strict=True))
        own = math.prod(size for size, step in zip(self.shape, self.stride, strict=True) if step)
        is_large = self.count > max(own, MOST_REPEATED)
        if self.count and (is_large or not own <= extent <= self.storage.count - self.offset):
            shape = "x".join(map(str, self.shape))
            raise RefusedError(f"a tensor in it of shape {shape} does not fit its {self.storage.count} stored numbers")

    @property
    def count(self) -> int:
        return math.prod(self.shape)

    @property
    def dtype(self) -> torch.dtype:
        return self.storage.dtype

    @property
    def nbytes(self) -> int:
        return self.count * self.dtype.itemsize

    def meta(self) -> Tensor:
        """A tensor with the shape and type, but no data."""
        return torch.empty(self.shape, dtype=self.dtype, device="meta")

    def tensor(self) -> Tensor:
        """The numbers, copied out of the file (where they may be unaligned)."""
        if self.storage.data is None:
            raise RefusedError("a tensor's numbers are missing from it")
        if not self.count:
            return torch.empty(self.shape, dtype=self.dtype)
        size = self.dtype.itemsize
        steps = [step * size for step in self.stride]
        numbers = np.ndarray(self.shape, f"u{size}", self.storage.data, self.offset * size, steps)
        return torch.frombuffer(numbers.flatten(), dtype=self.dtype).reshape(self.shape)
