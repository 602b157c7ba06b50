"""Drawing beside another program that keeps one core busy: with OpenMP's threads waiting for each other as our command
line lets them, and as they do by default.

    python benchmarks/busy.py [--model ffhq] [--rounds 3]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from engines import table

BENCH = [sys.executable, "-m", "stylegan_cli", "bench", "--batch", "1", "--precision", "bf16", "--json", "--quiet"]
BUSY = [sys.executable, "-c", "while True: pass"]
# libgomp's default, by its manual; our command line sets this variable unless the user did.
WAITING = {"ours": {}, "libgomp's default": {"GOMP_SPINCOUNT": "300000"}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="ffhq")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()

    for others in (0, 1):
        times: dict[str, list[float]] = {name: [] for name in WAITING}
        with busy(others):
            for _ in range(options.rounds):
                for name, environment in WAITING.items():
                    times[name].append(seconds(options.model, environment))
        print(f"busy cores: {others}")
        print(table({name: statistics.median(taken) for name, taken in times.items()}, "libgomp's default"))


@contextmanager
def busy(cores: int) -> Iterator[None]:
    others = [subprocess.Popen(BUSY) for _ in range(cores)]
    try:
        yield
    finally:
        for other in others:
            other.kill()


def seconds(model: str, environment: dict[str, str]) -> float:
    """Seconds a picture takes."""
    command = [*BENCH, "--model", model]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout)["figures"][0]["seconds"])


if __name__ == "__main__":
    main()
