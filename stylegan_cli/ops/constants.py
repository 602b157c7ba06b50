"""Constant tensors, made once for each device that uses them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import Any

import torch
from torch import Tensor

_KEPT: list[Callable[..., Tensor]] = []


def kept_on_device(make: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Turns `make(*arguments)` into a function of `(device, *arguments)`, which must be hashable, whose tensor is kept
    on the device: copying it for every use would empty a GPU's queue."""

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
    """Makes compiled code keep these tensors. Otherwise it would make them again, on the CPU, for every use.

    Call it just before compiling: it imports torch's compiler, which takes more than a second.
    """
    for function in _KEPT:
        torch.compiler.assume_constant_result(function)
