"""Whole commands compared with bare synthesis: films, data sets, start-up, memory; and our PNG files with Pillow's.

    python benchmarks/pipeline.py [--model ffhq] [--pictures 68] [--rounds 3]

Rates are those of a long run: the time for many pictures minus the time for a few, so that start-up is measured
separately. Bare synthesis draws as many in a row: a median of single drawings would leave out the slow ones. All take
turns, so that a machine that slows down slows all; the table gives medians of the rounds.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
from engines import measure, table
from PIL import Image

from stylegan_cli.cli import set_up_torch

FEW = 4
STYLEGAN = [sys.executable, "-m", "stylegan_cli"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="ffhq")
    parser.add_argument("--pictures", type=int, default=68)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()

    set_up_torch()  # for bare synthesis, as commands do
    if Path(options.model).exists():
        options.model = str(Path(options.model).resolve())
    # As bare synthesis draws, and whatever their number: loading compiled code is no part of a rate.
    model = ["--model", options.model, "--device", "cpu", "--compile", "off"]
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        many = options.pictures
        draw = {"bare synthesis": partial(bare_synthesis, options.model, many)}
        film = partial(command, "interpolate", "1", "2", "--out", "film.mp4", *model)
        data = partial(command, "sample", "--dataset", "faces.zip", *model)
        rounds: dict[str, list[float]] = {}
        for _ in range(options.rounds):
            times = {
                "bare synthesis": measure(draw, 1)["bare synthesis"] / many,
                "interpolate to mp4": rate(lambda n: film("--frames", str(n)), many),
                "sample into a zip": rate(lambda n: data("-n", str(n)), many),
            }
            for name, taken in times.items():
                rounds.setdefault(name, []).append(taken)
        times = {name: statistics.median(taken) for name, taken in rounds.items()}
        print(f"a picture, in a run of {options.pictures}")
        print(table(times, "bare synthesis"))
        start_up(model)
        png(Path("face.png"), model)


def bare_synthesis(model: str, count: int):  # type: ignore[no-untyped-def]
    import torch

    from stylegan_cli import hardware, store
    from stylegan_cli.allocation import keep_memory
    from stylegan_cli.latents.people import from_seed

    keep_memory()
    device = torch.device("cpu")
    generator = store.load(model).prepare(device, hardware.PRECISIONS[hardware.choose_precision("auto", device)])
    ws = from_seed(generator, 0, 0.7).ws[None]

    def draw() -> None:
        for _ in range(count):
            generator.synthesize(ws)

    return draw


def command(*words: str) -> tuple[float, float]:
    """Seconds and the peak of memory in MB of a command."""
    start = time.perf_counter()
    process = subprocess.Popen([*STYLEGAN, *words, "--force", "--quiet"])
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"stylegan {' '.join(words)} failed")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def rate(run, many: int) -> float:  # type: ignore[no-untyped-def]
    """Seconds for one more picture."""
    return (run(many)[0] - run(FEW)[0]) / (many - FEW)


def start_up(model: list[str]) -> None:
    mixed = [command("mix", "--coarse", "1", "--fine", "2", "--out", "mix.png", *model) for _ in range(5)]
    bare = [seconds([sys.executable, "-c", "import torch"]) for _ in range(5)]
    taken, torch_alone = statistics.median(s for s, _ in mixed), statistics.median(bare)
    print(f"\nmix, from start to file      {taken:8.3f} s, of which import torch {torch_alone:.3f} s")
    print(f"mix, peak of memory          {max(mb for _, mb in mixed):8.0f} MB")


def seconds(words: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(words, check=True)
    return time.perf_counter() - start


def png(path: Path, model: list[str]) -> None:
    from stylegan_cli.media import png as ours

    command("sample", "--out", str(path), *model)
    pixels = np.asarray(Image.open(path).convert("RGB"))
    print()
    for name, encode in (
        ("Pillow, level 6 (default)", lambda: pillow(pixels, 6)),
        ("Pillow, level 4", lambda: pillow(pixels, 4)),
        ("Pillow, level 1", lambda: pillow(pixels, 1)),
        ("ours", lambda: ours.encode(pixels)),
    ):
        times = []
        for _ in range(5):
            start = time.perf_counter()
            content = encode()
            times.append(time.perf_counter() - start)
        print(f"PNG, {name:<26}{statistics.median(times):8.3f} s {len(content) / 1024:8.0f} KB")


def pillow(pixels: np.ndarray, level: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=level)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
