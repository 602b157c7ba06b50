"""Pictures per second in StyleGAN2's training (64x64, channel_base 16384), compared with a plain float32 path of the
same networks, in one run; and the share of time for which training waits for its pictures.

    python benchmarks/training.py [--batch 16] [--rounds 3] [--cbase 16384] [--precision auto] [--compile]

The plain path computes every operation as it is defined (`plain.py`), channels first, with Adam parameter by parameter.
Both take turns, so that a machine that slows down slows both.
Steps are those of the loop; regularisation is counted as often as it happens, every fourth and every sixteenth step.
`--compile` shows what torch.compile gains in a step without regularisation: it has no second derivatives.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import plain
import torch
from PIL import Image

from stylegan_cli.allocation import keep_memory
from stylegan_cli.hardware import choose_precision
from stylegan_cli.parallel import World
from stylegan_cli.training import presets
from stylegan_cli.training.data import Loader, Pictures
from stylegan_cli.training.loop import Trainer
from stylegan_cli.training.networks import Start
from stylegan_cli.training.state import begin

SIZE, PICTURES = 64, 512


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cbase", type=int, default=16384)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--compile", action="store_true", help="a compiled step, too")
    options = parser.parse_args()

    keep_memory()
    device = torch.device("cpu")
    precision = choose_precision(options.precision, device)
    with tempfile.TemporaryDirectory() as folder:
        pictures = write_pictures(Path(folder))
        # The whole batch at once: this measures networks, not how processes share work.
        said = {"batch": str(options.batch), "batch_gpu": str(options.batch), "cbase": options.cbase, "aug": "none"}
        ours = trainer(pictures, said | {"precision": precision}, device)
        defined = trainer(pictures, said | {"precision": "fp32"}, device)
        make_plain(defined)
        times: dict[str, list[float]] = {"plain": [], "ours": []}
        with plain.operations():
            timed(defined, step=0)
        timed(ours, step=0)
        waited, spent = ours.loader.waited, 0.0
        for _ in range(options.rounds):
            with plain.operations():
                times["plain"].append(seconds_a_step(defined))
            began = time.perf_counter()
            times["ours"].append(seconds_a_step(ours))
            spent += time.perf_counter() - began
        rates = {name: options.batch / statistics.median(seconds) for name, seconds in times.items()}
        print(f"{torch.get_num_threads()} threads, {SIZE}x{SIZE}, cbase {options.cbase}, batch {options.batch}")
        print(f"plain fp32     {rates['plain']:7.2f} pictures/s")
        print(f"stylegan {precision}  {rates['ours']:7.2f} pictures/s   {rates['ours'] / rates['plain']:.2f}x")
        print(f"loader's share {(ours.loader.waited - waited) / spent:.2%} of the time")
        if options.compile:
            compare_compiled(ours, options.rounds)
        ours.loader.close()
        defined.loader.close()


def write_pictures(folder: Path) -> Pictures:
    stream = np.random.RandomState(0)
    for i in range(PICTURES):
        Image.fromarray(stream.randint(0, 255, (SIZE, SIZE, 3), dtype=np.uint8)).save(folder / f"{i:04d}.png")
    return Pictures(folder, None)


def trainer(pictures: Pictures, said: dict[str, object], device: torch.device) -> Trainer:
    options = presets.plan(pictures, said, "auto", None, 1, device)
    return Trainer(options, begin(options, Start(), device), Loader(pictures, 0, mirror=False), World(), device)


def make_plain(trainer: Trainer) -> None:
    """Uses channels first, and an optimiser that goes from parameter to parameter."""
    for network in (trainer.state.generator, trainer.state.discriminator):
        network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    for name in ("g_adam", "d_adam"):
        (group,) = getattr(trainer.state, name).param_groups
        setattr(trainer.state, name, torch.optim.Adam(group["params"], betas=group["betas"], foreach=False))


def seconds_a_step(trainer: Trainer) -> float:
    """A step's mean time: path lengths are regularised in every fourth, R1 in every sixteenth."""
    main, path, everything = (timed(trainer, step) for step in (1, 4, 16))
    return main + (path - main) / 4 + (everything - path) / 16


def compare_compiled(trainer: Trainer, rounds: int) -> None:
    state = trainer.state
    networks = [state.generator.get_submodule("synthesis"), state.discriminator]
    compiled = [torch.compile(network.forward, dynamic=False) for network in networks]
    for i, name in enumerate(("eager", "generator compiled", "both compiled")):
        for network, forward in zip(networks[:i], compiled[:i], strict=True):
            network.forward = forward
        first = timed(trainer, step=1)
        usual = statistics.median(timed(trainer, step=1) for _ in range(rounds))
        print(f"a step, {name:<20} {usual:.3f} s, the first {first:.1f} s")


def timed(trainer: Trainer, step: int) -> float:
    """Seconds of one step, as if it were number `step`."""
    trainer.state.progress.step = step
    start = time.perf_counter()
    trainer.step()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
