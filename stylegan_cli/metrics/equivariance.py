"""Equivariance (Karras et al. 2021, arXiv:2106.12423, section 3 and appendix E): does a generator that is asked to move
or turn its pictures draw what moving or turning the pictures themselves gives?

The answer is a peak signal-to-noise ratio in dB: EQ-T for motions by whole pixels, EQ-T_frac by any part of them, EQ-R
for turns. What is compared, and by which filters, agrees with NVIDIA's published measurements.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stylegan_cli.errors import UsageError
from stylegan_cli.generator import Generator
from stylegan_cli.hardware import exact_float32
from stylegan_cli.metrics.estimates import Estimate, jackknife, kept_rows
from stylegan_cli.ops.resample import upfirdn2d

TITLES = {"eqt_int": "EQ-T (dB)", "eqt_frac": "EQ-T_frac (dB)", "eqr": "EQ-R (dB)"}
FARTHEST = 1 / 8  # of a picture's width, that it is moved along each axis
NUMBERS = 5  # that choose the motions: right and down in whole pixels, right and down, a turn
RANGE = 2.0  # from black, -1, to white, 1
LEAST = 2.0**-48  # mean squared error, 150.5 dB: numbers near 1 are multiples of 2**-24 in float32
LOBES = 3  # of Lanczos's filter on each side, in pixels
REACH = 2 * LOBES  # pixels on each side that a turned pixel depends on: two of Lanczos's windows, one after the other
TAIL = 64  # pixels after which sincs are cut off
FINENESS = 4  # samples per pixel, between which a turned picture is interpolated
SMALLEST = 16  # pixels across: of smaller pictures nothing is left if the filters may not reach beyond them


@dataclass(frozen=True)
class Motion:
    """By `right` and `down` pixels, or by `turn` degrees counter-clockwise about the centre."""

    right: float = 0.0
    down: float = 0.0
    turn: float = 0.0


def check(generator: Generator) -> None:
    """Raises UsageError unless the generator can move its pictures, and these are large enough."""
    try:
        with generator.moved((FARTHEST, 0.0), 0.0):
            pass
    except UsageError as error:
        raise UsageError(f"equivariance cannot be measured: {error}") from None
    if generator.resolution < SMALLEST:
        raise UsageError(
            f"equivariance cannot be measured: pictures of {generator.origin.name} are {generator.resolution} pixels "
            f"across; use a model that makes {SMALLEST} or more"
        )


def equivariance(errors: np.ndarray) -> Estimate:
    """The PSNR in dB of all pictures together, at most 150.5, from their `errors` `[n, 2]`: a sum of squared
    differences between values in [-1, 1], and how many there are. The interval is from the jackknife of ten groups."""
    sums = kept_rows(len(errors)) @ errors
    (found,) = jackknife(10 * np.log10(RANGE**2 / np.maximum(sums[:, 0] / sums[:, 1], LEAST)))
    return found


@exact_float32()
def squared_errors(
    generator: Generator,
    names: Sequence[str],
    people: Iterable[tuple[Tensor, Tensor | None, np.ndarray]],
    on_picture: Callable[[], None],
) -> np.ndarray:
    """For each of the metrics `names` and each picture, the sum of squared differences and their number
    `[names, n, 2]`, without truncation.

    `people` are a z `[1, z_dim]`, a class `[1, c_dim]` if the model has classes, and NUMBERS in [-1, 1] for `motions`.
    Raises UsageError as `check` does.
    """
    check(generator)
    errors = []
    with torch.inference_mode():
        for z, c, numbers in people:
            ws = generator.broadcast(generator.to_w(z, c))
            found = motions(numbers, generator.resolution)
            errors.append(_errors(generator, ws, [found[name] for name in names]))
            on_picture()
    return np.array(errors).swapaxes(0, 1)


def motions(numbers: np.ndarray, size: int) -> dict[str, Motion]:
    """The motion for each metric of a picture that is `size` pixels across, from NUMBERS in [-1, 1]."""
    *shifts, turn = numbers.tolist()
    right, down, part_right, part_down = (FARTHEST * size * shift for shift in shifts)
    return {
        "eqt_int": Motion(round(right), round(down)),
        "eqt_frac": Motion(part_right, part_down),
        "eqr": Motion(turn=180 * turn),
    }


def _errors(generator: Generator, ws: Tensor, of: Sequence[Motion]) -> list[tuple[float, int]]:
    """The sum of squared differences for each motion of the picture of `ws` `[1, num_ws, w_dim]`, and their number."""
    original, errors = generator.synthesize(ws), []
    for motion in of:
        right, down = motion.right / generator.resolution, motion.down / generator.resolution
        with generator.moved((right, down), motion.turn):
            drawn = generator.synthesize(ws)
        difference = differences(original, drawn, motion).cpu().double()
        errors.append((difference.square().sum().item(), difference.numel()))
    return errors


def differences(original: Tensor, drawn: Tensor, motion: Motion) -> Tensor:
    """How the moved pictures that were `drawn` differ from those that the `original` ones should have become (both
    `[n, c, size, size]`), wherever these are known: `[n, c, pixels]`."""
    if not motion.turn:
        expected, known = shifted(original, motion.right, motion.down)
        return (drawn - expected)[..., known]
    expected, known = turned(original, motion.turn)
    alike, also_known = as_if_turned(drawn, motion.turn)
    return (alike - expected)[..., known & also_known]


def shifted(images: Tensor, right: float, down: float) -> tuple[Tensor, Tensor]:
    """`images` `[n, c, h, w]`, moved by so many pixels (operator T of appendices E.1 and E.2); and whether each pixel
    `[h, w]` is known: it depends on nothing beyond the pictures."""
    (left, row), (top, column) = _lanczos(right), _lanczos(down)
    padding = (left + len(row) - 1, -left, top + len(column) - 1, -top)
    moved = upfirdn2d(images, torch.outer(column, row).to(images), padding=padding)
    height, width = images.shape[2:]
    known = _known(height, top, len(column))[:, None] & _known(width, left, len(row))
    return moved, known.to(images.device)


def _lanczos(shift: float) -> tuple[int, Tensor]:
    """Weights `[taps]` of the pixels that are `first`, `first + 1`, ... pixels before one in a picture that was
    shifted, and this `first`. A shift by whole pixels needs no filter."""
    if shift == round(shift):
        return round(shift), torch.ones(1)
    first = math.floor(shift) - LOBES + 1
    t = torch.arange(first, first + 2 * LOBES, dtype=torch.float64) - shift
    weights = torch.sinc(t) * torch.sinc(t / LOBES)
    return first, (weights / weights.sum()).float()


def _known(size: int, first: int, taps: int) -> Tensor:
    """Whether each of `size` pixels `[size]` has all those before it that `_lanczos` weighs."""
    nearest = torch.arange(size) - first
    return (nearest < size) & (nearest - taps + 1 >= 0)


def turned(images: Tensor, turn: float) -> tuple[Tensor, Tensor]:
    """`images` `[n, c, size, size]`, turned by so many degrees (operator R of appendix E.3); and whether each pixel
    `[size, size]` is known."""
    size = images.shape[3]
    f = shared_band(turn, FINENESS, images.device)
    reach = len(f) // 2
    padding = (reach, reach - FINENESS + 1) * 2  # from the centre of the first pixel to that of the last
    fine = upfirdn2d(images, f, up=FINENESS, padding=padding)
    last = fine.shape[3] - 1
    pixels = torch.arange(size, device=images.device) - (size - 1) / 2
    y, x = torch.meshgrid(pixels, pixels, indexing="ij")
    sources = FINENESS * torch.stack(_turned(x, y, -turn), dim=2)  # [size, size, 2], in samples from the centre
    grid = (sources * 2 / last).expand(len(images), -1, -1, -1)
    nearest = (sources + last / 2).round()
    # As NVIDIA's code counts: at the beginning one sample fewer is lost than at the end.
    known = ((nearest >= reach - 1) & (nearest <= last - reach)).all(dim=2)
    return F.grid_sample(fine, grid, mode="bilinear", align_corners=True), known


def as_if_turned(images: Tensor, turn: float) -> tuple[Tensor, Tensor]:
    """Turned `images` `[n, c, size, size]` with only the frequencies that `turned` leaves in them (the pseudo-rotation
    R* of appendix E.3); and whether each pixel `[size, size]` is known."""
    size = images.shape[3]
    f = shared_band(-turn, 1, images.device)
    reach = len(f) // 2
    pixels = torch.arange(size, device=images.device)
    inside = (pixels >= reach) & (pixels < size - reach)
    return upfirdn2d(images, f, padding=(reach,) * 4), inside[:, None] & inside


def shared_band(turn: float, fineness: int, device: torch.device) -> Tensor:
    """The filter `[taps, taps]` with `fineness` taps per pixel, for the frequencies that pixels can hold both
    as they are and turned by so many degrees. Every `fineness`th tap along each axis sums to 1.

    Both the sincs and the windows of the two grids are convolved with each other (appendix E.3).
    """
    end = TAIL * fineness - 1
    t = torch.arange(-end, end + 1, device=device) / fineness
    y, x = torch.meshgrid(t, t, indexing="ij")
    grids = (x, y), _turned(x, y, turn)
    ideal = _convolved(*(torch.sinc(x) * torch.sinc(y) for x, y in grids))
    window = _convolved(*(_window(x) * _window(y) for x, y in grids))
    cut = (TAIL - REACH) * fineness
    taps = (ideal * window)[cut:-cut, cut:-cut]
    for row, column in product(range(fineness), repeat=2):
        taps[row::fineness, column::fineness] /= taps[row::fineness, column::fineness].sum()
    return taps


def _turned(x: Tensor, y: Tensor, turn: float) -> tuple[Tensor, Tensor]:
    """Where a turn by so many degrees counter-clockwise takes points to the right of the centre (x), and below (y)."""
    cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    return cos * x + sin * y, cos * y - sin * x


def _window(t: Tensor) -> Tensor:
    """Lanczos's window at `t` pixels from its centre."""
    return torch.sinc(t / LOBES).where(t.abs() < LOBES, 0)


def _convolved(one: Tensor, other: Tensor) -> Tensor:
    """The circular convolution of arrays `[taps, taps]` whose centres are in the middle, as that of the result is."""
    spectrum = torch.fft.rfft2(torch.fft.ifftshift(one)) * torch.fft.rfft2(other)
    return torch.fft.irfft2(spectrum, s=one.shape)
