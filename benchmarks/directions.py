"""How the shipped directions (by default age, gender and smile) change their own scores and each other's, over many
people.

    pip install -e '.[scorers]' && python benchmarks/directions.py [--people 200] [--names hair jaw] [--layers all]

For each direction and amount, prints the mean change of each score in standard deviations among the unedited people
(its own score also in its unit), and the mean identity distance (from 0.6 on, another to the network); then the
largest movement of another score, as a share of the direction's own.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch

from stylegan_cli import hardware, store
from stylegan_cli.latents import directions, people
from stylegan_cli.media.render import render
from stylegan_cli.operations.editing import Edit, edited
from stylegan_cli.pictures import Face
from stylegan_cli.scorers import identity
from stylegan_cli.scorers.scores import SCORES, Scorers

NAMES = ("age", "gender", "smile")
AMOUNTS = (-3.0, -1.5, 0.0, 1.5, 3.0)
FIRST_SEED = 5000
SIZE = 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--psi", type=float, default=0.7)
    parser.add_argument("--names", nargs="+", choices=SCORES, default=NAMES, help="the directions to walk")
    parser.add_argument("--layers", help="as in stylegan edit; by default the direction's own")
    options = parser.parse_args()

    precision = hardware.choose_precision("auto", torch.device("cpu"))
    generator = store.load("ffhq").prepare(torch.device("cpu"), hardware.PRECISIONS[precision])
    names = tuple(dict.fromkeys((*NAMES, *options.names)))
    scorers = Scorers(names)
    seeds = range(FIRST_SEED, FIRST_SEED + options.people)
    somebody = [people.from_seed(generator, seed, options.psi) for seed in seeds]

    def looks(edits: list[Edit]) -> tuple[np.ndarray, np.ndarray]:
        """Everybody's scores `[people, scores]`, and who they are `[people, 128]`."""
        images = [render(generator, Face(edited(generator, person, edits).ws), SIZE) for person in somebody]
        scores = [list(scorers(image).values()) for image in images]
        return np.array(scores), np.array([identity.embed(image) for image in images])

    here, who = looks([])
    unit = np.nanstd(here, axis=0)
    print(f"{options.people} people, psi {options.psi:g}, {precision}; in standard deviations of each score")
    print(f"{'':<18}" + "".join(f"{name:>12}" for name in names) + "         own identity")
    for name in options.names:
        direction = directions.read(store.source("ffhq").directions[name], generator)
        own, moved = names.index(name), {}
        for amount in AMOUNTS:
            there, now = looks([Edit(direction, amount, layers=options.layers)])
            change = np.nanmean(there - here, axis=0)
            row = moved[amount] = change / unit
            apart = np.linalg.norm(now - who, axis=1).mean()
            columns = "".join(f"{value:+12.2f}" for value in row)
            print(f"{name} {amount:+g}".ljust(18) + f"{columns}{change[own]:+12.2f}{apart:9.2f}")
        is_even = all(np.diff([row[own] for row in moved.values()]) > 0)
        leak = max(abs(row[i] / row[own]) for row in (moved[-3.0], moved[3.0]) for i in range(len(names)) if i != own)
        print(f"{name}: {'monotone' if is_even else 'NOT monotone'}, the largest leak is {leak:.0%}\n", flush=True)


if __name__ == "__main__":
    main()
