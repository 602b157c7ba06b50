"""Network surgery: one network made from two of the same shape, usually a model and one fine-tuned from it; or from a
model and a person's tuning."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

from torch import Tensor

from stylegan_cli import tuning
from stylegan_cli.errors import StyleganError, UsageError
from stylegan_cli.generator import Generator, Origin
from stylegan_cli.tuning import BUILT_IN, Tuned, built_in

Tensors = dict[str, Tensor]
# What may differ between the configs of two networks: numbers that do not affect drawing; StyleGAN2's clamp, which was
# added with ADA and rarely has an effect; and sizes, which there are several ways to say: tensors show them.
FREE = {
    *("w_avg_beta", "magnitude_ema_beta", "conv_clamp"),
    *("channel_base", "channel_max", "fmap_base", "fmap_max", "mapping_width", "embed_dim"),
}


def swap_layers(low: Generator, high: Generator, at: int, smooth: bool = False) -> Tensors:
    """The mapping and resolutions below `at` from `low`, resolutions from `at` on from `high` (Pinkney and Adler 2020,
    arXiv:2010.05334, whose r_swap is the resolution below `at`). `smooth` blends over about two doublings instead of
    cutting. Raises UsageError if there are no layers of `at` pixels, StyleganError if the networks' shapes differ."""
    resolutions = sorted({layer.resolution for layer in low.layers})
    if at not in resolutions:
        raise UsageError(f"--at {at}: {low.origin.name} has the resolutions {', '.join(map(str, resolutions))}")

    def share(name: str) -> float:
        resolution = low.resolution_of(name)
        if resolution is None:
            return 0.0
        above = math.log2(resolution / at) + 0.5  # in doublings, from the middle between two resolutions
        return 1 / (1 + math.exp(-3 * above)) if smooth else float(above > 0)

    return _lerp(low, high, share)


def average(one: Generator, other: Generator, share: float = 0.5) -> Tensors:
    """Every tensor interpolated between the two; `share` 0 is `one`, 1 is `other`. Raises StyleganError if the
    networks' shapes differ."""
    return _lerp(one, other, lambda _name: share)


def blended(one: Generator, other: Generator, tensors: Tensors) -> Generator:
    """A generator with tensors made from both, and both licences; one of the two is used up for it. Of two StyleGAN2,
    that is the one with a clamp, which does almost nothing if it is not needed."""
    result = one if getattr(one.config, "conv_clamp", None) else other
    result.load_state_dict(tensors, assign=True)
    licences = [licence for of in (one, other) if (licence := of.origin.notes.get("licence"))]
    notes: dict[str, Any] = {"licence": " / ".join(dict.fromkeys(map(str, licences)))} if licences else {}
    others = built_in(other.origin.notes)
    if known := [digest for digest in built_in(one.origin.notes) if digest in others]:
        notes[BUILT_IN] = known  # of only one, the blend holds a part
    result.origin = Origin("blended", notes=notes)
    return result


def tuned(generator: Generator, label: str, terms: Tuned) -> Generator:
    """The generator itself, changed as the tunings of a person called `label` change it. Raises StyleganError if they
    do not fit it, or the person has only a part of one: whoever has the whole of it would have that part twice."""
    if any(share != 1 for term in terms for share in term.shares):
        raise StyleganError(f"{label} has only a share of a tuning; give the person whom stylegan project --tune found")
    generator.load_state_dict(tuning.tensors(generator, terms), strict=False)
    known = [*built_in(generator.origin.notes), *(term.tuning.digest for term in terms)]
    notes = generator.origin.notes | {"tuned for": label, BUILT_IN: known}
    generator.origin = replace(generator.origin, notes=notes)
    return generator


def _shape(generator: Generator) -> dict[str, Any]:
    """What two networks must have in common, by name."""
    config = {"resolution": generator.resolution} | asdict(generator.config)
    sizes = {name: list(tensor.shape) for name, tensor in generator.state_dict().items()}
    return {"family": generator.family} | {key: value for key, value in config.items() if key not in FREE} | sizes


def _lerp(one: Generator, other: Generator, share: Callable[[str], float]) -> Tensors:
    shape, other_shape = _shape(one), _shape(other)
    if differing := [key for key, value in shape.items() if other_shape.get(key) != value]:
        key = differing[0]
        raise StyleganError(
            f"{one.origin.name} and {other.origin.name} are networks of different shapes: {key} is {shape[key]} in the "
            f"first and {other_shape.get(key)} in the second; models can only be blended if they have the same shape"
        )
    theirs = other.state_dict()
    return {name: tensor.lerp(theirs[name], share(name)) for name, tensor in one.state_dict().items()}
