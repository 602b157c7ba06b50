"""A pickle reader that cannot run anything.

A pickle is a program for a small stack machine. Python's machine imports and calls whatever the program names; this one
builds only plain values: numbers, strings, dicts, lists, tuples, byte views, tensors not read yet, and `Record`s in
place of objects of foreign classes. `CALLS` lists what it can be asked to build, and `INERT` the packages that build
the rest of some checkpoints, of which only Records are made; every other name is refused.

It also limits time and memory: byte strings are views into the file and never copies, a length is checked before it is
trusted, steps are counted, only strings and numbers are ever hashed or printed (with nested tuples either can take
forever), and no part of it is recursive.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from stylegan_cli.importers.stored import RefusedError, Storage, Stored, is_name, shown, sizes

# The official checkpoints need about 40 000 steps.
MAX_STEPS = 1_000_000
MAX_TEXT = 1 << 20
TEXT_A_STEP = 1 << 8  # bytes of text that can be read in about the time of one step


@dataclass(slots=True, eq=False, repr=False)
class Record:
    """An object of a foreign class: a short name for the class, and the object's state."""

    name: str
    state: Any = None


@dataclass(frozen=True, slots=True)
class Global:
    """The name of something importable, which is never imported."""

    name: str


@dataclass(slots=True, eq=False)
class DType:
    """A NumPy number type. Its state contains the byte order."""

    code: str
    order: str = "<"

    def set_state(self, state: Sequence[Any]) -> None:
        self.order = _type_name(state[1])

    @property
    def torch(self) -> torch.dtype:
        if self.code not in NUMPY_TYPES or self.order not in ("<", "=", "|"):
            raise RefusedError(f"it has an array of type {shown(f'{self.order}{self.code}')}, not of plain numbers")
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
    """The number of steps left, shared by a pickle and the pickles inside it."""

    steps: int = MAX_STEPS

    def spend(self, steps: int) -> None:
        self.steps -= steps
        if self.steps < 0:
            raise RefusedError(f"its pickle needs more than {MAX_STEPS} steps, many times what a network needs")


NUMPY_TYPES = {
    "f2": torch.float16, "f4": torch.float32, "f8": torch.float64, "b1": torch.bool, "u1": torch.uint8,
    "i1": torch.int8, "i2": torch.int16, "i4": torch.int32, "i8": torch.int64,
}  # fmt: skip
STORAGE_TYPES = {
    "torch.FloatStorage": torch.float32, "torch.DoubleStorage": torch.float64, "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16, "torch.LongStorage": torch.int64, "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16, "torch.CharStorage": torch.int8, "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
}  # fmt: skip


