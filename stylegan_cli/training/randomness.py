"""All random numbers in training come from the run's seed and the place where they are used; no random generator lives
longer.

So the state of a run contains no random states, and the result of a step does not depend on which process computed it.
"""

from __future__ import annotations

import hashlib

import torch


def seed_of(*place: int | str) -> int:
    """A number of 63 bits for a place like (seed, step, "noise"); torch's CPU generator uses 32 of them."""
    return int.from_bytes(hashlib.sha256(repr(place).encode()).digest()[:8], "little") >> 1


def seed_everything(*place: int | str) -> None:
    """Seeds everything that torch draws, on every device, until the next call."""
    torch.manual_seed(seed_of(*place))
