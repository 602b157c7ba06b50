"""Seconds per picture of the default model, and of OpenVINO (float32) with the same wheel's files, in one run.

    pip install -e '.[scorers]' && python benchmarks/default_model.py [--wheel FILE] [--repeats 20]

The engines take turns, each in a process of its own; the table gives medians and the ratio to OpenVINO.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from engines import measure, table

from stylegan_cli import assets, compilation, store
from stylegan_cli.allocation import keep_memory
from stylegan_cli.hardware import PRECISIONS
from stylegan_cli.importers.random_face import MEMBERS
from stylegan_cli.latents.people import from_seed
from stylegan_cli.scorers import runtime

BASELINE = "OpenVINO f32"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheel", type=Path, help="a local copy of the wheel, instead of fetching it")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--compile", action="store_true", help="compiled, too")
    options = parser.parse_args()

    engines: dict[str, Callable[[], Callable[[], object]]] = {BASELINE: partial(openvino_engine, options.wheel)}
    for compiled in (False, True) if options.compile else (False,):
        for name in ("fp32", "bf16"):
            engines[f"ours, {name}{', compiled' if compiled else ''}"] = partial(our_engine, name, compiled)
    times = measure(engines, options.repeats)
    print(f"{torch.get_num_threads()} threads, 1024x1024, batch 1, median of {options.repeats}")
    print(table(times, BASELINE))


def openvino_engine(wheel_file: Path | None) -> Callable[[], object]:
    runtime.demand()  # and this module keeps OpenVINO from reporting to its maker
    import openvino

    wheel = store.find("ffhq").wheel
    assert wheel
    read = (
        assets.read_wheel(wheel, MEMBERS) if wheel_file is None else assets.read_local_wheel(wheel, wheel_file, MEMBERS)
    )
    core = openvino.Core()
    hints = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    network = core.compile_model(core.read_model(model=read[2], weights=read[3]), "CPU", hints)
    w = from_seed(store.load("ffhq"), 0, 1.0).ws[:1].numpy()
    return lambda: network([np.ascontiguousarray(w)])


def our_engine(precision: str, compiled: bool) -> Callable[[], object]:
    keep_memory()
    generator = store.load("ffhq").prepare(torch.device("cpu"), PRECISIONS[precision])
    ws = from_seed(generator, 0, 1.0).ws[None]
    if compiled:
        compilation.compile_synthesis(generator)
    return lambda: generator.synthesize(ws)


if __name__ == "__main__":
    main()
