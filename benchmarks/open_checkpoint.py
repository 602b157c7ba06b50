"""Time and memory to open a large NVIDIA-style pickle, compared with just reading the same file, in one run.

    python benchmarks/open_checkpoint.py

Writes a StyleGAN3 with random weights as NVIDIA's code would (over 100 MB), opens it with the safe reader, and prints
the time as a multiple of `Path.read_bytes`, and the memory as a multiple of the file's size.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from stylegan_cli import architectures, importers

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "importers"))
import forge

SIZES = {"resolution": 1024, "channel_base": 65536, "channel_max": 640, "z_dim": 512, "w_dim": 512}
ROUNDS = 5


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.pkl"
        # In another process, since its memory use would hide what opening takes.
        subprocess.run([sys.executable, __file__, str(path)], check=True)
        size = path.stat().st_size
        read, opened = [], []
        architectures.build("stylegan3", {"resolution": 64})  # loads what torch needs for it, once
        before = peak()
        importers.read(path)
        grown = peak() - before
        for _ in range(ROUNDS):  # in turns, so that a machine that slows down slows both
            opened.append(seconds(lambda: importers.read(path)))
            read.append(seconds(path.read_bytes))
    print(f"file {size / 1e6:.0f} MB")
    print(f"time   {min(opened):.3f} s, {min(opened) / min(read):.2f}x reading it ({min(read):.3f} s)")
    print(f"memory {grown / 1e6:.0f} MB, {grown / size:.2f}x the file")


def write(path: Path) -> None:
    state = architectures.build("stylegan3", SIZES).state_dict()
    tensors = {name: torch.randn(tensor.shape) for name, tensor in state.items()}
    mapping = {"num_layers": 2, "z_dim": 512, "w_dim": 512, "c_dim": 0, "w_avg_beta": 0.998}
    given = {name: SIZES[name] for name in ("channel_base", "channel_max")}
    attributes: dict[str, object] = {f"mapping.{name}": value for name, value in mapping.items()}
    attributes["mapping.fc0.bias_gain"] = 0.01
    attributes |= {"synthesis.img_resolution": 1024, "synthesis._init_kwargs": forge.EasyDict(given)}
    path.write_bytes(forge.dumps({"G_ema": forge.module(tensors, attributes)}))


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def peak() -> int:
    """The process's peak memory in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    if len(sys.argv) > 1:
        write(Path(sys.argv[1]))
    else:
        main()
