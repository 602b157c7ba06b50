"""Milliseconds of single operations in bfloat16: PyTorch's own, and how this project computes the same.

    python benchmarks/operations.py [--repeats 9]

The limits from which the other way is taken (`PIXELS`, `CHANNELS`) come from this table.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F

from stylegan_cli.allocation import keep_memory
from stylegan_cli.noise import add_noise
from stylegan_cli.ops.convolution import in_phases
from stylegan_cli.ops.resample import setup_filter, upfirdn2d

DOUBLINGS = [(16, 512, 256, 32), (16, 512, 512, 4), (1, 512, 512, 16), (1, 256, 128, 128), (1, 64, 32, 512)]
NOISES = [(512, 32), (256, 128), (64, 512), (32, 1024)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    repeats = parser.parse_args().repeats

    keep_memory()
    taps = setup_filter([1, 3, 3, 1])
    print(f"{torch.get_num_threads()} threads{'PyTorch':>44}{'ours':>8}")
    with torch.inference_mode():
        for n, i, o, size in DOUBLINGS:
            x, weight, out = made(n, i, size, size), made(i, o, 3, 3), 2 * size + 1
            theirs = milliseconds(lambda: F.conv_transpose2d(x, weight, stride=2), repeats)  # noqa: B023
            ours = milliseconds(lambda: in_phases(x, weight, (2, 2), (0, 0), (out, out)), repeats)  # noqa: B023
            tell(f"transposed convolution, {n}x{i}x{size}x{size} to {o}", theirs, ours)
        x = made(16, 256, 32, 32)
        kernel = taps.to(x.dtype).expand(256, 1, 4, 4)
        theirs = milliseconds(lambda: F.conv_transpose2d(x, kernel, stride=2, padding=1, groups=256), repeats)
        ours = milliseconds(lambda: upfirdn2d(x, taps, up=2, padding=(2, 1, 2, 1)), repeats)
        tell("FIR upsampling, 16x256x32x32", theirs, ours)
        for channels, size in NOISES:
            x, noise = made(1, channels, size, size), torch.randn(size, size)
            theirs = milliseconds(lambda: x.add_(noise.to(x.dtype)), repeats)  # noqa: B023
            ours = milliseconds(lambda: add_noise(x, noise), repeats)  # noqa: B023
            tell(f"noise, 1x{channels}x{size}x{size}", theirs, ours)


def made(*shape: int) -> torch.Tensor:
    return torch.randn(shape).to(torch.bfloat16, memory_format=torch.channels_last)


def milliseconds(call: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats + 1):  # the first warms up
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:]) * 1000


def tell(what: str, theirs: float, ours: float) -> None:
    print(f"{what:<48}{theirs:8.2f}{ours:8.2f}")


if __name__ == "__main__":
    main()
