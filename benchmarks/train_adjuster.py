"""Trains the network that corrects alignments (`stylegan_cli/faces/adjustment.py`), on sampled faces.

    stylegan sample --count 20480 --seed 1000000 --psi 0.8 --size 128 --format webp --dataset faces-128.zip
    python benchmarks/train_adjuster.py faces-128.zip [-o models/ffhq/adjuster.safetensors] [--epochs 20]

A sampled face is its own aligned crop. Squares in it are moved by known amounts, which the network has to predict, with
colours, blur, JPEG, noise and covered parts as in photos. What it sees never reaches the picture's edge. Its error is
measured on held-out faces. `alignment.py` measures it on low seeds, which must therefore not be learned from.
"""

from __future__ import annotations

import argparse
import copy
import io
import math
import zipfile
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from stylegan_cli.faces.adjustment import INNER, MIRRORED, REACH, SIZE, Adjuster
from stylegan_cli.files import replacing
from stylegan_cli.store import bundled_folder

PICTURES = (".png", ".webp", ".jpg")
HELD_OUT = 512
BATCH = 64
RATE, WARM_UP = 2e-3, 200  # the learning rate's peak, and the steps until then
EMA = 0.999
UNITS = torch.from_numpy(REACH).float()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="sampled faces of at least 128 pixels, a .zip")
    parser.add_argument("-o", "--out", type=Path, default=bundled_folder() / "ffhq/adjuster.safetensors")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    faces = read(options.data)
    torch.manual_seed(options.seed)
    train(faces[:-HELD_OUT], faces[-HELD_OUT:], options.epochs, options.out)


def read(path: Path) -> Tensor:
    """All pictures of a data set, `[n, 3, h, w]` uint8."""
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(PICTURES))
        pictures = [np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB")) for name in names]
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)


def train(faces: Tensor, held_out: Tensor, epochs: int, out: Path) -> None:
    adjuster = Adjuster().to(memory_format=torch.channels_last)
    average = copy.deepcopy(adjuster).requires_grad_(False).eval()
    optimiser = torch.optim.AdamW(adjuster.parameters(), lr=RATE, weight_decay=0.01)
    compiled = torch.compile(adjuster)
    steps = len(faces) // BATCH
    for epoch in range(epochs):
        order = torch.randperm(len(faces))
        for i in range(steps):
            done = epoch * steps + i
            share = min(1, (done + 1) / WARM_UP) * (1 + math.cos(math.pi * done / steps / epochs)) / 2
            for group in optimiser.param_groups:
                group["lr"] = RATE * share
            moves = torch.rand(BATCH, 4) * 2 - 1
            views = disturb(view(mirror(faces[order[i * BATCH : (i + 1) * BATCH]]), moves))
            loss = F.smooth_l1_loss(compiled(views.contiguous(memory_format=torch.channels_last)), moves, beta=0.1)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            follow(average, adjuster, min(EMA, done / (done + 10)))
        right, down, size, turn = wrong(average, held_out)
        print(
            f"epoch {epoch + 1}: on held-out faces wrong by {right:.2%} to the side, {down:.2%} in height, {size:.2%} "
            f"in size, {math.degrees(turn):.2f} degrees (standard deviations)",
            flush=True,
        )
        state = average.state_dict().items()
        tensors = {name: (x.half() if x.is_floating_point() else x).contiguous() for name, x in state}
        with replacing(out) as part:
            save_file(tensors, part, {"trained": f"benchmarks/train_adjuster.py, {epoch + 1} of {epochs} epochs"})


@torch.inference_mode()
def wrong(adjuster: Adjuster, faces: Tensor) -> list[float]:
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


def disturb(x: Tensor) -> Tensor:
    """Views `[n, 3, h, w]` in [-1, 1], each disturbed differently, as in photos."""
    n, _, h, w = x.shape

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.empty(n, *(shape or (1, 1, 1))).uniform_(low, high)

    def sometimes(share: float, changed: Tensor, x: Tensor) -> Tensor:
        return torch.where(torch.rand(n, 1, 1, 1) < share, changed, x)

    across, below = torch.linspace(-1, 1, w), torch.linspace(-1, 1, h)[:, None]
    x = sometimes(0.3, F.interpolate(F.avg_pool2d(x, 2), scale_factor=2.0, mode="bilinear"), x)
    x = torch.cat([jpeg(x[: n // 5]), x[n // 5 :]])
    x = sometimes(0.1, x.mean(dim=1, keepdim=True).expand_as(x), x)
    x = ((x + 1) / 2).clamp(1e-3, 1) ** uniform(0.7, 1.4) * 2 - 1
    x = x * uniform(0.6, 1.3) * (1 + across * uniform(-0.3, 0.3) + below * uniform(-0.3, 0.3))
    x = x + uniform(-0.25, 0.25) + uniform(-0.12, 0.12, 3, 1, 1)
    x = sometimes(0.5, x + torch.randn_like(x) * uniform(0, 0.15), x)
    x = sometimes(0.2, torch.where(rectangle(n, across, below), uniform(-1, 1, 3, 1, 1), x), x)
    beyond = (across * uniform(-1, 1).sign() > uniform(0.5, 1)) | (below * uniform(-1, 1).sign() > uniform(0.5, 1))
    return sometimes(0.06, x.masked_fill(beyond, -1), x).clamp(-1, 1)


def jpeg(x: Tensor) -> Tensor:
    """Views saved as JPEG and opened again."""
    pictures = ((x.clamp(-1, 1) + 1) * 127.5).byte().permute(0, 2, 3, 1).numpy()
    opened = []
    for picture, quality in zip(pictures, torch.randint(30, 90, (len(x),)).tolist(), strict=True):
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
        opened.append(np.asarray(Image.open(buffer)))
    return torch.from_numpy(np.stack(opened)).permute(0, 3, 1, 2).float() / 127.5 - 1


def rectangle(n: int, across: Tensor, below: Tensor) -> Tensor:
    """Masks `[n, 1, h, w]` of a rectangle somewhere on each view, up to two fifths of its edge."""
    corner, size = torch.rand(2, n, 1, 1, 1) * 2.8 - 1.8, torch.rand(2, n, 1, 1, 1) * 0.8
    beside = (across > corner[0]) & (across < corner[0] + size[0])
    return beside & (below > corner[1]) & (below < corner[1] + size[1])


@torch.no_grad()
def follow(average: Adjuster, adjuster: Adjuster, share: float) -> None:
    for slow, fast in zip(average.state_dict().values(), adjuster.state_dict().values(), strict=True):
        if slow.is_floating_point():
            slow.lerp_(fast, 1 - share)
        else:
            slow.copy_(fast)


if __name__ == "__main__":
    main()
