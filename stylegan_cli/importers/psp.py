"""pSp, and what is built on it (e4e, ReStyle, SAM): `.pt` files with an encoder, and rosinality's generator as its
`decoder`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from stylegan_cli.importers import rosinality
from stylegan_cli.importers.checkpoint import Drafts, check_room
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


@dataclass(frozen=True)
class DraftEncoder:
    """An encoder whose tensors are still in the file: `config` is what `encoders.psp.Config` takes."""

    config: dict[str, Any]
    pending: Mapping[str, Pending]

    def load(self, room: int) -> dict[str, Tensor]:
        """The tensors, which take no more than the `room` bytes of the file; raises RefusedError if they claim more."""
        check_room(self.pending.values(), room)
        return {name: tensor.load() for name, tensor in self.pending.items()}


def is_checkpoint(tree: Mapping[str, Any]) -> bool:
    """Whether this is the checkpoint of an encoder that includes its generator."""
    state = tree.get("state_dict")
    return isinstance(state, dict) and f"{DECODER}conv1.conv.modulation.weight" in state


def read(tree: Mapping[str, Any]) -> Drafts:
    """The generator in an encoder's checkpoint. Its `latent_avg` may be repeated per layer."""
    found, mean = _part(tree, DECODER), tree.get("latent_avg")
    if isinstance(mean, Stored) and len(mean.shape) == 2:
        mean = replace(mean, shape=mean.shape[1:], stride=mean.stride[1:])
    return rosinality.read(found if mean is None else {**found, "latent_avg": mean})


def encoder(tree: Mapping[str, Any]) -> DraftEncoder | None:
    """The encoder in a checkpoint; None if it is not one from photos to latents of all layers, as that of SAM, which is
    also told an age, or those of pSp that read sketches."""
    options = tree["opts"] if isinstance(tree.get("opts"), dict) else {}
    kind, data, state = options.get("encoder_type"), options.get("dataset_type", ""), _part(tree, ENCODER)
    stem = state.get("input_layer.0.weight", state.get("conv1.weight"))
    if not (isinstance(kind, str) and isinstance(data, str) and isinstance(stem, Stored) and len(stem.shape) == 4):
        return None
    width, seen, *_ = stem.shape
    is_pyramid, is_stepwise = TYPES.get(kind.removeprefix(RESNET), (None, None))
    if is_pyramid is None or seen not in PASSES or data.startswith("cars"):
        return None
    layers = count(state, "styles.{}.linear.weight")
    if max(layers, width) > MOST:
        raise RefusedError(f"its encoder has {layers} layers and {width} feature maps, but {MOST} are the most")
    config = {
        "num_ws": layers,
        "width": width,
        "trunk": "resnet34" if kind.startswith(RESNET) else "irse50",
        "is_pyramid": is_pyramid,
        "is_stepwise": is_stepwise,
        "passes": PASSES[seen],
    }
    # `start_from_latent_avg` is pSp's and e4e's; ReStyle always does.
    mean = tree.get("latent_avg") if options.get("start_from_latent_avg", True) else None
    names = {name: None if name.endswith("num_batches_tracked") else To(_ours(name)) for name in state}
    centre = Pending((layers, 8 * width), partial(_centre, mean, layers, 8 * width), is_stored=False)
    return DraftEncoder(config, {**rename(state, names), "centre": centre})


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
