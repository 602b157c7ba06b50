"""Makes jon of the cast: seed 49, whose picture has a trace of glasses on one side, without it.

    python benchmarks/cast.py jon.npz

He is moved in Z, so that his z is still known, until AMOUNT of the direction `glasses` is removed from his w, while
everything else changes as little as possible.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from stylegan_cli import store
from stylegan_cli.generator import Generator
from stylegan_cli.latents import directions, files, people

SEED, PSI, AMOUNT = 49, 0.7, 0.6
STEPS, RATE = 800, 0.01
ALONG, NEAR = 10.0, 0.0005  # weights of the distance to AMOUNT, and of the distance from the seed's z


def main() -> None:
    generator = store.load("ffhq")
    glasses = directions.resolve("glasses", generator, store.source("ffhq").directions).vector[0]
    z = moved(generator, people.z_of_seed(SEED, generator.z_dim), glasses)
    person = people.from_z(generator, z, PSI, "jon")
    origin = generator.origin
    model = {"name": origin.name, "sha256": origin.sha256}
    about = {"space": "W", "model": model, "command": "python benchmarks/cast.py jon.npz"}
    files.write_npz(Path(sys.argv[1]), person.ws[None, :1].numpy(), about, z.numpy(), PSI)
    shipped = files.read(store.source("ffhq").cast["jon"]).array.reshape(-1)
    print(f"off by {abs(person.ws[0].numpy() - shipped).max():.1e} from the w that is shipped")


def moved(generator: Generator, start: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
    """A `z` `[z_dim]` near `start` whose w, truncated, is AMOUNT behind along the direction `[w_dim]`."""
    z = start.clone().requires_grad_()
    before = generator.to_w(start[None])[0].detach()
    optimiser = torch.optim.Adam([z], lr=RATE)
    for _ in range(STEPS):
        change = (generator.to_w(z[None])[0] - before) * PSI
        along = change @ direction
        beside = (change - along * direction).square().sum()
        loss = ALONG * (along + AMOUNT).square() + beside + NEAR * (z - start).square().sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return z.detach()


if __name__ == "__main__":
    main()
