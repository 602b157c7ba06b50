"""Reads the wheel of `random-face` (OpenVINO IR 10 files of MobileStyleGAN-FFHQ) as a MobileStyleGAN.

The IR is an XML list of layers, of which only the constants matter here, and a flat file of their values. Parameters
that tracing did not change keep their PyTorch names; the others are found by the named parameter that precedes them.
"""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stylegan_cli.architectures.mobilestylegan import Config, MobileStyleGAN
from stylegan_cli.errors import StyleganError
from stylegan_cli.importers.mobilestylegan import haar_order

Tensors = dict[str, Tensor]

MEMBERS = tuple(f"random_face/data/{net}Network.{end}" for net in ("Mapping", "Synthesis") for end in ("xml", "bin"))


@dataclass(frozen=True)
class Const:
    """One float constant of the graph."""

    name: str
    value: np.ndarray


def generator(members: Sequence[bytes], w_avg: np.ndarray) -> MobileStyleGAN:
    """The generator from the contents of `MEMBERS`, with the `w_avg` `[w_dim]` that these files lack. Raises
    StyleganError if a constant is missing.

    `w_avg` is shipped, not computed on each machine, because rounding differs: the model's hash must be the same for
    all.
    """
    mapping_xml, mapping_bin, synthesis_xml, synthesis_bin = members
    tensors = _mapping(list(_constants(mapping_xml, mapping_bin)))
    tensors |= _synthesis(list(_constants(synthesis_xml, synthesis_bin)))
    with torch.device("meta"):
        model = MobileStyleGAN(Config())
    model.load_state_dict(tensors | {"w_avg": _tensor(w_avg)}, assign=True)
    return model


def _constants(graph: bytes, values: bytes) -> Iterator[Const]:
    for layer in ET.fromstring(graph).iter("layer"):
        data = layer.find("data")
        if layer.get("type") != "Const" or data is None or data.get("element_type") != "f32":
            continue
        shape = [int(n) for n in re.findall(r"\d+", data.get("shape", ""))]
        count = math.prod(shape)
        array = np.frombuffer(values, "<f4", count, int(data.get("offset", "0")))
        yield Const(layer.get("name", ""), array.reshape(shape))


def _mapping(constants: list[Const]) -> Tensors:
    weights = [c.value for c in constants if c.value.ndim == 2 and c.value.size > 1]
    biases = [c.value for c in constants if c.value.ndim == 1 and c.value.size > 1]
    # After each leaky ReLU comes the gain sqrt(2), the only constant between 1 and 2 in the graph.
    gains = {float(c.value.item()) for c in constants if c.value.size == 1 and 1 < c.value.item() < 2}
    if len(gains) != 1:
        raise StyleganError(f"the mapping network has {len(gains)} activation gains, but one was expected")
    tensors = {"map.gain": torch.tensor(gains.pop())}
    for i, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        tensors |= {f"map.layers.{i}.weight": _tensor(weight), f"map.layers.{i}.bias": _tensor(bias)}
    return tensors


def _synthesis(constants: list[Const]) -> Tensors:
    named = {c.name.removeprefix("m."): c.value for c in constants if c.name.startswith("m.")}
    position = {c.name.removeprefix("m."): i for i, c in enumerate(constants)}
    blocks = 1 + max(int(name.split(".")[1]) for name in named if name.startswith("layers."))

    def following(name: str, ends: tuple[int, ...] | None = None) -> np.ndarray:
        """The next unnamed 4-d constant after `name`: weights whose shape ends in `ends`, or noise `[1, 1, h, w]` if
        that is None."""
        for c in constants[position[name] + 1 :]:
            if c.value.ndim == 4 and c.value.size > 1 and not c.name.startswith("m."):
                is_noise = c.value.shape[:2] == (1, 1)
                if is_noise == (ends is None) and (ends is None or c.value.shape[2:] == ends):
                    return c.value
        raise StyleganError(f"the graph has no constant after {name}")

    first = following("input.input", (3, 3))
    tensors = {"const": _tensor(named["input.input"]), "first.weight": haar_order(_tensor(first))}
    tensors |= _affine("first", named, "conv1.conv", 1 / math.sqrt(first[0].size), haar=False)
    tensors |= _epilogue("first", named["conv1.bias"], following("input.input"), haar=True)
    for i in range(blocks):
        layer, last = f"layers.{i}", i == blocks - 1
        tensors |= _affine(f"blocks.{i}.up", named, f"{layer}.up", 1, haar=True)
        for conv in ("conv1", "conv2"):
            ours, theirs, haar = f"blocks.{i}.{conv}", f"{layer}.{conv}.conv", conv == "conv2" and not last
            depthwise = named[f"{theirs}.weight_dw"][:, 0]
            pointwise = _tensor(following(f"{theirs}.weight_dw", (1, 1)))
            tensors |= {f"{ours}.depthwise": _tensor(depthwise)}
            tensors |= {f"{ours}.pointwise": haar_order(pointwise) if haar else pointwise}
            tensors |= _affine(ours, named, theirs, 1 / math.sqrt(len(depthwise) * 9), haar=False)
            tensors |= _epilogue(ours, named[f"{layer}.{conv}.bias"], following(f"{theirs}.weight_dw"), haar)
    head = f"layers.{blocks - 1}.to_img"
    weight = _tensor(named[f"{head}.conv.weight"])
    tensors |= {
        "to_image.weight": haar_order(weight),
        "to_image.bias": haar_order(_tensor(named[f"{head}.bias"]).flatten()),
    }
    return tensors | _affine("to_image", named, f"{head}.conv", 1 / math.sqrt(weight.shape[1]), haar=False)


def _affine(ours: str, named: dict[str, np.ndarray], theirs: str, scale: float, haar: bool) -> Tensors:
    weight = _tensor(named[f"{theirs}.modulation.weight"]) * scale
    bias = _tensor(named[f"{theirs}.modulation.bias"]).flatten() * scale
    if haar:
        weight, bias = haar_order(weight), haar_order(bias)
    return {f"{ours}.affine.weight": weight, f"{ours}.affine.bias": bias}


def _epilogue(ours: str, bias: np.ndarray, noise: np.ndarray, haar: bool) -> Tensors:
    """Tracing multiplied the noise by its strength; dividing by the map's standard deviation separates them again."""
    strength, flat = np.float32(noise.std(dtype=np.float64)), _tensor(bias).flatten()
    return {
        f"{ours}.epilogue.bias": haar_order(flat) if haar else flat,
        f"{ours}.epilogue.noise_const": _tensor(noise[0, 0] / strength),
        f"{ours}.epilogue.noise_strength": torch.tensor(strength),
    }


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array.copy())
