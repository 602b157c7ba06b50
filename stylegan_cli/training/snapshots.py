"""The contents of a snapshot: the mean of `w`, and sheets of generated pictures and of training pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from stylegan_cli.generator import Generator
from stylegan_cli.hardware import exact_float32
from stylegan_cli.latents.people import z_of_seed
from stylegan_cli.media.render import to_pixels
from stylegan_cli.training.data import Pictures
from stylegan_cli.training.options import Options
from stylegan_cli.training.state import State

GRID_PIXELS = 1024  # per edge, approximately
CENTRE_SAMPLES = 4096


def complete(state: State, options: Options, pictures: Pictures) -> None:
    """Makes the running average a model of its own: it knows how far it has grown, and its `w_avg`. Raises
    StyleganError if any tensor of the state is not finite."""
    state.check()
    if options.cfg == "stylegan1":
        lod = options.growth.lod(state.progress.kimg)
        state.set_lod(lod)
        state.average.config = replace(state.average.config, lod=lod)
    centre(state.average, None if pictures.classes is None else torch.from_numpy(pictures.classes))


@torch.no_grad()
def centre(generator: Generator, classes: Tensor | None) -> None:
    """Sets `w_avg` to the mean over many z, and over `classes` as frequently as they are in the data."""
    z = torch.from_numpy(np.random.RandomState(0).randn(CENTRE_SAMPLES, generator.z_dim)).float()
    c = None
    if classes is not None:
        c = generator.one_hot(classes[torch.arange(CENTRE_SAMPLES) * len(classes) // CENTRE_SAMPLES])
    generator.w_avg.copy_(generator.to_w(z.to(generator.device), c).mean(dim=0))


@exact_float32()
@torch.no_grad()
def fakes(generator: Generator) -> Image.Image:
    """A sheet of seeds 0, 1, 2, ... as drawn by `stylegan sample --psi 1`, with all classes in turn."""
    count = grid_edge(generator.resolution) ** 2
    pictures, classes = [], generator.classes_in_turn(count)
    for seed in range(count):
        z = z_of_seed(seed, generator.z_dim)[None].to(generator.device)
        c = None if classes is None else classes[seed, None]
        pictures.append(to_pixels(generator.synthesize(generator.broadcast(generator.to_w(z, c)))))
    return tiled(np.concatenate(pictures))


def reals(pictures: Pictures) -> Image.Image:
    """A sheet of training pictures from all over the data, of which the classes may be one after the other; they are
    repeated if there are too few."""
    count = grid_edge(pictures.resolution) ** 2
    return tiled(np.stack([pictures[i * len(pictures) // count].transpose(1, 2, 0) for i in range(count)]))


def grid_edge(resolution: int) -> int:
    """The number of pictures along an edge of a sheet."""
    return min(max(GRID_PIXELS // resolution, 2), 8)


def tiled(pictures: np.ndarray) -> Image.Image:
    """`[n * n, h, w, 3]` uint8 as one picture of n x n."""
    count, height, width, channels = pictures.shape
    edge = round(count**0.5)
    rows = pictures.reshape(edge, edge, height, width, channels).transpose(0, 2, 1, 3, 4)
    return Image.fromarray(rows.reshape(edge * height, edge * width, channels))
