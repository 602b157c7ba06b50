"""Tensors that never change, made once for each device that asks for them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import Any

import torch
from torch import Tensor

_KEPT: list[Callable[..., Tensor]] = []


def kept_on_device(make: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """From `make(*arguments)` a function of `(device, *arguments)`, hashable ones, whose tensor stays there: copying it
    for every use would have a GPU's queue run dry."""

    @cache
    def kept(device: torch.device, *arguments: Any) -> Tensor:
        with torch.inference_mode(False):  # a later caller may need gradients
            return make(*arguments).to(device)

    @wraps(make)
    def on_device(device: torch.device, *arguments: Any) -> Tensor:
        return kept(device, *arguments)

    _KEPT.append(on_device)
    return on_device


def hold_when_compiled() -> None:
    """Has compiled code hold these tensors. Else it would make them anew, on the CPU, for every use.

    To be called before compiling, and not sooner: telling torch imports its compiler, which takes more than a second.
    """
    for function in _KEPT:
        torch.compiler.assume_constant_result(function)
