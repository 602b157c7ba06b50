"""StyleGAN-XL's generators: each a StyleGAN3 that has grown stage by stage, with classes by a classifier's features."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch

from stylegan_cli.architectures.stylegan3 import Config
from stylegan_cli.importers.checkpoint import Draft
from stylegan_cli.importers.keymap import To, rename
from stylegan_cli.importers.stored import Stored

LAYER = re.compile(r"synthesis\.L(\d+)_(\d+)_(\d+)")
MAX_TAPS = 256


def is_one(modules: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether these are the modules of a StyleGAN-XL, which keeps the classifier's features even if it has no
    classes."""
    return "num_embeddings" in modules.get("mapping.embed", {})


def generator(modules: Mapping[str, Mapping[str, Any]], config: dict[str, Any], state: dict[str, Any]) -> Draft:
    """The generator that has these modules and tensors; `config` is what the file says as a StyleGAN3's would."""
    found = sorted((match for name in modules if (match := LAYER.fullmatch(name))), key=lambda match: int(match[1]))
    # Their numbers leave one out where the stem ends.
    ours = {match[0]: f"synthesis.L{i}_{match[2]}_{match[3]}" for i, match in enumerate(found)}
    classes, features = config["c_dim"], state["mapping.embed.weight"]

    def target(name: str) -> To | None:
        if name == "mapping.embed.weight":
            return To("mapping.features", lambda x: x[:classes]) if classes else None
        network, part, rest = name.replace("mapping.embed_proj", "mapping.embed").split(".", 2)
        return To(f"{ours.get(f'{network}.{part}', f'{network}.{part}')}.{rest}")

    keys = {name: target(name) if name.count(".") > 1 else To(name) for name in state}
    size = features.shape[-1] if classes and isinstance(features, Stored) else None
    grown = _heads(modules["synthesis"], [(int(match[2]), *_filters(state, match[0])) for match in found])
    return Draft("stylegan3", config | grown | {"class_features": size}, rename(state, keys))


def _heads(
    synthesis: Mapping[str, Any], layers: Sequence[tuple[int, Stored | None, Stored | None]]
) -> dict[str, tuple[int, ...]]:
    """How much each head enlarges pictures, and with how many layers, by the sizes and filters of all `layers`. The
    last ones of a head, sampled critically, were cut off when the next one came, which begins with a layer that leaves
    the cutoff frequency as it is, so that it has the same filter twice.

    Layers have numbers of NumPy's that say this, too, but not every version of dill stores those in a way that can be
    read without running it."""
    critical, margin = synthesis["num_critical"], synthesis["_init_kwargs"].get("margin_size", Config.margin_size)
    kept = layers[: -critical - 1]
    starts = [i for i, (_, up, down) in enumerate(kept) if i and _equal(up, down)]
    ends = [*starts[1:], len(kept)] if starts else []
    sizes = [synthesis["_init_kwargs"]["img_resolution"]]
    sizes += [max(size for size, *_ in kept[start:end]) - 2 * margin for start, end in zip(starts, ends, strict=True)]
    sizes[-1] = synthesis["img_resolution"]
    return {
        "up_factors": tuple(after // before for before, after in pairwise(sizes)),
        "head_layers": tuple(end - start + critical for start, end in zip(starts, ends, strict=True)),
    }


def _filters(state: Mapping[str, Any], layer: str) -> tuple[Stored | None, Stored | None]:
    up, down = (state.get(f"{layer}.{way}_filter") for way in ("up", "down"))
    return (up if isinstance(up, Stored) else None), (down if isinstance(down, Stored) else None)


def _equal(one: Stored | None, other: Stored | None) -> bool:
    if one is None or other is None or one.shape != other.shape or one.count > MAX_TAPS:
        return False
    return torch.allclose(one.tensor().float(), other.tensor().float(), atol=1e-6)
