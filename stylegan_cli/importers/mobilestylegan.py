"""MobileStyleGAN.pytorch: PyTorch Lightning's checkpoints of a distillation, `.ckpt` or `.pth`, with the student, the
teacher's mapping network and its mean of w. What else trained the student is left out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stylegan_cli.importers import invented
from stylegan_cli.importers.checkpoint import Draft, Drafts
from stylegan_cli.importers.keymap import Pending, as_is, count, flat, resolutions, scalar
from stylegan_cli.importers.stored import RefusedError, Stored, shown

STUDENT, MAPPING = "student.", "mapping_net."
LR_MULTIPLIER = 0.01  # of StyleGAN2's mapping network
EPS = 1e-8
# Tensors of the student that its pictures do not depend on: heads of smaller pictures, constant filters, and such.
IDLE = ("device_info", "idwt.", "to_img1.")


@dataclass(frozen=True)
class From:
    """A tensor of ours, from tensors of theirs."""

    how: Callable[..., Tensor]
    names: tuple[str, ...]


def is_checkpoint(tree: Mapping[str, Any]) -> bool:
    """Whether this is the checkpoint of a distillation."""
    state = tree.get("state_dict")
    return isinstance(state, dict) and {f"{STUDENT}input.input", f"{MAPPING}layers.1.weight"} <= state.keys()


def read(tree: Mapping[str, Any]) -> Drafts:
    """The student and its mapping network. Raises RefusedError if the student is by a version of their code whose
    convolutions are others."""
    state = tree["state_dict"]
    student = {name.removeprefix(STUDENT): value for name, value in state.items() if name.startswith(STUDENT)}
    if "layers.0.up.modulation.weight" not in student or "layers.0.conv1.conv.style_inv" not in student:
        raise RefusedError(
            "it was made by a version of MobileStyleGAN's code that cannot be read: the known one scales maps before "
            "it doubles them, and has a style_inv for each convolution"
        )
    blocks, depth = count(student, "layers.{}.up.modulation.weight"), count(state, MAPPING + "layers.{}.weight", 1)
    keys = _student_keys(blocks)
    used = {name for one in keys.values() for name in one.names}
    if strangers := [name for name in student if name not in used and not _is_idle(name, blocks)]:
        raise RefusedError(f"it has a tensor {shown(strangers[0])}, which no network of this kind has")
    pending = {ours: _pending(student, one) for ours, one in keys.items()}
    pending |= {ours: _pending(state, one) for ours, one in _mapping_keys(depth).items()}
    pending["map.gain"] = Pending((), lambda: torch.tensor(math.sqrt(2)), is_stored=False)
    channels = [pending["first.weight"].shape[0]]
    channels += [pending[f"blocks.{i}.conv2.pointwise"].shape[0] for i in range(blocks)]
    config = {
        "channels": channels,
        "z_dim": pending["map.layers.0.weight"].shape[1],
        "w_dim": pending["map.layers.0.weight"].shape[0],
        "mapping_layers": depth,
    }
    return Drafts("MobileStyleGAN checkpoint", Draft("mobilestylegan", config, pending | _noise(blocks)))


def _student_keys(blocks: int) -> dict[str, From]:
    keys = {
        "const": From(as_is, ("input.input",)),
        "first.weight": From(_full, ("conv1.conv.weight", "conv1.conv.style_inv")),
        **_affine("first", "conv1.conv", "conv1.conv.weight", haar=False),
        **_epilogue("first", "conv1", haar=True),
    }
    for i in range(blocks):
        is_last = i == blocks - 1
        keys |= _affine(f"blocks.{i}.up", f"layers.{i}.up", None, haar=True)
        for conv in ("conv1", "conv2"):
            ours, theirs, haar = f"blocks.{i}.{conv}", f"layers.{i}.{conv}", conv == "conv2" and not is_last
            depthwise = f"{theirs}.conv.weight_dw"
            weights = (f"{theirs}.conv.weight_permute", depthwise, f"{theirs}.conv.style_inv")
            keys[f"{ours}.depthwise"] = From(as_is, (depthwise,))
            keys[f"{ours}.pointwise"] = From(partial(_pointwise, haar=haar), weights)
            keys |= _affine(ours, f"{theirs}.conv", depthwise, haar=False) | _epilogue(ours, theirs, haar)
    head = f"layers.{blocks - 1}.to_img"
    keys["to_image.weight"] = From(haar_order, (f"{head}.conv.weight",))
    keys["to_image.bias"] = From(partial(_bias, haar=True), (f"{head}.bias",))
    return keys | _affine("to_image", f"{head}.conv", f"{head}.conv.weight", haar=False)


def _affine(ours: str, theirs: str, weight: str | None, haar: bool) -> dict[str, From]:
    """A style, scaled as in their convolution with this `weight`."""
    more = () if weight is None else (weight,)
    return {
        f"{ours}.affine.{end}": From(partial(_style, haar=haar), (f"{theirs}.modulation.{end}", *more))
        for end in ("weight", "bias")
    }


def _epilogue(ours: str, theirs: str, haar: bool) -> dict[str, From]:
    return {
        f"{ours}.epilogue.bias": From(partial(_bias, haar=haar), (f"{theirs}.bias",)),
        f"{ours}.epilogue.noise_strength": From(scalar, (f"{theirs}.noise.weight",)),
    }


def _mapping_keys(depth: int) -> dict[str, From]:
    keys = {"w_avg": From(_mean, ("style_mean",))}
    for i in range(depth):
        theirs = f"{MAPPING}layers.{i + 1}"
        keys[f"map.layers.{i}.weight"] = From(_equalised, (f"{theirs}.weight",))
        keys[f"map.layers.{i}.bias"] = From(_scaled_bias, (f"{theirs}.bias",))
    return keys


def _noise(blocks: int) -> dict[str, Pending]:
    """Their pictures have new noise each time; these are as large as each layer's."""
    layers = [("first", 4)] + [(f"blocks.{n}.conv{i}", 2 * r) for n, r in resolutions(blocks) for i in (1, 2)]
    return {
        f"{layer}.epilogue.noise_const": invented.noise((size, size), np.random.RandomState(n).randn)
        for n, (layer, size) in enumerate(layers)
    }


