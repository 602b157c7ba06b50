"""How this process keeps memory: what a picture has used stays, for the next one to use again."""

from __future__ import annotations

import ctypes
import sys

# Parameters of glibc's mallopt, from its malloc.h.
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4


def keep_memory() -> bool:
    """Keeps freed memory in this process instead of giving it back to the system; says whether it could (glibc only).

    Feature maps of some 30 MB and more come from the system afresh each time, a page at a time, and go back when they
    are freed: for large pictures that costs as much as all the arithmetic. The peak stays what it was.
    """
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "gnu_get_libc_version"):
        return False
    return bool(libc.mallopt(_MMAP_MAX, 0) and libc.mallopt(_TRIM_THRESHOLD, -1))
