"""Is growing worth it? The laptop preset, growing and at full size from the start, for the same time.

    python benchmarks/growing.py --data faces.zip [--minutes 20] [--points 5] [--num 1000] [--first-res 8]

Both runs take turns, so that a machine that slows down slows both. The growing schedule is the preset's, shortened in
proportion to its two hours. Models are compared at equal times, after all training is done.
"""

from __future__ import annotations

import argparse
import copy
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import torch

from stylegan_cli.generator import Generator
from stylegan_cli.hardware import choose_device, choose_precision
from stylegan_cli.metrics.evaluation import Judge, Report, Settings
from stylegan_cli.metrics.features import EfficientNetFeatures
from stylegan_cli.metrics.sets import DataSet, Made
from stylegan_cli.parallel import World
from stylegan_cli.training import presets
from stylegan_cli.training.data import Loader, Pictures
from stylegan_cli.training.loop import Moment, Trainer
from stylegan_cli.training.networks import Start
from stylegan_cli.training.schedule import ByResolution
from stylegan_cli.training.state import begin

PRESET, PRESET_MINUTES = "laptop", 120
METRIC = "fd"


@dataclass(frozen=True)
class Point:
    """A run at some time: its model, the kimg so far, and the pixels that it trains at."""

    model: Generator
    kimg: float
    pixels: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=20.0, help="of training, for each of both")
    parser.add_argument("--points", type=int, default=5, help="of each curve")
    parser.add_argument("--num", type=int, default=1000, help="pictures a side that the metric is computed on")
    parser.add_argument("--first-res", type=int, default=8, help="pixels at which growing begins")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()

    device = choose_device(options.device)
    with closing(Pictures(options.data, presets.RESOLUTIONS[PRESET])) as pictures:
        growing = trainer(pictures, {"first_res": options.first_res, **schedule(options.minutes)}, device)
        fixed = trainer(pictures, {"first_res": pictures.resolution}, device)
        curves: dict[str, list[Point]] = {"growing": [], "fixed": []}
        for _ in range(options.points):
            for name, run in (("growing", growing), ("fixed", fixed)):
                train(run, options.minutes * 60 / options.points)
                curves[name].append(point(run))
        growing.loader.close()
        fixed.loader.close()
        data = DataSet(options.data, pictures.resolution)
    judge = Judge(data, Settings((METRIC,), min(options.num, (data.count or 0) // 2)), EfficientNetFeatures(device))
    floor = judge(data)
    print(f"{floor.measures[0].title} and its 95 % interval; real against real {told(floor)}")
    print(f"{'minutes':>8}" + "".join(f"{name:>9}: kimg  pixels {'distance':>22}" for name in curves))
    for i, pair in enumerate(zip(*curves.values(), strict=True)):
        cells = (f"{one.kimg:15.1f}{one.pixels:8}{told(judge(Made(one.model))):>23}" for one in pair)
        print(f"{options.minutes * (i + 1) / options.points:8.1f}" + "".join(cells))


def schedule(minutes: float) -> dict[str, str]:
    """The preset's growing schedule, shortened to this time."""
    values = presets.values_of(PRESET, None, presets.RESOLUTIONS[PRESET])
    share = minutes / PRESET_MINUTES
    by = {name: ByResolution.parse(values[name]) for name in ("stable_kimg", "fade_kimg")}
    return {
        name: str(ByResolution(tuple((resolution, kimg * share) for resolution, kimg in one.values)))
        for name, one in by.items()
    }


def trainer(pictures: Pictures, said: dict[str, object], device: torch.device) -> Trainer:
    said = {"precision": choose_precision("auto", device)} | said
    options = presets.plan(pictures, said, PRESET, None, 1, device)
    loader = Loader(pictures, options.seed, options.mirror)
    return Trainer(options, begin(options, Start(), device), loader, World(), device)


def train(run: Trainer, seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        run.step()


def point(run: Trainer) -> Point:
    progress = run.state.progress
    return Point(copy.deepcopy(run.state.average), progress.kimg, Moment.of(run.options, progress.nimg).resolution)


def told(report: Report) -> str:
    found = report.measures[0].estimate
    return f"{found.value:.4g} ({found.low:.4g}-{found.high:.4g})"


if __name__ == "__main__":
    main()
