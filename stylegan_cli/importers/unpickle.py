"""A pickle reader that cannot run anything.

A pickle is a program for a small stack machine. Python's machine may import and call whatever the program names; this
one only ever builds plain values: numbers, texts, dicts, lists, tuples, byte views, tensors that were not read yet and
`Record`s, which stand for objects of foreign classes. What it may build stands in `CALLS`; every other name is refused.

It also answers for time and memory: a byte string is a view into the file and never a copy, a length is checked before
it is believed, steps are counted, and no part of it is recursive.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

# The largest official checkpoint takes about 40 000 steps.
MAX_STEPS = 1_000_000
MAX_TEXT = 1 << 20
MAX_DIMENSIONS = 8
LEGACY_TORCH_MAGIC = 0x1950A86A20F9469CFC6C


@dataclass(slots=True, eq=False, repr=False)
class Record:
    """An object of a foreign class: the name of the class and its state."""

    name: str
    state: Any = None


@dataclass(frozen=True, slots=True)
class Global:
    """The name of something importable, which is never imported."""

    name: str


@dataclass(slots=True, eq=False)
class DType:
    """A NumPy number type. Its state tells the byte order."""

    code: str
    order: str = "<"

    def set_state(self, state: Sequence[Any]) -> None:
        self.order = state[1]

    @property
    def torch(self) -> torch.dtype:
        if self.code not in NUMPY_TYPES or self.order not in ("<", "=", "|"):
            raise RefusedError(f"it has an array of type {shown(self.order + self.code)}, which is not of plain numbers")
        return NUMPY_TYPES[self.code]


@dataclass(slots=True, eq=False)
class Array:
    """A NumPy array: empty when made, filled by its state."""

    stored: Stored | None = None

    def set_state(self, state: Sequence[Any]) -> None:
        _, shape, dtype, is_fortran, data = state
        self.stored = _array(data, dtype, shape, "F" if is_fortran else "C").stored


@dataclass(slots=True)
class Budget:
    """Steps left, shared by a pickle and the pickles inside it."""

    steps: int = MAX_STEPS

    def spend(self, steps: int) -> None:
        self.steps -= steps
        if self.steps < 0:
            raise RefusedError(f"its pickle takes more than {MAX_STEPS} steps, many times what a network needs")


NUMPY_TYPES = {
    "f2": torch.float16, "f4": torch.float32, "f8": torch.float64, "b1": torch.bool, "u1": torch.uint8,
    "i1": torch.int8, "i2": torch.int16, "i4": torch.int32, "i8": torch.int64,
}  # fmt: skip
class Machine:
    """Runs one pickle from `data` at `position`; afterwards `position` is behind its end."""

    def __init__(
        self,
        data: memoryview,
        position: int = 0,
        persistent: Callable[[Any], Any] | None = None,
        budget: Budget | None = None,
        is_inner: bool = False,
    ) -> None:
        self.data, self.position, self.persistent = data, position, persistent
        self.budget = budget or Budget()
        self.calls = CALLS if is_inner else CALLS | {"torch.storage._load_from_bytes": self.inner_storage}
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        """The value that the pickle describes."""
        while (opcode := self.number("<B")) != STOP:
            self.budget.spend(1)
            if opcode not in STEPS:
                raise RefusedError(f"its pickle has the unknown instruction {opcode} at byte {self.position - 1}")
            STEPS[opcode](self)
        return self.stack.pop()

    def number(self, layout: str) -> Any:
        (value,) = struct.unpack_from(layout, self.data, self.position)
        self.position += struct.calcsize(layout)
        return value

    def take(self, layout: str) -> memoryview:
        """The bytes behind their length, as a view."""
        start = self.position + struct.calcsize(layout)
        size = self.number(layout)
        if size > len(self.data) - start:
            raise RefusedError(
                f"it is cut short: {size} bytes are announced at byte {start}, {len(self.data) - start} are there"
            )
        self.position = start + size
        return self.data[start : start + size]

    def text(self, layout: str) -> str:
        view = self.take(layout)
        if len(view) > MAX_TEXT:
            raise RefusedError(f"it has a text of {len(view)} bytes")
        return str(view, "utf-8", "surrogatepass")

    def line(self) -> str:
        start = self.position
        window = bytes(self.data[start : start + 1000])
        end = window.index(b"\n")
        self.position = start + end + 1
        return window[:end].decode("utf-8")

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def mark(self) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def since_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.marks.pop()
        return items

    def last(self, count: int) -> tuple[Any, ...]:
        items = tuple(self.stack[len(self.stack) - count :])
        if len(items) < count:
            raise IndexError
        del self.stack[len(self.stack) - count :]
        return items

    def memoize(self, index: int | None = None) -> None:
        self.memo[len(self.memo) if index is None else index] = self.stack[-1]

    def recall(self, index: int) -> None:
        self.push(self.memo[index])

    def extend(self, items: Iterable[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, list):
            raise TypeError
        target.extend(items)

    def set_items(self, items: Sequence[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict):
            raise TypeError
        target.update(checked_items(zip(items[::2], items[1::2], strict=True)))

    def name(self, module: Any, name: Any) -> None:
        """A global by its name, which must be one of the few that checkpoints need."""
        full = f"{module}.{name}" if isinstance(module, str) and isinstance(name, str) else "a name that is no text"
        full = ALIASES.get(full, full)
        if full not in self.calls and full not in STORAGE_TYPES and full != "numpy.ndarray":
            raise RefusedError(f"it asks for {shown(full)}, which no StyleGAN checkpoint needs")
        self.push(Global(full))

    def call(self) -> None:
        """REDUCE and NEWOBJ. Nothing is imported or called but this file's own stand-ins."""
        function, args = self.last(2)
        if not isinstance(function, Global) or not isinstance(args, tuple):
            raise TypeError
        if function.name not in self.calls:
            raise RefusedError(f"it calls {shown(function.name)}, which no StyleGAN checkpoint does")
        # A stand-in may copy what it is given, and a pickle can give the same long list a million times.
        self.budget.spend(sum(len(arg) for arg in args if isinstance(arg, list | tuple | dict)))
        self.push(self.calls[function.name](*args))

    def build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, Record):
            target.state = state
        elif isinstance(target, Array | DType):
            target.set_state(state)
        elif not isinstance(target, dict):  # attributes of a dict (a state dict's `_metadata`) mean nothing here
            raise TypeError

    def persistent_value(self) -> None:
        if self.persistent is None:
            raise RefusedError("it points to data outside the file (a persistent id)")
        self.push(self.persistent(self.stack.pop()))


