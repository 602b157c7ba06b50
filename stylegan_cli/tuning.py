"""Tunings: small additions to a generator's weights and noise maps, with which it draws one photo well.

Pivotal tuning (Roich et al. 2021, arXiv:2106.05744) retrains the whole generator around a photo's latent. Here a matrix
of low rank (Hu et al. 2021, LoRA) is added to each convolution and a coarse 8-bit map to each noise map, so that a
tuning fits into the latent's own file and the generator itself does not change.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn

from stylegan_cli.errors import StyleganError, lacks_memory
from stylegan_cli.generator import Generator
from stylegan_cli.noise import Noise

NOISE = "noise_const"
BUILT_IN = "tunings"  # a model's note about those that it was made with, by their digests


@dataclass(frozen=True, eq=False)
class Tuning:
    """What is added to the named tensors: `left @ right` (float16 `[rows, rank]`, `[rank, columns]`) to weights `[rows,
    ...]`, viewed as matrices of that many rows; `map * step` (int8 `[h, w]`, a number) to noise maps `[h, w]`."""

    weights: Mapping[str, tuple[Tensor, Tensor]]
    noise: Mapping[str, tuple[Tensor, float]]

    def gain(self, name: str, shape: torch.Size, device: torch.device) -> Tensor:
        """What is added to the tensor `name`, one of those named here, of this `shape`: float32. Raises ValueError if
        the shapes differ.

        It is computed on `device`: the stored factors are much smaller, and quickly copied there."""
        if name in self.weights:
            left, right = self.weights[name]
            sizes = (*left.shape, *right.shape)
            # Before they are multiplied: two long thin matrices can have an enormous product.
            if sizes[1] != sizes[2] or [sizes[0]] != list(shape[:1]) or sizes[0] * sizes[3] != shape.numel():
                raise ValueError(f"{name} has the shape {list(shape)}")
            return (left.to(device).float() @ right.to(device).float()).reshape(shape)
        levels, step = self.noise[name]
        return (levels.to(device).float() * step).reshape(shape)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The tuning as named arrays, for files."""
        arrays: dict[str, np.ndarray] = {}
        for name, (left, right) in self.weights.items():
            arrays |= {f"{name}/left": left.numpy(), f"{name}/right": right.numpy()}
        for name, (levels, step) in self.noise.items():
            arrays |= {f"{name}/map": levels.numpy(), f"{name}/step": np.array(step, np.float32)}
        return arrays

    @cached_property
    def digest(self) -> str:
        """The identity of the tuning: sha256 over every array's name and bytes."""
        sha = hashlib.sha256()
        for name, array in sorted(self.to_arrays().items()):
            sha.update(name.encode() + array.tobytes())
        return sha.hexdigest()

    @staticmethod
    def from_arrays(arrays: Mapping[str, np.ndarray]) -> Tuning:
        """The inverse of `to_arrays`; raises ValueError or KeyError if the arrays are not a tuning."""
        weights, noise = {}, {}
        for key, array in arrays.items():
            name, _, part = key.rpartition("/")
            if part == "left":
                weights[name] = (_checked(array, "f", 2), _checked(arrays[f"{name}/right"], "f", 2))
            elif part == "map":
                step = float(arrays[f"{name}/step"])
                if not math.isfinite(step):
                    raise ValueError("its tuning is damaged")
                noise[name] = (_checked(array, "i", 2).to(torch.int8), step)
            elif part not in ("right", "step"):
                raise ValueError(f"its tuning has an unknown array {key}")
        return Tuning(weights, noise)


@dataclass(frozen=True)
class Term:
    """A tuning, and its share in each layer `[num_ws]`: 1 is the person it was made for."""

    tuning: Tuning
    shares: tuple[float, ...]


# Several terms: mixed and blended people have shares of their parents' tunings.
Tuned = tuple[Term, ...]


def whole(tuning: Tuning, num_ws: int) -> Tuned:
    """A tuning with share 1 in all layers."""
    return (Term(tuning, (1.0,) * num_ws),)


def built_in(notes: Mapping[str, Any]) -> list[str]:
    """The digests of the tunings that a model with these notes, from whoever made its file, was made with."""
    found = notes.get(BUILT_IN)
    return [digest for digest in found if isinstance(digest, str)] if isinstance(found, list) else []


def blend(parts: Iterable[tuple[Tuned, Sequence[float]]]) -> Tuned:
    """A sum of tunings: each part's terms times its shares `[num_ws]`; shares of the same tuning are added, tunings
    without any share dropped."""
    sums: dict[Tuning, list[float]] = {}
    for tuned, shares in parts:
        for term in tuned:
            gained = [share * of for share, of in zip(shares, term.shares, strict=True)]
            before = sums.get(term.tuning, [0.0] * len(gained))
            sums[term.tuning] = [a + b for a, b in zip(before, gained, strict=True)]
    return tuple(Term(tuning, tuple(shares)) for tuning, shares in sums.items() if any(shares))


