"""Memory that is kept: the second large tensor costs no page faults."""

import os
import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import numpy as np
from stylegan_cli.allocation import keep_memory
if sys.argv[1] == "keep":
    keep_memory()
np.full(1 << 26, 1, np.uint8)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
np.full(1 << 26, 1, np.uint8)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how):
    environment = os.environ | {"NUMPY_MADVISE_HUGEPAGE": "0"}  # huge pages are few faults, where there are any
    words = [sys.executable, "-c", FAULTS, how]
    return int(subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators have no such switch")
def test_a_freed_array_is_used_again():
    assert faults("keep") < 100 < faults("give back")
