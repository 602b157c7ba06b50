"""The features by which pictures are compared, as vectors, and the names of distances between them.

Distances of EfficientNet-Lite0's features are not FID, and are not called that; those of Inception's are.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from itertools import islice

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from stylegan_cli.assets import Asset
from stylegan_cli.errors import UsageError
from stylegan_cli.hardware import exact_float32
from stylegan_cli.metrics import inception
from stylegan_cli.metrics.inception import INCEPTION
from stylegan_cli.scorers import perceptual
from stylegan_cli.scorers.perceptual import EFFICIENTNET

BATCH = 16


class Features(ABC):
    """From pictures `[n, 3, size, size]` uint8 to vectors `[n, d]`, with `weights` that may have to be fetched first.
    `titles` are those of the distances between them; `by_all` says whether a model is usually compared with all
    pictures of a data set, however few the model draws."""

    name: str
    weights: Asset
    titles: dict[str, str]
    by_all = False

    @abstractmethod
    def size(self, pixels: int) -> int:
        """The size in pixels to which pictures of `pixels` must be scaled first."""

    @abstractmethod
    def __call__(self, images: Tensor) -> Tensor: ...


class EfficientNetFeatures(Features):
    """The 1280 averages that EfficientNet-Lite0's classifier uses. Pictures of 224 pixels and more are scaled to 224,
    at which the network was trained, all others to 128, which takes a third of the time."""

    name = "EfficientNet-Lite0"
    weights = EFFICIENTNET
    titles = {"fd": f"FD-{name}", "kd": f"KD-{name}"}  # noqa: RUF012

    def __init__(self, device: torch.device) -> None:
        self.network = perceptual.network(device)
        self._device = device

    def size(self, pixels: int) -> int:
        return 224 if pixels >= 224 else 128

    def __call__(self, images: Tensor) -> Tensor:
        scaled = (images.to(self._device).float() - 127.5) / 127.5
        return self.network.pooled(scaled.contiguous(memory_format=torch.channels_last))


class InceptionFeatures(Features):
    """The 2048 averages of the Inception network that defines FID; it scales pictures itself, as TensorFlow 1 did."""

    name = "Inception"
    weights = INCEPTION
    by_all = True
    titles = {"fd": "FID", "kd": "KID"}  # noqa: RUF012

    def __init__(self, device: torch.device) -> None:
        self._network, self._device = inception.network(device), device

    def size(self, pixels: int) -> int:
        return pixels

    def __call__(self, images: Tensor) -> Tensor:
        return self._network(images.to(self._device))


Known = type[EfficientNetFeatures | InceptionFeatures]
FEATURES: dict[str, Known] = {"efficientnet": EfficientNetFeatures, "inception": InceptionFeatures}


def named(name: str) -> Known:
    """The features called `name`, to be made for a device; raises UsageError if there are none."""
    if name not in FEATURES:
        raise UsageError(f"there are no features {name!r}; use {' or '.join(FEATURES)}")
    return FEATURES[name]


@exact_float32()
def describe(
    pictures: Iterable[Image.Image], features: Features, filter: Image.Resampling, on_picture: Callable[[], None]
) -> np.ndarray:
    """The features `[n, d]`, float32, of pictures of equal size, with one batch of them in memory. If a generator draws
    the pictures meanwhile, it also computes in exact float32."""
    vectors, remaining = [], iter(pictures)
    with torch.inference_mode():
        while batch := list(islice(remaining, BATCH)):
            size = features.size(batch[0].width)
            pixels = np.stack([np.asarray(image.resize((size, size), filter)) for image in batch])
            vectors.append(features(torch.from_numpy(pixels).permute(0, 3, 1, 2)).cpu().numpy())
            for _ in batch:
                on_picture()
    return np.concatenate(vectors)