class Machine:
    """Runs one pickle, from `position` in `data`; afterwards `position` is just after it."""

    def __init__(
        self,
        data: memoryview,
        position: int = 0,
        budget: Budget | None = None,
        calls: Mapping[str, Callable[..., Any]] | None = None,
        persistent: Callable[[Any], Any] | None = None,
    ) -> None:
        self.data = data
        self.position = position
        self.budget = budget or Budget()
        self.calls = CALLS if calls is None else calls
        self.persistent = persistent
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        """The value that the pickle describes."""
        while (instruction := self.number("<B")) != STOP:
            self.budget.spend(1)
            if instruction not in STEPS:
                raise RefusedError(f"its pickle has the unknown instruction {instruction} at byte {self.position - 1}")
            STEPS[instruction](self)
        return self.stack.pop()

    def number(self, layout: str) -> Any:
        (value,) = struct.unpack_from(layout, self.data, self.position)
        self.position += struct.calcsize(layout)
        return value

    def take(self, layout: str) -> memoryview:
        """The bytes that follow their own length, as a view."""
        size = self.number(layout)
        start, left = self.position, len(self.data) - self.position
        if size > left:
            raise RefusedError(f"it is truncated: it announces {size} bytes at byte {start}, but only {left} are left")
        self.position += size
        return self.data[start : start + size]

    def text(self, layout: str) -> str:
        view = self.take(layout)
        if len(view) > MAX_TEXT:
            raise RefusedError(f"it has a text of {len(view)} bytes")
        self.budget.spend(len(view) // TEXT_A_STEP)
        return str(view, "utf-8", "surrogatepass")

    def line(self) -> str:
        window = bytes(self.data[self.position : self.position + 1000])
        length = window.index(b"\n")
        self.position += length + 1
        return window[:length].decode()

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def mark(self) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def since_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.marks.pop()
        return items

    def last(self, count: int) -> tuple[Any, ...]:
        items = tuple(self.stack[-count:])
        if len(items) < count:
            raise IndexError("the stack has too few values")
        del self.stack[-count:]
        return items

    def memoize(self, index: int | None = None) -> None:
        self.memo[len(self.memo) if index is None else index] = self.stack[-1]

    def recall(self, index: int) -> None:
        self.push(self.memo[index])

    def extend(self, items: Iterable[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, list):
            raise TypeError("items are added to something that is not a list")
        target.extend(items)

    def set_items(self, items: Sequence[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict):
            raise TypeError("items are set in something that is not a dict")
        target.update(_checked(zip(items[::2], items[1::2], strict=True)))

    def name(self, module: Any, name: Any) -> None:
        """A global by its name, which must be one of the few that checkpoints need."""
        full = f"{module}.{name}" if is_name(module) and is_name(name) else "something without a name"
        full = ALIASES.get(full, full)
        if full not in self.calls and full not in STORAGE_TYPES and full != "numpy.ndarray" and not is_inert(full):
            raise RefusedError(f"it asks for {shown(full)}, which no StyleGAN checkpoint needs")
        self.push(Global(full))

    def call(self) -> None:
        """REDUCE and NEWOBJ. Nothing is imported, and only the stand-ins in `calls` are called. What INERT makes can be
        called, too, which makes more of the same."""
        function, args = self.last(2)
        if not isinstance(function, Global | Record) or not isinstance(args, tuple):
            raise TypeError("something that is not a function is called")
        make = self.calls.get(function.name)
        if make is None and not is_inert(function.name):
            raise RefusedError(f"it calls {function.name}, which no StyleGAN checkpoint does")
        # Python copies the arguments, and a stand-in may copy their contents; a pickle can pass the same arguments,
        # however long, a million times.
        self.budget.spend(len(args) + sum(len(arg) for arg in args if isinstance(arg, list | tuple | dict)))
        self.push(make(*args) if make else Record(function.name))

    def build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, Record):
            target.state = state
        elif isinstance(target, Array | DType):
            target.set_state(state)
        elif not isinstance(target, dict):  # a state dict's `_metadata` attribute means nothing here
            raise TypeError("something without a state is given one")

    def point_outside(self) -> None:
        if self.persistent is None:
            raise RefusedError("it points to data outside its pickle (a persistent id)")
        self.push(self.persistent(self.stack.pop()))


def _checked(items: Iterable[Any]) -> dict[Any, Any]:
    """A dict whose keys are names or numbers (old optimisers number parameters by address): hashing anything else could
    crash or take forever. Classes, under which PyTorch Lightning keeps its callbacks, become their names."""
    result = {}
    for key, value in items:
        key = key.name if isinstance(key, Global) else key
        if not is_name(key) and not (isinstance(key, int) and abs(key) < 2**63):
            raise RefusedError(f"it has a dict with {shown(key)} as a key")
        result[key] = value
    return result


def _bytes(text: str, encoding: str) -> memoryview:
    """Byte strings in a pickle protocol that has no type for them."""
    if not is_name(text) or encoding != "latin1":
        raise RefusedError(f"it has {shown(text)} as bytes in {shown(encoding)}")
    return memoryview(text.encode("latin1"))


def _rebuild_tensor(
    storage: Storage,
    offset: int,
    shape: Sequence[int],
    stride: Sequence[int],
    _requires_grad: Any = False,
    _hooks: Any = None,
    seen_as: Any = None,
) -> Stored:
    if not isinstance(storage, Storage):
        raise TypeError("a tensor has no storage")
    if seen_as:  # negated or conjugated
        raise RefusedError("it has a tensor that changes its stored numbers; save it with .resolve_neg()")
    (start,) = sizes((offset,))
    return Stored(storage, start, sizes(shape), sizes(stride))


def _type_name(value: Any) -> str:
    """A part of a number type's name, which is looked up and shown later."""
    if not isinstance(value, str):
        raise RefusedError(f"it has an array of type {shown(value)}, not of plain numbers")
    return value


def _array(data: memoryview, dtype: DType, shape: Sequence[int], order: str) -> Array:
    shape = sizes(shape)
    faster = [shape[axis + 1 :] if order == "C" else shape[:axis] for axis in range(len(shape))]
    storage = Storage(dtype.torch, math.prod(shape))
    storage.fill(data)
    return Array(Stored(storage, 0, shape, tuple(math.prod(axes) for axes in faster)))


def _scalar(dtype: DType, data: memoryview) -> float | int | bool:
    stored = _array(data, dtype, (), "C").stored
    assert stored is not None
    return stored.tensor().item()


# What a pickle may call, and what is built instead.
CALLS: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": lambda items=(): _checked(items),
    "dnnlib.util.EasyDict": lambda items=(): _checked(items),
    "builtins.set": lambda items=(): items,
    "_codecs.encode": _bytes,
    "torch.Size": lambda items=(): items,
    "torch.device": lambda *_: Record("device"),
    "torch._utils._rebuild_parameter": lambda tensor, *_: tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "numpy.dtype": lambda code, *_: DType(_type_name(code)),
    "numpy.core.multiarray.scalar": _scalar,
    "numpy.core.multiarray._reconstruct": lambda *_: Array(),
    "numpy.core.numeric._frombuffer": _array,
    "torch_utils.persistence._reconstruct_persistent_obj": lambda meta: Record("module", meta),
    "dnnlib.tflib.network.Network": lambda: Record("network"),
    "argparse.Namespace": lambda: Record("namespace"),
    "pathlib.PosixPath": lambda *_: Record("path"),
}
# The names in NumPy 2 and Python 2 for the same things.
ALIASES = {
    "numpy._core.multiarray.scalar": "numpy.core.multiarray.scalar",
    "numpy._core.multiarray._reconstruct": "numpy.core.multiarray._reconstruct",
    "numpy._core.numeric._frombuffer": "numpy.core.numeric._frombuffer",
    **{f"__builtin__.{name}": f"builtins.{name}" for name in ("set", "getattr", "setattr")},
    # Training options hold paths.
    **dict.fromkeys(
        ("pathlib.PurePosixPath", "pathlib.WindowsPath", "pathlib.PureWindowsPath", "pathlib._local.PosixPath"),
        "pathlib.PosixPath",
    ),
}

# Packages whose objects lie beside a generator: the discriminators of StyleGAN-XL, which contain a classifier of timm's
# with functions of its own, stored by dill, in some versions with everything that they refer to; the state of PyTorch
# Lightning, and the logs of MMEngine.
INERT = (
    "torch.nn.", "torch.utils.", "torch._C.", "torch.Tensor", "torchvision.", "timm.", "pg_modules.", "training.",
    "feature_networks.", "dill.", "types.", "typing.", "functools.", "_functools.", "_operator.", "_frozen_importlib",
    "builtins.getattr", "builtins.setattr", "builtins.__dict__", "pytorch_lightning.", "lightning.", "mmengine.",
)  # fmt: skip


def is_inert(name: str) -> bool:
    """Whether this is the name of something in INERT, which is read as a Record of that name, whatever it is."""
    return name.startswith(INERT)


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
    0x8C: lambda m: m.push(m.text("<B")),  # SHORT_BINUNICODE
    ord("X"): lambda m: m.push(m.text("<I")),
    0x8D: lambda m: m.push(m.text("<Q")),  # BINUNICODE8
    ord("C"): lambda m: m.push(m.take("<B")),
    ord("B"): lambda m: m.push(m.take("<I")),
    0x8E: lambda m: m.push(m.take("<Q")),  # BINBYTES8
    0x96: lambda m: m.push(m.take("<Q")),  # BYTEARRAY8
    ord("("): lambda m: m.mark(),
    ord(")"): lambda m: m.push(()),
    0x85: lambda m: m.push(m.last(1)),  # TUPLE1
    0x86: lambda m: m.push(m.last(2)),  # TUPLE2
    0x87: lambda m: m.push(m.last(3)),  # TUPLE3
    ord("t"): lambda m: m.push(tuple(m.since_mark())),
    ord("]"): lambda m: m.push([]),
    0x8F: lambda m: m.push([]),  # EMPTY_SET
    ord("0"): lambda m: m.last(1),  # POP
    ord("1"): lambda m: m.since_mark(),  # POP_MARK
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
    0x93: lambda m: m.name(*m.last(2)),  # STACK_GLOBAL
    ord("R"): lambda m: m.call(),
    0x81: lambda m: m.call(),  # NEWOBJ
    ord("b"): lambda m: m.build(),
    ord("Q"): lambda m: m.point_outside(),
}
