"""Choosing layers by bands, numbers and ranges."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from stylegan_cli.bands import BANDS
from stylegan_cli.errors import UsageError
from stylegan_cli.generator import Layer


def parse_layers(text: str, layers: Sequence[Layer]) -> tuple[int, ...]:
    """`coarse`, `middle,fine`, `all`, `none`, `0-3`, `0-3,8` as sorted indices into `ws`. Raises UsageError if `layers`
    does not have them: small models have no fine ones."""
    chosen: set[int] = set()
    for word in (words := _words(text)):
        chosen |= _word(word, layers)
    if not chosen and (bands := [word for word in words if word in BANDS]):
        largest = max(layer.resolution for layer in layers)
        raise UsageError(f"this model, whose pictures have {largest} pixels, has no {' and no '.join(bands)} layers")
    return tuple(sorted(chosen))


def parse_bands(text: str) -> frozenset[str]:
    """`coarse`, `middle,fine`, `all` or `none` as a set of band names."""
    chosen: set[str] = set()
    for word in _words(text):
        if word not in (*BANDS, "all", "none"):
            raise UsageError(f"there is no band {word!r}; the bands are {', '.join(BANDS)}, all and none")
        chosen |= set(BANDS) if word == "all" else {word} - {"none"}
    return frozenset(chosen)


def in_bands(layers: Sequence[Layer], bands: Collection[str]) -> tuple[int, ...]:
    """The indices of all layers of these bands."""
    return tuple(layer.index for layer in layers if layer.band in bands)


def _words(text: str) -> list[str]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        raise UsageError(f"{text!r} names no layers; use {', '.join(BANDS)}, all or none")
    return words


def _word(word: str, layers: Sequence[Layer]) -> set[int]:
    if word in BANDS or word in ("all", "none"):
        return set(in_bands(layers, parse_bands(word)))
    match = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", word)
    last = len(layers) - 1
    if match is None:
        raise UsageError(
            f"there is no band or layer {word!r}; use {', '.join(BANDS)}, all, none, or layers from 0-{last}"
        )
    low, high = int(match[1]), int(match[2] or match[1])
    if low > high:
        raise UsageError(f"layers {word} are backwards; write {high}-{low}")
    if high > last:
        raise UsageError(f"layers {word}: this model has the layers 0-{last}")
    return set(range(low, high + 1))
