"""Writes checkpoints as the foreign projects do: real pickles that name their classes, without those projects."""

from __future__ import annotations

import io
import json
import pickle
import re
import sys
import types
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stylegan_cli import architectures, importers
from stylegan_cli.importers.stored import Stored
from stylegan_cli.importers.unpickle import Array, Record

# Names and shapes of the tensors in files of the original projects.
NAMES = json.loads((Path(__file__).parents[1] / "golden" / "imp_names.json").read_text())
TAPS = torch.tensor([1.0, 3.0, 3.0, 1.0])
KERNEL = torch.outer(TAPS, TAPS) / 16
LOD = 1.5


def _reconstruct_persistent_obj(meta: Any) -> None:
    raise AssertionError("code from a checkpoint was run")


class Module:
    """Pickles as a module of NVIDIA's PyTorch projects does."""

    def __init__(self, meta: dict[str, Any]) -> None:
        self.meta = meta

    def __reduce__(self) -> Any:
        return _reconstruct_persistent_obj, (self.meta,)


class Network:
    """Pickles as dnnlib.tflib.Network does."""

    def __init__(self, state: dict[str, Any]) -> None:
        self.state = state

    def __getstate__(self) -> dict[str, Any]:
        return self.state

    def __setstate__(self, state: Any) -> None:
        raise AssertionError("code from a checkpoint was run")


class EasyDict(dict):
    """dnnlib's dict."""


PLACES: dict[str, list[Any]] = {
    "torch_utils": [],
    "dnnlib": [],
    "dnnlib.tflib": [],
    "torch_utils.persistence": [_reconstruct_persistent_obj],
    "dnnlib.tflib.network": [Network],
    "dnnlib.util": [EasyDict],
}


@contextmanager
def foreign_modules() -> Iterator[None]:
    """The projects' module names, for as long as pickle needs to find the classes above there."""
    before = dict(sys.modules)
    for name, members in PLACES.items():
        module = types.ModuleType(name)
        for member in members:
            member.__module__ = name
            setattr(module, member.__name__, member)
        sys.modules[name] = module
    try:
        yield
    finally:
        for name in PLACES:
            sys.modules.pop(name)
        sys.modules.update(before)


def module(tensors: dict[str, torch.Tensor], attributes: dict[str, Any]) -> Module:
    """A tree of NVIDIA's modules, made from the dotted names of their tensors and of their other attributes."""

    def within(child: str, values: dict[str, Any]) -> dict[str, Any]:
        return {name.removeprefix(f"{child}."): value for name, value in values.items() if name.startswith(f"{child}.")}

    def own(values: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in values.items() if "." not in name}

    children = dict.fromkeys(name.partition(".")[0] for name in tensors if "." in name)
    inner = {child: module(within(child, tensors), within(child, attributes)) for child in children}
    state = {"_parameters": own(tensors), "_buffers": {}, "_modules": inner, **own(attributes)}
    return Module({"type": "class", "version": 6, "module_src": "", "class_name": "X", "state": state})


def dumps(tree: Any, protocol: int = 4) -> bytes:
    with foreign_modules():
        return pickle.dumps(tree, protocol)


def zipped(tree: Any, **kwargs: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(tree, buffer, **kwargs)
    return buffer.getvalue()


def revive(value: Any) -> Any:
    """What the reader made of a pickle, as objects that `dumps` writes like the original's."""
    if isinstance(value, Record):
        return (Module if value.name == "module" else Network)(revive(value.state))
    if isinstance(value, Stored):
        return value.tensor()
    if isinstance(value, Array):
        assert value.stored is not None
        return value.stored.tensor().numpy()
    if isinstance(value, dict):
        return OrderedDict((key, revive(item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        return type(value)(revive(item) for item in value)
    return np.float32(value) if isinstance(value, float) else value


def numbers(shapes: dict[str, list[int]]) -> dict[str, torch.Tensor]:
    """Tensors of these names and shapes: filters and `lod` as they are, everything else random."""
    torch.manual_seed(0)
    return {
        name: KERNEL.expand(*shape[:-2], 4, 4).clone()
        if name.endswith("kernel") and shape[-1] == 4
        else torch.full(shape, LOD)
        if re.fullmatch(r"(synthesis\.)?lod", name)
        else torch.randn(shape)
        for name, shape in shapes.items()
    }


def tensorflow(network: dict[str, Any]) -> Network:
    """A network of TensorFlow's, described as in NAMES, with random numbers."""
    variables = [(k, np.float32(v) if v.ndim == 0 else v.numpy()) for k, v in numbers(network["variables"]).items()]
    components = {name: tensorflow(part) for name, part in network["components"].items()}
    return Network(network | {"variables": variables, "components": components, "version": 4})


def write(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "checkpoint"
    path.write_bytes(content)
    return path


def stylegan2(**changes: Any) -> importers.Network:
    """A small StyleGAN2 with random numbers."""
    small = {"resolution": 16, "channel_base": 64, "channel_max": 8, "z_dim": 4, "w_dim": 4, "mapping_layers": 2}
    state = architectures.build("stylegan2", small | changes).state_dict()
    return importers.Network("stylegan2", small | changes, numbers({k: list(v.shape) for k, v in state.items()}))
