"""Projection: the latents that reproduce a photo (StyleGAN2, section 5 and appendix D; Abdal et al. 2019 for W+).

The variables are the coordinates of `ws` in whitened W: so steps are in proportion to the width of W in each direction,
and the length of the coordinates shows how typical a face is. The loss compares pixels and perceptual features of the
whole picture, and perceptual features of its middle, where the face is, at 1.7 times the scale. All this is smaller
than a picture of 1024 pixels: there it also punishes grids, which nothing else would keep off the skin.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from stylegan_cli.generator import Generator
from stylegan_cli.latents.named import MAX_SEED
from stylegan_cli.latents.people import z_of_seed
from stylegan_cli.operations.descent import BETAS, Descent
from stylegan_cli.psnr import psnr
from stylegan_cli.scorers import perceptual

SPACES = ("w", "w+")
PIXEL = 10.0  # weight of the mean squared difference of pixels
GRID = 1000.0  # weight of grids
STRANGENESS = 0.05  # weight of the mean squared coordinate
PATIENCE, IMPROVEMENT = 20, 0.01  # stop when so many steps together improve the loss by less than this fraction
# The part of an aligned picture that contains the face: top, bottom, left, right.
MIDDLE = (0.28, 0.875, 0.2, 0.8)
STARTS = 4
PERIOD = 8  # pixels after which a grid repeats: what upsampling leaves repeats after 2, 4 or 8
TILES = 8  # of so many pixels, next to each other: a grid is what they have in common


@dataclass(frozen=True)
class Settings:
    """`steps` is a maximum; with 0 the result is the start. `space` is `w` (one `w` for all layers) or `w+`; `seed`
    draws the starts that are tried."""

    steps: int = 100
    space: str = "w+"
    seed: int = 0
    rate: float = 0.1


@dataclass(frozen=True)
class Step:
    """After `done` of at most `total` steps: the current perceptual distance, and the picture `[1, 3, h, w]`."""

    done: int
    total: int
    distance: float
    image: Tensor


@dataclass(frozen=True)
class Projection:
    """`ws` `[num_ws, w_dim]` on the CPU, and the number of steps taken."""

    ws: Tensor
    steps: int


class Likeness:
    """How far pictures are from a photo `[1, 3, h, w]` in [-1, 1]."""

    def __init__(self, photo: Tensor) -> None:
        self.features = perceptual.network(photo.device)
        self.small = perceptual.shrink(photo)
        self.whole = perceptual.levels(self.features, self.small)
        self.middle = perceptual.levels(self.features, middle(photo))

    def distance(self, image: Tensor) -> Tensor:
        """The perceptual distance of the whole picture `[1, 3, h, w]`, a scalar."""
        return perceptual.distance(perceptual.levels(self.features, image), self.whole)[0]

    def loss(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The loss to minimise, and the perceptual distance of the whole picture that is part of it."""
        small = perceptual.shrink(image)
        whole = perceptual.distance(perceptual.levels(self.features, small), self.whole)[0]
        near = perceptual.distance(perceptual.levels(self.features, middle(image)), self.middle)[0]
        loss = whole + near + PIXEL * (small - self.small).square().mean()
        return (loss + GRID * grid(image) if image.shape[-1] > perceptual.SIZE else loss), whole


