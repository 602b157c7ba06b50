"""Trains the network that corrects alignments (`stylegan_cli/faces/adjustment.py`), on sampled faces.

    stylegan sample --count 20480 --seed 1000000 --psi 0.8 --size 128 --format webp --dataset faces-128.zip
    python benchmarks/train_adjuster.py faces-128.zip [-o models/ffhq/adjuster.safetensors] [--epochs 20]

A sampled face is its own aligned crop. Squares in it are moved by known amounts, which the network has to predict, with
colours, blur, JPEG, noise and covered parts as in photos. What it sees never reaches the picture's edge. Its error is
measured on held-out faces. `alignment.py` measures it on low seeds, which must therefore not be learned from.
"""

from __future__ import annotations

import argparse
import io
import math
import zipfile
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from fitting import BATCH, HELD_OUT, Network, disturb, fit
from PIL import Image
from torch import Tensor, nn

from stylegan_cli.faces.adjustment import INNER, MIRRORED, REACH, SIZE, Adjuster
from stylegan_cli.faces.networks import weights

PICTURES = (".png", ".webp", ".jpg")
UNITS = torch.from_numpy(REACH).float()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="sampled faces of at least 128 pixels, a .zip")
    parser.add_argument("-o", "--out", type=Path, default=weights("adjuster"))
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    faces = read(options.data)
    torch.manual_seed(options.seed)

    def loss(adjuster: Network, chosen: Tensor) -> Tensor:
        moves = torch.rand(BATCH, 4) * 2 - 1
        views = disturb(view(mirror(faces[chosen]), moves))
        return F.smooth_l1_loss(adjuster(views.contiguous(memory_format=torch.channels_last)), moves, beta=0.1)

    def quality(adjuster: nn.Module) -> str:
        right, down, size, turn = wrong(adjuster, faces[-HELD_OUT:])
        return (
            f"wrong by {right:.2%} to the side, {down:.2%} in height, {size:.2%} in size, {math.degrees(turn):.2f} "
            "degrees (standard deviations)"
        )

    fit(Adjuster(), len(faces) - HELD_OUT, options.epochs, loss, quality, options.out)


def read(path: Path) -> Tensor:
    """All pictures of a data set, `[n, 3, h, w]` uint8."""
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(PICTURES))
        pictures = [np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB")) for name in names]
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)


@torch.inference_mode()
def wrong(adjuster: nn.Module, faces: Tensor) -> list[float]:
    """The network's errors for undisturbed faces: standard deviations of the four parts of a move."""
    moves = torch.rand(len(faces), 4, generator=torch.Generator().manual_seed(0)) * 2 - 1
    misses = []
    for part, truth in zip(faces.split(BATCH), moves.split(BATCH), strict=True):
        x = view(part, truth)
        told = (adjuster(x) + adjuster(x.flip(3)) * torch.from_numpy(MIRRORED)) / 2
        misses.append((told - truth) * UNITS)
    deviations: list[float] = torch.cat(misses).std(dim=0).tolist()
    return deviations


def view(faces: Tensor, moves: Tensor) -> Tensor:
    """What the network sees `[n, 3, SIZE, SIZE]` of squares that need these moves `[n, 4]`, in shares of REACH, to be
    the pictures `[n, 3, h, w]` uint8 themselves."""
    right, down, size, turn = (moves * UNITS).T
    x, y = turn.cos() * (-size).exp(), -turn.sin() * (-size).exp()
    left, up = 2 * (right * x - down * y), 2 * (right * y + down * x)
    matrix = torch.stack([x * INNER, -y * INNER, -left, y * INNER, x * INNER, -up], dim=1).view(-1, 2, 3)
    grid = F.affine_grid(matrix, [len(faces), 3, 2 * SIZE, 2 * SIZE], align_corners=False)
    return F.avg_pool2d(F.grid_sample(faces.float() / 127.5 - 1, grid, align_corners=False), 2)


def mirror(faces: Tensor) -> Tensor:
    return torch.where(torch.rand(len(faces), 1, 1, 1) < 0.5, faces.flip(3), faces)


if __name__ == "__main__":
    main()
