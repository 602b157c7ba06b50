"""Foreign tensor names to ours: a dict of theirs -> `To(ours, how)`, or None for a tensor dropped on purpose."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from stylegan_cli.importers.stored import RefusedError, Stored, shown

# A hundred times as many as real networks have.
MAX_TENSORS = 20_000
MAX_BLOCKS = 16

Named = TypeVar("Named")

# The steps that convert a foreign tensor to ours. They also work on tensors without data (device "meta").


def as_is(x: Tensor) -> Tensor:
    return x


def transposed(x: Tensor) -> Tensor:
    """TensorFlow's dense weights are `[in, out]`."""
    return x.T


def oihw(x: Tensor) -> Tensor:
    """TensorFlow's convolution weights are `[h, w, in, out]`."""
    return x.permute(3, 2, 0, 1)


def flipped(x: Tensor) -> Tensor:
    """StyleGAN2's upsampling convolutions in TensorFlow apply their kernel rotated by 180 degrees."""
    return x.flip(-2, -1)


def oihw_flipped(x: Tensor) -> Tensor:
    return flipped(oihw(x))


def plus_one(x: Tensor) -> Tensor:
    """A style's bias, if the foreign network itself adds the 1."""
    return x + 1


def first(x: Tensor) -> Tensor:
    """`[1, ...]` to `[...]`."""
    return x[0]


def plane(x: Tensor) -> Tensor:
    """A noise map `[1, 1, h, w]` to `[h, w]`."""
    return x[0, 0]


def flat(x: Tensor) -> Tensor:
    return x.flatten()


def scalar(x: Tensor) -> Tensor:
    return x.reshape(())


@dataclass(frozen=True)
class To:
    """Our name for a foreign tensor, and the step that converts it to ours."""

    name: str
    how: Callable[[Tensor], Tensor] = as_is


KeyMap = dict[str, To | None]


def both(layers: Mapping[str, str]) -> KeyMap:
    """Both tensors of each layer, the weight and the bias, from their name for the layer and ours."""
    return {f"{theirs}.{end}": To(f"{ours}.{end}") for theirs, ours in layers.items() for end in ("weight", "bias")}


@dataclass(frozen=True)
class Pending:
    """A tensor of ours that is not loaded yet, or that is still to be made if the file has none."""

    shape: tuple[int, ...]
    load: Callable[[], Tensor]
    is_stored: bool = True


def rename(found: Mapping[str, Any], keys: KeyMap) -> dict[str, Pending]:
    """Every tensor found, under our name. A tensor that is not in the key map raises RefusedError: none is left out
    silently."""
    pending: dict[str, Pending] = {}
    for theirs, value in found.items():
        if theirs not in keys:
            raise RefusedError(f"it has a tensor {shown(theirs)}, which no network of this kind has")
        target = keys[theirs]
        if target is None:
            continue
        if target.name in pending:
            raise RefusedError(f"it has two tensors for {target.name}")
        pending[target.name] = _pending(theirs, value, target.how)
    return pending


def _pending(theirs: str, value: Any, how: Callable[[Tensor], Tensor]) -> Pending:
    if isinstance(value, int | float):
        return Pending((), lambda: how(torch.tensor(float(value))))
    if not isinstance(value, Stored) or not value.dtype.is_floating_point:
        raise RefusedError(f"its tensor {shown(theirs)} does not hold floating-point numbers")
    try:
        shape = tuple(how(value.meta()).shape)
    except (RuntimeError, IndexError):
        sizes = "x".join(map(str, value.shape)) or "a single number"
        raise RefusedError(f"its tensor {shown(theirs)} has an impossible shape, {sizes}") from None
    return Pending(shape, lambda: how(value.tensor().float()).contiguous())


def counted(named: Iterable[Named]) -> Iterator[Named]:
    """Named tensors, passed on up to a limit: a file can give the same long list of them to a thousand modules."""
    for number, one in enumerate(named):
        if number == MAX_TENSORS:
            raise RefusedError(f"it has a network of more than {MAX_TENSORS} tensors")
        yield one


def resolutions(blocks: int) -> Iterator[tuple[int, int]]:
    """Index and resolution of each block: (0, 4), (1, 8), (2, 16), ... up to a limit: the numbers grow quickly."""
    if blocks > MAX_BLOCKS:
        raise RefusedError(f"it has a network of {blocks} resolutions")
    return ((n, 4 << n) for n in range(blocks))


def count(names: Mapping[str, Any], pattern: str, start: int = 0) -> int:
    """How many of `pattern.format(start)`, `pattern.format(start + 1)`, ... there are in a row."""
    n = start
    while pattern.format(n) in names:
        n += 1
    return n - start
