"""Memory that is kept: the second large tensor costs no page faults."""

import platform
import subprocess
import sys

import pytest

FAULTS = """
import ctypes, resource, sys
import numpy as np
from stylegan_cli.allocation import keep_memory
ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)  # PR_SET_THP_DISABLE: huge pages are few faults, where there are any
if sys.argv[1] == "keep":
    keep_memory()
np.full(1 << 26, 1, np.uint8)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
np.full(1 << 26, 1, np.uint8)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how):
    words = [sys.executable, "-c", FAULTS, how]
    return int(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators have no such switch")
def test_a_freed_array_is_used_again():
    assert faults("keep") < 100 < faults("give back")
