"""The schedule of training: values that depend on the resolution, and progressive growing (ProGAN,
arXiv:1710.10196)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from stylegan_cli.errors import UsageError
from stylegan_cli.ops.layers import double


@dataclass(frozen=True)
class ByResolution:
    """A number for every resolution: the one given for the largest resolution that is not larger, or else for the
    smallest."""

    values: tuple[tuple[int, float], ...]

    @staticmethod
    def parse(text: str | float) -> ByResolution:
        """`32`, or `8:64,32:32`: 64 at 8 and 16 pixels, 32 from 32 pixels on. Raises `UsageError` for other text."""
        try:
            pairs = [part.rpartition(":")[::2] for part in str(text).split(",")]
            values = sorted((int(resolution or 4), float(value)) for resolution, value in pairs)
        except ValueError:
            raise UsageError(f"{text!r} is neither a number nor numbers by resolution, like 8:64,32:32") from None
        if not all(0 <= value < math.inf for _, value in values):
            raise UsageError(f"{text!r} contains a number that is less than 0 or not finite")
        if len({resolution for resolution, _ in values}) < len(values) or values[0][0] < 1:
            raise UsageError(f"{text!r} does not name each resolution once, in pixels, like 8:64,32:32")
        return ByResolution(tuple(values) if len(values) > 1 else ((4, values[0][1]),))

    def at(self, resolution: int) -> float:
        """The value at a resolution: that of the nearest named one below it, or else of the lowest."""
        named = [value for key, value in self.values if key <= resolution]
        return named[-1] if named else self.values[0][1]

    def __str__(self) -> str:
        if len(self.values) == 1:
            return f"{self.values[0][1]:g}"
        return ",".join(f"{resolution}:{value:g}" for resolution, value in self.values)


@dataclass(frozen=True)
class Growth:
    """From `first` to `last` pixels: `stable` kimg at each resolution, then `fade` kimg in which the next one is faded
    in (`fade` is looked up for the next one). Nothing grows if `first` is `last`."""

    first: int
    last: int
    stable: ByResolution
    fade: ByResolution

    def lod(self, kimg: float) -> float:
        """How many doublings are missing after `kimg`; the fraction is that of the resolution being faded in."""
        resolution = self.first
        while resolution < self.last:
            missing = math.log2(self.last / resolution)
            kimg -= self.stable.at(resolution)
            if kimg <= 0:
                return missing
            resolution *= 2
            span = self.fade.at(resolution)
            if kimg < span:
                return missing - kimg / span
            kimg -= span
        return 0.0

    def resolution(self, lod: float) -> int:
        """The newest resolution in use, in pixels."""
        return self.last >> int(lod)

    @property
    def kimg(self) -> float:
        """When everything has grown."""
        grown = self.resolutions[1:]
        return sum(self.stable.at(resolution // 2) + self.fade.at(resolution) for resolution in grown)

    @property
    def resolutions(self) -> tuple[int, ...]:
        return tuple(self.first << i for i in range(int(math.log2(self.last / self.first)) + 1))


def faded(images: Tensor, lod: float) -> Tensor:
    """Real pictures `[n, 3, r, r]` with only as much detail as a generator at `lod` can make, at the same size."""
    missing, fade = int(lod), lod - int(lod)
    for _ in range(missing):
        images = F.avg_pool2d(images, 2)
    if fade:
        images = images.lerp(double(F.avg_pool2d(images, 2)), fade)
    for _ in range(missing):
        images = double(images)
    return images
