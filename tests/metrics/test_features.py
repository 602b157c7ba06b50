"""Features of pictures."""

import numpy as np
import pytest
import torch
from drawings import drawing
from PIL import Image

from stylegan_cli.errors import UsageError
from stylegan_cli.metrics import inception
from stylegan_cli.metrics.features import BATCH, EfficientNetFeatures, describe, named
from stylegan_cli.scorers import perceptual

CPU = torch.device("cpu")
LANCZOS = Image.Resampling.LANCZOS


def test_vectors_are_the_networks_pooled_ones():
    image = drawing(0, size=128)
    (found,) = describe([image], EfficientNetFeatures(CPU), LANCZOS, lambda: None)
    pixels = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)[None].float()
    with torch.inference_mode():
        (expected,) = perceptual.network(CPU).pooled(pixels / 127.5 - 1)
    assert found.shape == (1280,)
    assert found == pytest.approx(expected.numpy(), abs=1e-4)


def test_batches_change_nothing_and_every_picture_counts():
    seen = []
    images = [drawing(i) for i in range(BATCH + 3)]
    found = describe(iter(images), EfficientNetFeatures(CPU), LANCZOS, lambda: seen.append(1))
    (alone,) = describe(images[-1:], EfficientNetFeatures(CPU), LANCZOS, lambda: None)
    assert (len(found), len(seen)) == (BATCH + 3, BATCH + 3)
    assert found[-1] == pytest.approx(alone, abs=1e-4)


@pytest.mark.parametrize(("pixels", "size"), [(16, 128), (128, 128), (223, 128), (224, 224), (1024, 224)])
def test_sizes(pixels, size):
    assert EfficientNetFeatures(CPU).size(pixels) == size


def test_nobody_takes_it_for_fid():
    assert EfficientNetFeatures.titles == {"fd": "FD-EfficientNet-Lite0", "kd": "KD-EfficientNet-Lite0"}


def test_unknown_features():
    with pytest.raises(UsageError, match="no features 'vgg'; use efficientnet or inception"):
        named("vgg")


def test_inceptions_distances_are_fid():
    features = named("inception")(CPU)
    image = drawing(0, size=32)
    (found,) = describe([image], features, LANCZOS, lambda: None)
    with torch.inference_mode():
        (expected,) = inception.network(CPU)(torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)[None])
    assert found == pytest.approx(expected.numpy(), abs=1e-4)
    assert features.titles == {"fd": "FID", "kd": "KID"}
