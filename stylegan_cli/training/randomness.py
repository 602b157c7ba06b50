"""All chance in training comes from the run's seed and the place where it is used; no generator lives longer.

So the state of a run needs no random states, and what happens in a step does not depend on which process did it.
"""

from __future__ import annotations

import hashlib

import torch


def seed_of(*place: int | str) -> int:
    """A number of 63 bits for a place like (seed, step, "noise")."""
    return int.from_bytes(hashlib.sha256(repr(place).encode()).digest()[:8], "little") >> 1


def seed_everything(*place: int | str) -> None:
    """Everything that torch draws until the next call, on every device, comes from this place."""
    torch.manual_seed(seed_of(*place))
