"""Keeps freed memory in this process, so that the next picture can use it again."""

from __future__ import annotations

import ctypes
import sys

# Parameters of glibc's mallopt, from its malloc.h.
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4


def keep_memory() -> None:
    """Keeps freed memory in this process instead of giving it back to the system, where glibc manages it.

    Otherwise the system allocates feature maps of about 30 MB and more afresh each time, page by page, and takes them
    back when they are freed: for large pictures that costs as much as all the arithmetic. The peak does not change.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "gnu_get_libc_version"):
        libc.mallopt(_MMAP_MAX, 0)
        libc.mallopt(_TRIM_THRESHOLD, -1)
