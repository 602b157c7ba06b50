"""Tensors that are still in the file: where their numbers lie, checked before anything is allocated for them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

MAX_DIMENSIONS = 8


class RefusedError(Exception):
    """Why a checkpoint is not read: what was found in it, as the end of the sentence 'PATH was refused: ...'."""


def shown(text: Any) -> str:
    """A name from a file, safe to show: quoted, escaped, short."""
    return ascii(text if len(text) <= 80 else text[:80] + "...") if isinstance(text, str) else type(text).__name__


@dataclass(slots=True, eq=False)
class Storage:
    """A flat run of numbers in the file; legacy PyTorch files say only later where it lies."""

    dtype: torch.dtype
    count: int
    data: memoryview | None = None

    def fill(self, data: memoryview) -> None:
        if data.nbytes != self.count * self.dtype.itemsize:
            raise RefusedError(f"a tensor storage says {self.count} numbers of {self.dtype}, but has {data.nbytes} bytes")
        self.data = data


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """A tensor still in the file: a dense view on a storage, checked to lie within it."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def __post_init__(self) -> None:
        extent = 1 + sum((size - 1) * step for size, step in zip(self.shape, self.stride, strict=True))
        if self.count and (extent != self.count or self.offset + extent > self.storage.count):
            shape = "x".join(map(str, self.shape))
            raise RefusedError(f"a tensor of {shape} numbers does not lie within its storage of {self.storage.count}")

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
        """The tensor's shape and type without its numbers."""
        return torch.empty(self.shape, dtype=self.dtype, device="meta")

    def tensor(self) -> Tensor:
        """The numbers, copied out of the file (where they may lie unaligned)."""
        if self.storage.data is None:
            raise RefusedError("a tensor's numbers are missing")
        size = self.dtype.itemsize
        raw = bytearray(self.storage.data[self.offset * size : self.offset * size + self.nbytes])
        if not raw:
            return torch.empty(self.shape, dtype=self.dtype)
        return torch.frombuffer(raw, dtype=self.dtype).as_strided(self.shape, self.stride)


def sizes(values: Sequence[Any]) -> tuple[int, ...]:
    """A tensor's sizes or strides, checked before anything is computed with them."""
    if len(values) > MAX_DIMENSIONS or any(type(n) is not int or not 0 <= n < 2**40 for n in values):
        raise RefusedError("a tensor's shape is made of something else than a few sizes")
    return tuple(values)