def synthesize(generator: Generator, ws: Tensor, noise: Noise, tuned: Tuned) -> Tensor:
    """`generator.synthesize(ws, noise)` with the tuned tensors: `ws` `[n, num_ws, w_dim]` to `[n, 3, resolution,
    resolution]`. Raises `StyleganError` if a tuning does not fit the generator."""
    if not tuned:
        return generator.synthesize(ws, noise)
    return synthesize_with(generator, ws, noise, _kept(generator, tuned))


def features(generator: Generator, ws: Tensor, resolution: int, noise: Noise, tuned: Tuned) -> Tensor:
    """`generator.features(ws, resolution, noise)` with the tuned tensors. Raises `StyleganError` if a tuning does not
    fit the generator."""

    def maps(ws: Tensor) -> Tensor:
        return generator.features(ws, resolution, noise)

    return _call_with(generator, _kept(generator, tuned), maps, ws) if tuned else maps(ws)


def synthesize_with(generator: Generator, ws: Tensor, noise: Noise, tensors: Mapping[str, Tensor]) -> Tensor:
    """`generator.synthesize(ws, noise)`, with `tensors` in place of the generator's own of these names."""

    def draw(ws: Tensor) -> Tensor:
        if generator.device.type == "cuda":
            # Not compiled: a CUDA graph knows tensors by address, and would be recorded again for every picture.
            return type(generator).synthesize(generator, ws, noise)
        return generator.synthesize(ws, noise)

    return _call_with(generator, tensors, draw, ws)


def _call_with(
    generator: Generator, tensors: Mapping[str, Tensor], function: Callable[[Tensor], Tensor], ws: Tensor
) -> Tensor:
    """`function(ws)`, which uses the generator, while `tensors` take the place of the generator's own."""
    changed = {f"generator.{name}": tensor for name, tensor in tensors.items()}
    return torch.func.functional_call(_Call(generator, function), changed, (ws,))


class _Call(nn.Module):
    """A function that uses a generator as the call of a module, which is what `functional_call` takes."""

    def __init__(self, generator: Generator, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.generator, self.function = generator, function

    def forward(self, ws: Tensor) -> Tensor:
        return self.function(ws)


_last: WeakKeyDictionary[Generator, tuple[Tuned, dict[str, Tensor]]] = WeakKeyDictionary()


def _kept(generator: Generator, tuned: Tuned) -> dict[str, Tensor]:
    """`tensors`, of which the last result is cached while its generator exists: films show one person many times."""
    kept = _last.get(generator)
    if kept is None or kept[0] != tuned:
        _last.clear()  # one is enough: these tensors are as large as the network's
        with torch.inference_mode(False):  # a later caller may need gradients
            _last[generator] = kept = tuned, tensors(generator, tuned)
    return kept[1]


def tensors(generator: Generator, tuned: Tuned) -> dict[str, Tensor]:
    """The tensors of the generator that the tunings change, after the change. Raises `StyleganError` if a tuning does
    not fit the generator."""
    state = generator.state_dict()
    changed: dict[str, Tensor] = {}
    for term in tuned:
        for name in (*term.tuning.weights, *term.tuning.noise):
            resolution = generator.resolution_of(name) if name in state else None
            if resolution is None:
                raise StyleganError(_misfit(generator, name))
            tensor = changed.get(name, state[name])
            share = _share(generator, term, resolution)
            try:
                gain = term.tuning.gain(name, tensor.shape, tensor.device)
            except (RuntimeError, ValueError) as error:
                if lacks_memory(error):
                    raise
                raise StyleganError(_misfit(generator, name)) from None
            changed[name] = tensor + (gain * share).to(tensor)
    _check_finite(changed)
    return changed


def _check_finite(changed: Mapping[str, Tensor]) -> None:
    if not changed:
        return
    are_finite = torch.stack([tensor.isfinite().all() for tensor in changed.values()]).tolist()  # a GPU waits once
    for name, is_finite in zip(changed, are_finite, strict=True):
        if not is_finite:
            raise StyleganError(f"a tuning in these latents makes {name} infinite; project the photo again")


def _share(generator: Generator, term: Term, resolution: int) -> float:
    """A tensor's share: the mean over the layers of its resolution."""
    shares = [
        share for layer, share in zip(generator.layers, term.shares, strict=True) if layer.resolution == resolution
    ]
    return sum(shares) / len(shares)


def _misfit(generator: Generator, name: str) -> str:
    return (
        f"a tuning in these latents changes {name}, which {generator.origin.name} does not have in that shape; project "
        "the photo again"
    )


def _checked(array: np.ndarray, kind: str, dimensions: int) -> Tensor:
    if array.dtype.kind != kind or array.ndim != dimensions or not np.isfinite(array).all():
        raise ValueError("its tuning is damaged")
    return torch.from_numpy(np.array(array))
