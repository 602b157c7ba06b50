"""What the shipped directions age, gender and smile do to their own scores and to each other's, over many people.

    pip install -e '.[scorers]' && python benchmarks/directions.py [--people 200] [--psi 0.7] [--names age]

For each direction and amount the mean score, in standard deviations of that score among the people as they are; and the
largest share of its own movement by which a direction moves another score.
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
from stylegan_cli.scorers.scores import Scorers

NAMES = ("age", "gender", "smile")
AMOUNTS = (-3.0, -1.5, 0.0, 1.5, 3.0)
FIRST_SEED = 5000
SIZE = 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--psi", type=float, default=0.7)
    parser.add_argument("--names", nargs="+", choices=NAMES, default=NAMES, help="the directions to walk")
    options = parser.parse_args()

    precision = hardware.choose_precision("auto", torch.device("cpu"))
    generator = store.load("ffhq").prepare(torch.device("cpu"), hardware.PRECISIONS[precision])
    scorers = Scorers(NAMES)
    seeds = range(FIRST_SEED, FIRST_SEED + options.people)
    somebody = [people.from_seed(generator, seed, options.psi) for seed in seeds]

    def means(edit: Edit | None) -> np.ndarray:
        """The scores of everybody `[people, scores]`."""
        faces = [person.face() if edit is None else edited(generator, person, [edit]).face() for person in somebody]
        return np.array([list(scorers(render(generator, Face(face.ws), SIZE)).values()) for face in faces])

    here = means(None)
    unit = np.nanstd(here, axis=0)
    print(f"{options.people} people, psi {options.psi:g}, {precision}; in standard deviations of each score")
    print(f"{'':<14}" + "".join(f"{name:>9}" for name in NAMES))
    for name in options.names:
        direction = directions.read(store.directions("ffhq")[name], generator)
        moved = {amount: np.zeros(len(NAMES)) for amount in AMOUNTS}
        for amount in filter(None, AMOUNTS):
            moved[amount] = np.nanmean(means(Edit(direction, amount)) - here, axis=0) / unit
        for amount, row in moved.items():
            print(f"{name} {amount:+g}".ljust(14) + "".join(f"{value:+9.2f}" for value in row))
        own = NAMES.index(name)
        is_even = all(np.diff([row[own] for row in moved.values()]) > 0)
        leak = max(abs(row[i] / row[own]) for row in (moved[-3.0], moved[3.0]) for i in range(len(NAMES)) if i != own)
        print(f"{name}: {'monotone' if is_even else 'NOT monotone'}, the largest leak is {leak:.0%}\n", flush=True)


if __name__ == "__main__":
    main()
