"""Training in one process with all threads, and in as many processes with one thread each: speed and losses.

    python benchmarks/processes.py --data faces.zip [--processes 2] [--kimg 0.512] [--rounds 2] [-- --preset laptop ...]

What follows `--` is passed on to `stylegan train`. Both take turns, each from the start; rates come from the log,
without its first line, in which a run warms up.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

LINES = 4
LOSSES = ("loss_g", "loss_d")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--kimg", type=float, default=0.512, help="thousand pictures, in each run")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("train", nargs="*", help="options of stylegan train", metavar="-- OPTION")
    options = parser.parse_args()

    command = ["-m", "stylegan_cli", "train", "--data", str(options.data.resolve()), "--metrics", "none", "--quiet"]
    command += ["--kimg", str(options.kimg), "--tick", str(options.kimg / LINES), *options.train]
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(options.processes)]
    ways = {
        f"1 process, {options.processes} threads": (options.processes, [sys.executable, *command]),
        f"{options.processes} processes, 1 thread": (1, [sys.executable, *torchrun, *command]),
    }
    logs: dict[str, list[list[dict[str, float]]]] = {name: [] for name in ways}
    for _ in range(options.rounds):
        for name, (threads, words) in ways.items():
            logs[name].append(trained(words, threads))
    rates = {name: statistics.median(map(rate, runs)) for name, runs in logs.items()}
    baseline = next(iter(rates.values()))
    for name, found in rates.items():
        losses = "  ".join(f"{loss} {logs[name][0][-1][loss]:.4f}" for loss in LOSSES)
        print(f"{name:<24}{found:8.2f} pictures/s  {found / baseline:5.2f}x  at the end {losses}")


def trained(words: list[str], threads: int) -> list[dict[str, float]]:
    """Trains a new run and returns its log."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
        subprocess.run([*words, "--outdir", f"{folder}/run"], check=True, env=environment, stderr=subprocess.DEVNULL)
        return [json.loads(line) for line in Path(folder, "run/log.jsonl").read_text().splitlines()]


def rate(log: list[dict[str, float]]) -> float:
    """Pictures per second after the first line."""
    return (log[-1]["nimg"] - log[0]["nimg"]) / sum(line["seconds"] for line in log[1:])


if __name__ == "__main__":
    main()
