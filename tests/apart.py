"""Computing on a device that is not there: torch's `meta` has shapes, but no values."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode

META = torch.device("meta")
ATEN = torch.ops.aten
MOVES = {ATEN.to, ATEN._to_copy, ATEN.copy_}


class Apart(TorchDispatchMode):
    """Raises where that device computes with a tensor of the CPU, except with a number, or in float64, which Apple's
    MPS does not have."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function.overloadpacket is ATEN.equal and args[0].is_meta:
            return False  # there are no values to compare
        result = function(*args, **(kwargs or {}))
        seen = [*tensors((args, kwargs, result))]
        is_there = any(one.is_meta for one in seen)
        if is_there and any(one.dtype == torch.float64 for one in seen):
            raise TypeError(f"{function} uses float64 on another device")
        if is_there and any(not one.is_meta and one.ndim for one in seen) and function.overloadpacket not in MOVES:
            raise TypeError(f"{function} takes tensors of two devices")
        return result


def tensors(value):
    """All tensors in it. This is asked for every operation; torch's `tree_leaves` takes as long as many of those."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (tuple, list, dict)):
        for one in value.values() if isinstance(value, dict) else value:
            yield from tensors(one)


def invent_values(monkeypatch):
    """Lets what is there be looked at: everything is 1."""
    monkeypatch.setattr(torch.Tensor, "item", lambda _: 1.0)
    monkeypatch.setattr(torch.Tensor, "cpu", lambda tensor: torch.ones(tensor.shape, dtype=tensor.dtype))
