"""Runs commands of `stylegan` (words as JSON), and prints the peak memory of each, with its encoder, in KB."""

import json
import re
import sys
import threading
from pathlib import Path


def peak_of(process, name=""):
    """The largest amount of memory that a process has had, or 0 if it has ended, or is not yet what has this name.
    (What `getrusage` tells begins with that of the process that started it.)"""
    try:
        status = Path(f"/proc/{process}/status").read_text()
        found = re.match(rf"Name:\s+{name}.*VmHWM:\s+(\d+)", status, re.DOTALL)
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(found[1]) if found else 0


ARE_TOLD = Path("/proc/self/clear_refs").exists() and peak_of("self") > 0


def children():
    """The ids of the processes that this one's threads have started."""
    for thread in Path("/proc/self/task").iterdir():
        try:
            yield from (thread / "children").read_text().split()
        except (FileNotFoundError, ProcessLookupError):
            continue


def peak_during(run):
    """The peak of this process and its encoder during a call."""
    ends, largest = threading.Event(), 0

    def watch():
        nonlocal largest
        while not ends.wait(0.005):
            largest = max([largest, *(peak_of(child, "ffmpeg") for child in children())])

    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    watching = threading.Thread(target=watch)
    watching.start()
    try:
        run()
    except SystemExit as end:
        assert not end.code, end.code
    finally:
        ends.set()
        watching.join()
    return peak_of("self") + largest


if __name__ == "__main__":
    from stylegan_cli.cli.app import app

    for words in json.loads(sys.argv[1]):
        sys.argv = ["stylegan", *words]
        sys.stderr.write(f"{peak_during(app)} ")
