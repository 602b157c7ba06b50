"""How many processors this process may use."""

import os


def processors() -> int:
    """This process's share of the processors that its machine, or whoever started it, allows it. (torchrun leaves torch
    one thread in each process, which is right if they draw on the CPU.)"""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux has it
    allowed = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(allowed // int(os.environ.get("LOCAL_WORLD_SIZE", "1")), 1)