def _rebuild_tensor(storage: Storage, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Stored:
    if not isinstance(storage, Storage):
        raise TypeError
    (start,) = sizes((offset,))
    return Stored(storage, start, sizes(shape), sizes(stride))


def _scalar(dtype: DType, data: memoryview) -> float | int | bool:
    return Stored(_storage(data, dtype, 1), 0, (), ()).tensor().item()


def _storage(data: memoryview, dtype: DType, count: int) -> Storage:
    storage = Storage(dtype.torch, count)
    storage.fill(data)
    return storage


def _array(data: memoryview, dtype: DType, shape: Sequence[int], order: str) -> Array:
    sizes = sizes(shape)
    axes = range(len(sizes))
    faster = [sizes[axis + 1 :] if order == "C" else sizes[:axis] for axis in axes]  # the axes that run faster
    stride = tuple(math.prod(sizes) for sizes in faster)
    return Array(Stored(_storage(data, dtype, math.prod(sizes)), 0, sizes, stride))


def checked_items(items: Iterable[Any]) -> dict[Any, Any]:
    """A dict, unless a key is more than a text or a small number: hashing anything else can be made to take for ever."""
    result = {}
    for key, value in items:
        if not isinstance(key, str) and not (isinstance(key, int) and abs(key) < 2**31):
            raise RefusedError(f"it has a dict with a key of type {type(key).__name__}")
        result[key] = value
    return result


# Who may be called, and what is built in place of the call's result.
CALLS: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": lambda items=(): checked_items(items),
    "dnnlib.util.EasyDict": lambda items=(): checked_items(items),
    "builtins.set": lambda items=(): items,
    "torch._utils._rebuild_parameter": lambda tensor, *_: tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch.Size": tuple,
    "numpy.dtype": lambda code, *_: DType(code),
    "numpy.core.multiarray.scalar": _scalar,
    "numpy.core.multiarray._reconstruct": lambda *_: Array(),
    "numpy.core.numeric._frombuffer": _array,
    "torch_utils.persistence._reconstruct_persistent_obj": lambda meta: Record("module", meta),
    "dnnlib.tflib.network.Network": lambda *_: Record("Network"),
    "argparse.Namespace": lambda *_: Record("Namespace"),
}
ALIASES = {
    "numpy._core.multiarray.scalar": "numpy.core.multiarray.scalar",
    "numpy._core.multiarray._reconstruct": "numpy.core.multiarray._reconstruct",
    "numpy._core.numeric._frombuffer": "numpy.core.numeric._frombuffer",
    "__builtin__.set": "builtins.set",
}

