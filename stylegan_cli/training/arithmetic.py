"""The precision in which a GPU trains."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from stylegan_cli.hardware import exact_float32


@contextmanager
def arithmetic(precision: str, device: torch.device) -> Iterator[None]:
    """Within the block, convolutions choose the fastest algorithm by trying, because there are few shapes. In `fp32`
    everything is float32, as in NVIDIA's code without --allow-tf32; in `bf16` and `fp16` products of parts that stay
    float32 (mapping, the discriminator's end, augmented colours) use TF32 if the GPU has it. Nothing changes on
    CPUs."""
    if device.type != "cuda":
        yield
        return
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        with exact_float32():  # restores the settings at the end
            if precision != "fp32":
                torch.backends.cudnn.allow_tf32 = True
                torch.set_float32_matmul_precision("high")
            yield
    finally:
        torch.backends.cudnn.benchmark = before
