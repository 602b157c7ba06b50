"""StyleGAN-XL's generators: each a StyleGAN3 that has grown stage by stage, with classes by a classifier's features."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from stylegan_cli.importers.checkpoint import Draft
from stylegan_cli.importers.keymap import To, rename
from stylegan_cli.importers.stored import RefusedError, Stored

LAYER = re.compile(r"synthesis\.L(\d+)_(\d+_\d+)")


def is_one(modules: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether these are the modules of a StyleGAN-XL, which keeps the classifier's features even if it has no
    classes."""
    return "num_embeddings" in modules.get("mapping.embed", {})


def generator(modules: Mapping[str, Mapping[str, Any]], config: dict[str, Any], state: dict[str, Any]) -> Draft:
    """The generator that has these modules and tensors; `config` is what the file says as a StyleGAN3's would."""
    found = sorted((match for name in modules if (match := LAYER.fullmatch(name))), key=lambda match: int(match[1]))
    # Their numbers leave one out where the stem ends.
    ours = {match[0]: f"synthesis.L{i}_{match[2]}" for i, match in enumerate(found)}
    classes, features = config["c_dim"], state["mapping.embed.weight"]

    def target(name: str) -> To | None:
        if name == "mapping.embed.weight":
            return To("mapping.features", lambda x: x[:classes]) if classes else None
        network, part, rest = name.replace("mapping.embed_proj", "mapping.embed").split(".", 2)
        return To(f"{ours.get(f'{network}.{part}', f'{network}.{part}')}.{rest}")

    keys = {name: target(name) if name.count(".") > 1 else To(name) for name in state}
    size = features.shape[-1] if classes and isinstance(features, Stored) else None
    grown = _heads([modules[name] for name in ours], modules["synthesis"])
    return Draft("stylegan3", config | grown | {"class_features": size}, rename(state, keys))


def _heads(layers: list[Mapping[str, Any]], synthesis: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """How much each head enlarges pictures, and with how many layers, of which the last ones, sampled critically, were
    cut off when the next head came. A head begins with a layer that leaves the cutoff frequency as it is."""
    cutoffs = [(_number(layer["in_cutoff"]), _number(layer["out_cutoff"])) for layer in layers]
    kept = [cutoff for cutoff, layer in zip(cutoffs, layers, strict=True) if not layer["is_critically_sampled"]]
    starts = [i for i, (before, after) in enumerate(kept) if i and before == after]
    lengths = [end - start for start, end in pairwise([*starts, len(kept)])]
    sizes = [synthesis["_init_kwargs"]["img_resolution"]]
    for start, length in list(zip(starts, lengths, strict=True))[:-1]:
        first, second = kept[start][1], kept[start + 1][1]
        sizes.append(2 ** round(math.log2(2 * first * (second / first) ** length)))
    sizes += [synthesis["img_resolution"]] if starts else []
    return {
        "up_factors": tuple(after // before for before, after in pairwise(sizes)),
        "head_layers": tuple(length + synthesis["num_critical"] for length in lengths),
    }


def _number(value: Any) -> float:
    if not isinstance(value, int | float) or not value > 0:
        raise RefusedError("it has a layer without a cutoff frequency")
    return value
