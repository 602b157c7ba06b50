"""What a GPU computes training in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from stylegan_cli.hardware import exact_float32


@contextmanager
def arithmetic(precision: str, device: torch.device) -> Iterator[None]:
    """Convolutions try meanwhile which way is fastest, as their shapes are few. In `fp32` everything is float32, as in
    NVIDIA's code unless it is told --allow-tf32; in `bf16` and `fp16` products of what stays float32 (mapping, the
    discriminator's end, augmented colours) are TF32's where a GPU has that. CPUs compute as they always do."""
    if device.type != "cuda":
        yield
        return
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        with exact_float32():  # puts back what it found
            if precision != "fp32":
                torch.backends.cudnn.allow_tf32 = True
                torch.set_float32_matmul_precision("high")
            yield
    finally:
        torch.backends.cudnn.benchmark = before
