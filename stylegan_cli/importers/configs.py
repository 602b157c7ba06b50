"""The configs of networks, inferred from the shapes of their tensors (under our names); `facts` are config entries that
shapes do not show.

Such a config is only a guess until `Draft.load` has compared every tensor with the architecture that it describes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch

from stylegan_cli.importers.checkpoint import Draft
from stylegan_cli.importers.keymap import Pending, count
from stylegan_cli.importers.stored import RefusedError, Stored, shown

# The group size of the minibatch standard deviation if a file says None.
WHOLE_BATCH = 1 << 20
MAX_TAPS = 64

Shapes = dict[str, tuple[int, ...]]


def stylegan1_generator(pending: Mapping[str, Pending], **facts: Any) -> Draft:
    """A StyleGAN generator of these tensors; `facts` are further entries of its config."""
    shapes = _shapes(pending)
    blocks = count(shapes, "synthesis.torgb.{}.weight")
    channels = [shapes[f"synthesis.layers.{2 * n}.bias"][0] for n in range(blocks)]
    base, most = _capacity(channels)
    config = {
        "resolution": _top(blocks),
        "fmap_base": base // 2,
        "fmap_max": most,
        "w_dim": shapes["synthesis.layers.0.affine.weight"][1],
        "img_channels": shapes["synthesis.torgb.0.weight"][0],
        **_mapping(shapes, shapes.get("mapping.label.weight", (0, 0))[::-1]),
    }
    return Draft("stylegan1", config | facts, pending)


def stylegan1_discriminator(pending: Mapping[str, Pending], **facts: Any) -> Draft:
    """A StyleGAN discriminator of these tensors; `facts` are further entries of its config."""
    shapes = _shapes(pending)
    blocks = count(shapes, "fromrgb.{}.weight")
    base, most = _capacity([shapes[f"fromrgb.{n}.weight"][0] for n in range(blocks)])
    config = {
        "resolution": _top(blocks),
        "fmap_base": base // 2,
        "fmap_max": most,
        "c_dim": _scores(shapes["final.dense1.weight"]),
        "img_channels": shapes["fromrgb.0.weight"][1],
    }
    return Draft("stylegan1", config | facts, pending, is_discriminator=True)


def lod(found: Any, blocks: int) -> float:
    """How many doublings a StyleGAN of `blocks` resolutions still lacked when it was saved; 0 if the file does not say.
    Raises RefusedError if the value is impossible."""
    if isinstance(found, Stored):
        found = found.tensor().item() if found.count == 1 else None
    value = float(found) if isinstance(found, int | float) else 0.0
    if not 0 <= value <= blocks - 1:
        raise RefusedError(f"its lod is {value}, but a network of {blocks} resolutions has 0 to {blocks - 1}")
    return value


def stylegan2_generator(pending: Mapping[str, Pending], **facts: Any) -> Draft:
    """A StyleGAN2 generator of these tensors; `facts` are further entries of its config."""
    shapes = _shapes(pending)
    resolutions = _resolutions(shapes, "synthesis.b{}.conv1.weight", 4)
    base, most = _capacity([shapes[f"synthesis.b{r}.conv1.weight"][0] for r in resolutions])
    embed, label = (shapes.get(f"mapping.{kind}.weight") for kind in ("embed", "label"))
    config = {
        "resolution": resolutions[-1],
        "start": shapes.get("synthesis.b4.const", (0, 4, 4))[1:],
        "channel_base": base,
        "channel_max": most,
        "w_dim": shapes["synthesis.b4.conv1.affine.weight"][1],
        "img_channels": shapes[f"synthesis.b{resolutions[-1]}.torgb.weight"][0],
        "architecture": _architecture("synthesis.b8.skip.weight" in shapes, "synthesis.b4.torgb.weight" in shapes),
        "label_input": "concat" if label else "embed",
        "embed_dim": embed[0] if embed else None,
        **_mapping(shapes, embed or (label or (0, 0))[::-1]),
    }
    return Draft("stylegan2", config | facts, pending)


def stylegan2_discriminator(pending: Mapping[str, Pending], **facts: Any) -> Draft:
    """A StyleGAN2 discriminator of these tensors; `facts` are further entries of its config."""
    shapes = _shapes(pending)
    resolutions = _resolutions(shapes, "b{}.conv0.weight", 8)
    channels = [shapes["b4.conv.weight"][0]] + [shapes[f"b{r}.conv0.weight"][0] for r in resolutions]
    base, most = _capacity(channels)
    outputs, embed = shapes["b4.out.weight"], shapes.get("mapping.embed.weight")
    config = {
        "resolution": resolutions[-1],
        "channel_base": base,
        "channel_max": most,
        "c_dim": embed[1] if embed else _scores(outputs),
        "cmap_dim": outputs[0] if embed else None,
        "embed_dim": embed[0] if embed else None,
        "label_input": "embed" if embed or outputs[0] == 1 else "concat",
        **_depth(shapes),
        "architecture": _architecture("b8.skip.weight" in shapes, "b4.fromrgb.weight" in shapes),
        "img_channels": shapes[f"b{resolutions[-1]}.fromrgb.weight"][1],
        "mbstd_channels": shapes["b4.conv.weight"][1] - channels[0],
    }
    return Draft("stylegan2", config | facts, pending, is_discriminator=True)


def agree(draft: Draft, said: Mapping[str, Any]) -> Draft:
    """The draft; raises RefusedError if what the file says about the network contradicts its tensors."""
    for name, value in said.items():
        if draft.config[name] != value:
            raise RefusedError(f"it says that {name} is {shown(value)}, but its tensors show {draft.config[name]}")
    return draft


def resample_filter(kernels: Iterable[Any]) -> dict[str, tuple[float, ...]]:
    """The config's filter, from all stored kernels made from it, whatever their gain; empty if there are none. Raises
    RefusedError if they differ or are not separable."""
    filters = {_taps(kernel) for kernel in kernels}
    if len(filters) > 1:
        raise RefusedError("its layers use different resampling filters")
    return {"resample_filter": filter_} if (filter_ := next(iter(filters), None)) else {}


def _taps(kernel: Stored) -> tuple[float, ...]:
    """The 1-D filter whose outer product is `kernel` `[..., taps, taps]`, scaled so that the first tap is 1."""
    last = kernel.shape[-1]
    if last <= MAX_TAPS and kernel.count in (last, last * last):
        values = kernel.tensor().double().reshape(-1, last)
        taps = values.sum(dim=0) / values[:, 0].sum()
        outer = torch.outer(taps, taps) if len(values) > 1 else taps[None]
        if torch.allclose(outer / outer.sum(), values / values.sum(), atol=1e-6):
            # Whole numbers as integers, as in configs: a model's identity must not depend on who wrote its file.
            return tuple(int(tap) if tap.is_integer() else tap for tap in (round(tap, 5) for tap in taps.tolist()))
    raise RefusedError("its resampling filter is not separable")


def _mapping(shapes: Shapes, classes: tuple[int, ...]) -> dict[str, Any]:
    """Sizes of the mapping network; `classes` is the number of features concatenated with z, and that of classes."""
    features, c_dim = classes
    return {"z_dim": shapes["mapping.fc0.weight"][1] - features, "c_dim": c_dim, **_depth(shapes)}


def _depth(shapes: Shapes) -> dict[str, Any]:
    layers = count(shapes, "mapping.fc{}.weight")
    return {"mapping_layers": layers, "mapping_width": shapes["mapping.fc0.weight"][0] if layers > 1 else None}


def _capacity(channels: list[int]) -> tuple[int, int]:
    """`channel_base` and `channel_max`, given that `channels` from 4 pixels up are `min(channel_base // r,
    channel_max)`; of the bases that fit, the smallest."""
    return max(c * (4 << n) for n, c in enumerate(channels)), channels[0]


def _scores(weight: tuple[int, ...]) -> int:
    """The number of classes of a discriminator with a score for each; a single score means none."""
    return weight[0] if weight[0] > 1 else 0


def _architecture(has_shortcuts: bool, has_pictures_throughout: bool) -> str:
    return "resnet" if has_shortcuts else "skip" if has_pictures_throughout else "orig"


def _resolutions(shapes: Shapes, pattern: str, lowest: int) -> list[int]:
    found = [lowest]
    while pattern.format(2 * found[-1]) in shapes:
        found.append(2 * found[-1])
    return found


def _top(blocks: int) -> int:
    return 2 << blocks


def _shapes(pending: Mapping[str, Pending]) -> Shapes:
    return {name: tensor.shape for name, tensor in pending.items()}
