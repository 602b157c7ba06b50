"""How much faster it could get: a picture's time, and the least time that its arithmetic and memory traffic need.

    python benchmarks/roofline.py [--models ffhq,stylegan2,stylegan3,stylegan1] [--precision auto]

Operations are counted by torch (convolutions and matrix products); bytes are those of every operation's inputs
and outputs, as if nothing stayed in a cache. Both limits are measured here: a 3x3 convolution of 512 channels, and a
copy of 64 MB. A share of 1 would mean that a picture takes no longer than the larger of the two.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from synthesis import MODELS
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from stylegan_cli import hardware, store
from stylegan_cli.allocation import keep_memory
from stylegan_cli.generator import Generator

CPU = torch.device("cpu")
VIEWS = ("view", "expand", "permute", "slice", "select", "transpose", "t", "split", "unsqueeze", "squeeze", "detach")


class Bytes(TorchDispatchMode):
    """Counts what operations read and write; views touch nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func.__name__.partition(".")[0] not in VIEWS:
            touched = {id(t): t for t in tree_leaves((args, kwargs, result)) if isinstance(t, torch.Tensor)}
            self.total += sum(t.numel() * t.element_size() for t in touched.values())
        return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="ffhq,stylegan2,stylegan3,stylegan1")
    parser.add_argument("--precision", default="auto")
    options = parser.parse_args()

    keep_memory()
    precision = hardware.choose_precision(options.precision, CPU)
    dtype = hardware.PRECISIONS[precision]
    with torch.inference_mode():
        compute, traffic = compute_ceiling(dtype), traffic_ceiling()
        print(f"{torch.get_num_threads()} threads, {precision}: {compute / 1e9:.0f} GFLOP/s, {traffic / 1e9:.1f} GB/s")
        print(f"{'model':<12}{'GFLOP':>8}{'GB':>8}{'compute':>10}{'traffic':>10}{'measured':>10}{'share':>8}")
        for name in options.models.split(","):
            line(name, dtype, compute, traffic)


def line(name: str, dtype: torch.dtype, compute: float, traffic: float) -> None:
    torch.manual_seed(0)
    generator: Generator = (MODELS[name]() if name in MODELS else store.load(name)).prepare(CPU, dtype)
    ws = generator.broadcast(generator.to_w(torch.randn(1, generator.z_dim)))
    with FlopCounterMode(display=False) as flops:
        generator.synthesize(ws)
    with Bytes() as count:
        generator.synthesize(ws)
    operations, moved = flops.get_total_flops(), count.total
    measured = median(lambda: generator.synthesize(ws))
    least = max(operations / compute, moved / traffic)
    print(
        f"{name:<12}{operations / 1e9:8.1f}{moved / 1e9:8.2f}{operations / compute:8.3f} s{moved / traffic:8.3f} s"
        f"{measured:8.3f} s{least / measured:8.2f}"
    )


def compute_ceiling(dtype: torch.dtype) -> float:
    """Operations per second."""
    x = torch.randn(1, 512, 64, 64, dtype=dtype).contiguous(memory_format=torch.channels_last)
    weight = torch.randn(512, 512, 3, 3, dtype=dtype)
    return 2 * weight.numel() * 64 * 64 / median(lambda: F.conv2d(x, weight, padding=1))


def traffic_ceiling() -> float:
    """Bytes per second, read and written."""
    source, target = torch.zeros(2, 1 << 24).unbind()
    return 2 * source.nbytes / median(lambda: target.copy_(source))


def median(run: Callable[[], object]) -> float:
    times = []
    for _ in range(2 + 7):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times[2:])


if __name__ == "__main__":
    main()
