"""How much memory this process takes for something, where Linux tells it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FORGET, STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


def peak() -> int:
    """The most kilobytes that this process has had since FORGET was written to, or 0 where nobody tells."""
    found = re.search(r"VmHWM:\s+(\d+)", STATUS.read_text()) if FORGET.exists() else None
    return int(found[1]) if found else 0


@contextmanager
def at_most(kilobytes: int) -> Iterator[None]:
    """That what is done meanwhile takes no more, whatever this process has taken before and given back."""
    if not (before := peak()):
        yield
        return
    FORGET.write_text("5")  # the peak begins anew
    before = peak()
    yield
    taken = peak() - before
    assert taken < kilobytes, f"{taken} kB"
