"""pSp, and what is built on it (e4e, ReStyle, SAM): `.pt` files with an encoder, and rosinality's generator as its
`decoder`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from stylegan_cli.importers import rosinality
from stylegan_cli.importers.checkpoint import Drafts, EncoderDraft
from stylegan_cli.importers.keymap import Pending, To, count, rename
from stylegan_cli.importers.stored import RefusedError, Stored

DECODER, ENCODER = "decoder.", "encoder."
RESNET = "ResNet"
# The encoders' types: whether heads see three resolutions, and whether offsets are added to the first. Each can have
# ResNet-34 as its trunk, too.
TYPES = {
    "GradualStyleEncoder": (True, False),
    "Encoder4Editing": (True, True),
    "BackboneEncoder": (False, False),
    "ProgressiveBackboneEncoder": (False, True),
}
# What an encoder sees, by the number of its input channels: a picture, or with it, ReStyle's last one; and how often.
PASSES = {3: 1, 6: 5}
MOST = 1024  # layers, and feature maps of the first convolution
STEM = {"conv1": "input_layer.0", "bn1": "input_layer.1", "relu": "input_layer.2"}  # ResNet's names, and ArcFace's


def is_checkpoint(tree: Mapping[str, Any]) -> bool:
    """Whether this is the checkpoint of an encoder that includes its generator."""
    state = tree.get("state_dict")
    return isinstance(state, dict) and f"{DECODER}conv1.conv.modulation.weight" in state


def read(tree: Mapping[str, Any]) -> Drafts:
    """The generator in an encoder's checkpoint, whose `latent_avg` may be repeated per layer; and the encoder, if it is
    one from photos to a `w` for each layer: SAM's is also told an age, and some of pSp's read sketches."""
    found, mean = _part(tree, DECODER), tree.get("latent_avg")
    if isinstance(mean, Stored) and len(mean.shape) == 2:
        mean = replace(mean, shape=mean.shape[1:], stride=mean.stride[1:])
    drafts = rosinality.read(found if mean is None else {**found, "latent_avg": mean})
    state, options = _part(tree, ENCODER), tree["opts"] if isinstance(tree.get("opts"), dict) else {}
    if (kind := _kind(options)) is None or (stem := _stem(state)) is None:
        return drafts
    # `start_from_latent_avg` is pSp's and e4e's; ReStyle always does.
    centre = tree.get("latent_avg") if options.get("start_from_latent_avg", True) else None
    return replace(drafts, encoder=partial(_encoder, state, kind, stem, centre))


def _kind(options: Mapping[str, Any]) -> str | None:
    """The type of an encoder, as the file says; None if it is another, or one for cars, whose pictures are wide."""
    kind, data = options.get("encoder_type"), options.get("dataset_type", "")
    is_known = isinstance(kind, str) and isinstance(data, str) and kind.removeprefix(RESNET) in TYPES
    return kind if is_known and not data.startswith("cars") else None


def _stem(state: Mapping[str, Any]) -> tuple[int, int] | None:
    """How many feature maps an encoder's first convolution makes, and channels it sees; None if it sees others than
    those of pictures."""
    stem = state.get("input_layer.0.weight", state.get("conv1.weight"))
    if not isinstance(stem, Stored) or len(stem.shape) != 4 or stem.shape[1] not in PASSES:
        return None
    return stem.shape[:2]


def _encoder(state: Mapping[str, Any], kind: str, stem: tuple[int, int], mean: Any) -> EncoderDraft:
    (width, seen), layers = stem, count(state, "styles.{}.linear.weight")
    if max(layers, width) > MOST:
        raise RefusedError(f"its encoder has {layers} layers and {width} feature maps, but {MOST} are the most")
    is_pyramid, is_stepwise = TYPES[kind.removeprefix(RESNET)]
    config = {
        "num_ws": layers,
        "width": width,
        "trunk": "resnet34" if kind.startswith(RESNET) else "irse50",
        "is_pyramid": is_pyramid,
        "is_stepwise": is_stepwise,
        "passes": PASSES[seen],
    }
    names = {name: None if name.endswith("num_batches_tracked") else To(_ours(name)) for name in state}
    centre = Pending((layers, 8 * width), partial(_centre, mean, layers, 8 * width), is_stored=False)
    return EncoderDraft(config, {**rename(state, names), "centre": centre})


def _part(tree: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    state = tree["state_dict"]
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def _ours(name: str) -> str:
    """ResNet's stem has other names."""
    layer, dot, rest = name.partition(".")
    return f"{STEM.get(layer, layer)}{dot}{rest}"


def _centre(mean: Any, layers: int, w_dim: int) -> Tensor:
    """What offsets are added to, `[layers, w_dim]`: the average `w`, which may be repeated per layer, or zero."""
    if mean is None:
        return torch.zeros(layers, w_dim)
    if not isinstance(mean, Stored) or mean.shape[-1:] != (w_dim,) or mean.count not in (w_dim, layers * w_dim):
        raise RefusedError("its latent_avg does not fit its encoder")
    return mean.tensor().float().reshape(-1, w_dim).expand(layers, -1).contiguous()
