"""Seconds per picture of StyleGAN 1, 2 and 3, and of a plain float32 version of the same networks, in one run.

    python benchmarks/synthesis.py [--models stylegan2,stylegan3,stylegan1] [--repeats 5] [--compile]

Weights are random: speed does not depend on them. The plain implementation is `plain.py`; the table also says how far
apart both pictures are.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

import plain
import torch
from engines import measure, table

from stylegan_cli.allocation import keep_memory
from stylegan_cli.architectures import stylegan1, stylegan2, stylegan3
from stylegan_cli.compilation import compile_synthesis
from stylegan_cli.generator import Generator
from stylegan_cli.hardware import PRECISIONS
from stylegan_cli.psnr import psnr

MODELS: dict[str, Callable[[], Generator]] = {
    "stylegan2": lambda: stylegan2.StyleGAN2(stylegan2.Config()),
    "stylegan3": lambda: stylegan3.StyleGAN3(stylegan3.Config(resolution=256, channel_base=16384)),
    "stylegan1": lambda: stylegan1.StyleGAN1(stylegan1.Config(resolution=256)),
}
TITLES = {"stylegan2": "StyleGAN2 config-f, 1024", "stylegan3": "StyleGAN3-T, 256", "stylegan1": "StyleGAN, 256"}
BASELINE = "plain float32"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--compile", action="store_true", help="compiled, too")
    options = parser.parse_args()

    for model in options.models.split(","):
        engines = {BASELINE: partial(plain_engine, model)}
        engines |= {f"ours, {name}": partial(our_engine, model, name) for name in ("fp32", "bf16")}
        if options.compile:
            engines["ours, bf16, compiled"] = partial(our_engine, model, "bf16", True)
        times = measure(engines, options.repeats)
        print(f"{TITLES[model]}: {torch.get_num_threads()} threads, batch 1, median of {options.repeats}")
        print(table(times, BASELINE))
        with torch.inference_mode():
            far = psnr(our_engine(model, "fp32")(), plain_engine(model)())
        print(f"ours and the baseline agree to {far:.0f} dB PSNR in float32\n")


def our_engine(model: str, precision: str, compiled: bool = False) -> Callable[[], torch.Tensor]:
    keep_memory()
    generator, ws = _made(model, PRECISIONS[precision])
    if compiled:
        compile_synthesis(generator)
    return lambda: generator.synthesize(ws)


def plain_engine(model: str) -> Callable[[], torch.Tensor]:
    generator, ws = _made(model, torch.float32)

    def run() -> torch.Tensor:
        with plain.operations():
            return generator.synthesize(ws)

    return run


def _made(model: str, dtype: torch.dtype) -> tuple[Generator, torch.Tensor]:
    torch.manual_seed(0)
    generator = MODELS[model]().prepare(torch.device("cpu"), dtype)
    return generator, torch.randn(1, generator.num_ws, generator.w_dim)


if __name__ == "__main__":
    main()