STOP = ord(".")
STEPS: dict[int, Callable[[Machine], Any]] = {
    0x80: lambda m: m.number("<B"),  # PROTO
    0x95: lambda m: m.number("<Q"),  # FRAME
    ord("N"): lambda m: m.push(None),
    0x88: lambda m: m.push(True),
    0x89: lambda m: m.push(False),
    ord("K"): lambda m: m.push(m.number("<B")),
    ord("M"): lambda m: m.push(m.number("<H")),
    ord("J"): lambda m: m.push(m.number("<i")),
    ord("G"): lambda m: m.push(m.number(">d")),
    0x8A: lambda m: m.push(int.from_bytes(m.take("<B"), "little", signed=True)),  # LONG1
    0x8C: lambda m: m.push(m.text("<B")),
    ord("X"): lambda m: m.push(m.text("<I")),
    0x8D: lambda m: m.push(m.text("<Q")),
    ord("C"): lambda m: m.push(m.take("<B")),
    ord("B"): lambda m: m.push(m.take("<I")),
    0x8E: lambda m: m.push(m.take("<Q")),
    0x96: lambda m: m.push(m.take("<Q")),  # BYTEARRAY8
    ord("("): lambda m: m.mark(),
    ord(")"): lambda m: m.push(()),
    0x85: lambda m: m.push(m.last(1)),
    0x86: lambda m: m.push(m.last(2)),
    0x87: lambda m: m.push(m.last(3)),
    ord("t"): lambda m: m.push(tuple(m.since_mark())),
    ord("]"): lambda m: m.push([]),
    0x8F: lambda m: m.push([]),  # EMPTY_SET
    ord("a"): lambda m: m.extend(m.last(1)),
    ord("e"): lambda m: m.extend(m.since_mark()),
    0x90: lambda m: m.extend(m.since_mark()),  # ADDITEMS
    ord("}"): lambda m: m.push({}),
    ord("s"): lambda m: m.set_items(m.last(2)),
    ord("u"): lambda m: m.set_items(m.since_mark()),
    0x94: lambda m: m.memoize(),
    ord("q"): lambda m: m.memoize(m.number("<B")),
    ord("r"): lambda m: m.memoize(m.number("<I")),
    ord("h"): lambda m: m.recall(m.number("<B")),
    ord("j"): lambda m: m.recall(m.number("<I")),
    ord("c"): lambda m: m.name(m.line(), m.line()),
    0x93: lambda m: m.name(*m.last(2)),
    ord("R"): lambda m: m.call(),
    0x81: lambda m: m.call(),  # NEWOBJ
    ord("b"): lambda m: m.build(),
    ord("Q"): lambda m: m.persistent_value(),
}
