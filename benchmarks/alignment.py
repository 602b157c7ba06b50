"""Whether the aligned crop of a face is right. For a face sampled from the default model, that is the whole picture.

    python benchmarks/alignment.py [--people 100] [--psi 0.7] [--first-seed 0]

Two squares are compared with the whole picture: the one from five points, and the one after the network's correction.
Places and sizes are in shares of the picture's edge, each with the mean and the standard deviation.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch

from stylegan_cli import hardware, store
from stylegan_cli.faces import geometry
from stylegan_cli.faces.detection import detect
from stylegan_cli.latents import people
from stylegan_cli.media.render import render

CENTRE, SIZE = 0.01, 0.03  # what still counts as the same crop


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--psi", type=float, default=0.7)
    parser.add_argument("--first-seed", type=int, default=0)
    options = parser.parse_args()

    precision = hardware.choose_precision("auto", torch.device("cpu"))
    generator = store.load("ffhq").prepare(torch.device("cpu"), hardware.PRECISIONS[precision])
    found: dict[str, list[list[float]]] = {"points": [], "put right": []}
    for seed in range(options.first_seed, options.first_seed + options.people):
        picture = render(generator, people.from_seed(generator, seed, options.psi).face())
        face = detect(picture)[0]
        found["points"].append(off(geometry.square(face.points), picture.width))
        found["put right"].append(off(face.square, picture.width))
    print(f"{options.people} people from seed {options.first_seed}, psi {options.psi:g}, {precision}")
    print(f"{'':<10}{'to the side':>18}{'in height':>18}{'in size':>18}{'degrees':>16}   centre < 1 %   size < 3 %")
    for name, values in found.items():
        misses = np.array(values)
        parts = [f"{x.mean():+9.2%} ±{x.std():6.2%}" for x in misses.T[:3]]
        turn = f"{misses[:, 3].mean():+8.2f} ±{misses[:, 3].std():5.2f}"
        centred = np.hypot(*misses.T[:2]) < CENTRE
        sized = np.abs(misses[:, 2]) < SIZE
        print(
            f"{name:<10}" + "".join(f"{part:>18}" for part in parts) + f"{turn:>16}{centred.sum():>15}{sized.sum():>13}"
        )


def off(corners: np.ndarray, width: int) -> list[float]:
    """How far a square is off the whole picture: right, down and larger in shares of its edge, clockwise in degrees."""
    right, down = corners.mean(axis=0) / width - 0.5
    x, y = corners[3] - corners[0]
    return [right, down, geometry.edge(corners) / width - 1, np.degrees(np.arctan2(y, x))]


if __name__ == "__main__":
    main()