class Whitened:
    """W in coordinates in which it is round: P_N space (Zhu et al. 2020, arXiv:2012.09036, section 3).

    Inverting the mapping network's last leaky ReLU makes `w` nearly Gaussian; principal axes scaled to unit variance
    make it round. The variance has a lower limit, so that noise is not amplified along axes that hardly vary.
    """

    SAMPLES, FLOOR = 10_000, 0.01

    def __init__(self, generator: Generator) -> None:
        z = torch.randn(self.SAMPLES, generator.z_dim, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            c = generator.classes_in_turn(self.SAMPLES) if generator.chosen_class is None else None
            x = F.leaky_relu(generator.to_w(z.to(generator.device), c), 5.0)  # [samples, w_dim]
        self.mean = x.mean(dim=0)
        variance, self.axes = torch.linalg.eigh(torch.cov(x.T))
        self.scale = (variance + self.FLOOR * variance.max()).sqrt()

    def coordinates(self, w: Tensor) -> Tensor:
        """`w` `[..., w_dim]` to coordinates of the same shape."""
        return (F.leaky_relu(w, 5.0) - self.mean) @ self.axes / self.scale

    def w(self, coordinates: Tensor) -> Tensor:
        """The inverse of `coordinates`."""
        return F.leaky_relu((coordinates * self.scale) @ self.axes.T + self.mean, 0.2)


def project(
    generator: Generator,
    photo: Tensor,
    guess: Tensor | None,
    settings: Settings,
    on_step: Callable[[Step], None] = lambda _step: None,
) -> Projection:
    """The `ws` of a photo `[1, 3, h, w]` in [-1, 1], which must be aligned like the generator's pictures.

    `guess` is a `w` `[1, w_dim]`, or somebody's `ws` `[1, num_ws, w_dim]`, of which space `w` takes the mean; without
    one the search starts at the average face or one of a few sampled people, whichever is most similar to the photo.
    """
    likeness, space = Likeness(photo), Whitened(generator)
    start = guess if guess is not None else _best_start(generator, likeness, settings.seed)
    rows = generator.num_ws if settings.space == "w+" else 1
    start = start[:, None] if start.ndim == 2 else start.mean(dim=1, keepdim=True) if rows == 1 else start
    moved = space.coordinates(start.expand(-1, rows, -1)).clone().requires_grad_()  # [1, rows, w_dim]
    descent = Descent(torch.optim.Adam([moved], settings.rate, BETAS), settings.steps)
    best, losses = (float("inf"), start.expand(-1, generator.num_ws, -1)), list[float]()
    for done in range(1, settings.steps + 1):
        ws = space.w(moved).expand(-1, generator.num_ws, -1)
        image = generator.synthesize(ws)
        loss, distance = likeness.loss(image)
        losses.append(loss.item())
        if losses[-1] < best[0]:
            best = losses[-1], ws.detach()
        (loss + STRANGENESS * moved.square().mean()).backward()
        descent.step()
        on_step(Step(done, settings.steps, distance.item(), image.detach()))
        if stalled(losses):
            break
    return Projection(best[1][0].cpu().clone(), len(losses))


def stalled(losses: Sequence[float]) -> bool:
    """Whether the last steps improved almost nothing."""
    if len(losses) < 2 * PATIENCE:
        return False
    return min(losses[-PATIENCE:]) > min(losses[:-PATIENCE]) * (1 - IMPROVEMENT)


def middle(images: Tensor) -> Tensor:
    """The middle of pictures `[n, 3, h, w]`, where the face is in aligned ones, as `[n, 3, 256, 256]`."""
    edge = images.shape[-1]
    top, bottom, left, right = (round(edge * part) for part in MIDDLE)
    size = (perceptual.SIZE, perceptual.SIZE)
    return F.interpolate(
        images[:, :, top:bottom, left:right], size, mode="bilinear", antialias=True, align_corners=False
    )


def grid(images: Tensor) -> Tensor:
    """How visible a grid is on pictures `[n, 3, h, w]` whose edges are multiples of PERIOD: the mean square of what
    repeats after so many pixels, a scalar."""
    smooth = F.interpolate(F.avg_pool2d(images, PERIOD), scale_factor=PERIOD, mode="bilinear")
    tiles = F.pixel_unshuffle(images - smooth, PERIOD).unflatten(1, (3, PERIOD**2)).flatten(0, 1)
    common = F.avg_pool2d(tiles, min(TILES, tiles.shape[-1]), TILES // 2)  # [3 n, 64, h / 32, w / 32]
    return (common - common.mean(dim=1, keepdim=True)).square().mean()


def report(image: Tensor, photo: Tensor) -> dict[str, float]:
    """How close a picture `[1, 3, h, w]` is to the photo: perceptual distance, and PSNR in decibels."""
    with torch.inference_mode():
        return {"distance": Likeness(photo).distance(image).item(), "psnr": psnr(image, photo)}


def _best_start(generator: Generator, likeness: Likeness, seed: int) -> Tensor:
    """The `w` `[1, w_dim]` of the average face or of a sampled one, whichever is most similar to the photo."""
    with torch.inference_mode():
        z = torch.stack([z_of_seed((seed + i) % (MAX_SEED + 1), generator.z_dim) for i in range(STARTS)])
        sampled = generator.w_avg.lerp(generator.to_w(z.to(generator.device)), 0.5)
        starts = torch.cat([generator.w_avg[None], sampled])
        distances = [likeness.loss(generator.synthesize(generator.broadcast(w[None])))[0] for w in starts]
    return starts[int(torch.stack(distances).argmin())][None].clone()
