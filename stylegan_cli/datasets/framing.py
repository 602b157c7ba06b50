"""Crops, pads and scales pictures of any shape for a data set.

Names are those of NVIDIA's dataset_tool. Its `center-crop-wide` gives other pixels: it keeps `width * h / w` of a
picture's `h` rows and stretches them to `height`, whereas ours preserves proportions.
"""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image, ImageOps

from stylegan_cli.errors import StyleganError, UsageError
from stylegan_cli.media.decoding import UnusableError

FILTERS = {name: Image.Resampling[name.upper()] for name in ("lanczos", "box", "bicubic", "bilinear", "hamming")}
TRANSFORMS = ("center-crop", "center-crop-wide", "pad", "stretch", "none")
BARS = "black"
MAX_EDGE = 8192


def check_filter(name: str) -> None:
    """Raises UsageError if there is no such resize filter."""
    if name not in FILTERS:
        raise UsageError(f"there is no resize filter {name!r}; use {', '.join(FILTERS)}")


@dataclass(frozen=True)
class Framing:
    """To `width` x `height` pixels.

    `center-crop` keeps the largest part of that shape, `center-crop-wide` also puts black bars above and below it to
    make it square, `pad` keeps everything between black bars, `stretch` ignores the shape, and `none` requires pictures
    of that shape. Pictures are enlarged only with `upscale`. The filters are antialiased, as Pillow's are.
    """

    width: int
    height: int
    transform: str = "center-crop"
    filter: str = "lanczos"
    upscale: bool = False

    def __post_init__(self) -> None:
        if self.transform not in TRANSFORMS:
            raise UsageError(f"there is no transform {self.transform!r}; use {', '.join(TRANSFORMS)}")
        check_filter(self.filter)
        size = f"{self.width}x{self.height}"
        if not (0 < self.width <= MAX_EDGE and 0 < self.height <= MAX_EDGE):
            raise UsageError(f"pictures of {size} pixels cannot be made; sizes are from 1 to {MAX_EDGE}")
        if self.transform == "center-crop-wide" and self.height >= self.width:
            raise UsageError(f"center-crop-wide makes wide pictures, but {size} is not wide; use --size 512x384")
        if self.transform != "center-crop-wide" and self.height != self.width:
            raise UsageError(f"models make square pictures, but {size} is not square; only center-crop-wide pads it")

    def __call__(self, image: Image.Image) -> Image.Image:
        """The picture, framed; raises `UnusableError`."""
        size = (self.width, self.height)
        shape = self._shape(image)
        # Padding shrinks the longer edge to fit, the other transforms the shorter one.
        decisive = max if self.transform == "pad" else min
        if not self.upscale and decisive(shape[0] / self.width, shape[1] / self.height) < 1:
            raise UnusableError(
                f"is {image.width} x {image.height} and would have to be enlarged; use --upscale to allow that"
            )
        filter = FILTERS[self.filter]
        if self.transform == "pad":
            return ImageOps.pad(image, size, filter, BARS)
        left, top = (image.width - shape[0]) // 2, (image.height - shape[1]) // 2
        framed = image.crop((left, top, left + shape[0], top + shape[1])).resize(size, filter)
        if self.transform != "center-crop-wide":
            return framed
        square = Image.new("RGB", (self.width, self.width), BARS)
        square.paste(framed, (0, (self.width - self.height) // 2))
        return square

    def _shape(self, image: Image.Image) -> tuple[int, int]:
        """How much of the picture is kept, in its own pixels."""
        width, height = image.size
        if self.transform in ("stretch", "pad"):
            return width, height
        if self.transform == "none":
            if width * self.height != height * self.width:
                raise UnusableError(f"is {width} x {height}, which is not square; use a transform like center-crop")
            return width, height
        wanted = self.width / self.height
        return min(width, max(round(height * wanted), 1)), min(height, max(round(width / wanted), 1))


@dataclass(frozen=True)
class Alike:
    """For pictures that are all squares of `width` pixels already, so that --size need not be given."""

    width: int

    @staticmethod
    def to(first: Image.Image) -> Alike:
        """For a data set that begins with this picture. Raises UsageError if models cannot have its size."""
        width, height = first.size
        if width != height or width & (width - 1) or width < 4:
            raise UsageError(
                f"the first picture is {width} x {height}, but sizes of models are powers of two; give --size"
            )
        return Alike(width)

    def __call__(self, image: Image.Image) -> Image.Image:
        if image.size != (self.width, self.width):
            raise StyleganError(
                f"is {image.width} x {image.height}, but the first picture is {self.width} x {self.width}; give "
                "--size, or remove it"
            )
        return image