def _is_idle(name: str, blocks: int) -> bool:
    parts = name.split(".")
    is_head = parts[0] == "layers" and parts[2:3] == ["to_img"] and parts[1] != str(blocks - 1)
    return name.startswith(IDLE) or is_head or parts[2:4] == ["up", "idwt"]


def _pending(found: Mapping[str, Any], one: From) -> Pending:
    values = [_stored(found, name) for name in one.names]
    try:
        shape = tuple(one.how(*(value.meta() for value in values)).shape)
    except (RuntimeError, IndexError):
        raise RefusedError(f"the sizes of {' and '.join(map(shown, one.names))} in it are impossible") from None
    return Pending(shape, lambda: one.how(*(value.tensor().float() for value in values)).contiguous())


def _stored(found: Mapping[str, Any], name: str) -> Stored:
    value = found.get(name)
    if not isinstance(value, Stored) or not value.dtype.is_floating_point:
        raise RefusedError(f"it has no tensor of floating-point numbers called {shown(name)}")
    return value


def _full(weight: Tensor, inverse: Tensor) -> Tensor:
    """The first convolution's weights `[out, in, 3, 3]` with its demodulation, which is the same for all styles."""
    return haar_order(weight * _demodulation(weight, inverse))


def _pointwise(weight: Tensor, depthwise: Tensor, inverse: Tensor, haar: bool) -> Tensor:
    """The same for the pointwise weights `[out, in, 1, 1]` after depthwise ones `[in, 1, 3, 3]`."""
    whole = weight * _demodulation(depthwise.transpose(0, 1) * weight, inverse)
    return haar_order(whole) if haar else whole


def _demodulation(weight: Tensor, inverse: Tensor) -> Tensor:
    """The factor `[out, 1, 1, 1]` of weights `[out, in, 3, 3]`; `inverse` `[1, 1, in, 1, 1]` takes the place of a
    style."""
    if inverse.shape != (1, 1, weight.shape[1], 1, 1):  # others could be repeated without an end
        raise IndexError
    scaled = weight * inverse[0] / math.sqrt(weight[0].numel())
    return (scaled.square().sum(dim=(1, 2, 3), keepdim=True) + EPS).rsqrt()


def _style(x: Tensor, weight: Tensor | None = None, *, haar: bool) -> Tensor:
    """A style's weights or biases. A convolution's are scaled by its number of inputs: those of `weight` `[out, in, k,
    k]` or, of a depthwise one, `[in, 1, k, k]`."""
    if weight is not None:
        x = x / math.sqrt(len(x) * weight[0, 0].numel())
    return haar_order(x) if haar else x


def _bias(x: Tensor, *, haar: bool) -> Tensor:
    return haar_order(flat(x)) if haar else flat(x)


def _mean(x: Tensor) -> Tensor:
    """The mean of w, which is repeated for each layer: `[1, w_dim]` or `[1, num_ws, w_dim]`."""
    if x.ndim not in (2, 3) or len(x) != 1:
        raise IndexError
    return x.flatten(0, -2)[0]


def _equalised(x: Tensor) -> Tensor:
    return x * (LR_MULTIPLIER / math.sqrt(x.shape[1]))


def _scaled_bias(x: Tensor) -> Tensor:
    return x * LR_MULTIPLIER


def haar_order(x: Tensor) -> Tensor:
    """Their files have C/4 LL channels and then LH, HL, HH interleaved; here each sub-band is one block of channels."""
    quarter = len(x) // 4
    details = x[quarter:].unflatten(0, (quarter, 3)).transpose(0, 1).flatten(0, 1)
    return torch.cat([x[:quarter], details])
