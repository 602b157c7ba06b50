"""The perceptual distance: what it must order, and that folding batch norms changes nothing."""

import pytest
import torch
import torch.nn.functional as F
from efficientnet_lite_pytorch import EfficientNet

from stylegan_cli.scorers import perceptual


@pytest.fixture(scope="module")
def network():
    return perceptual.network(torch.device("cpu"))


@pytest.fixture(scope="module")
def picture():
    """Blobs at several scales."""
    randomness = torch.Generator().manual_seed(0)
    layers = [F.interpolate(torch.randn(1, 3, n, n, generator=randomness), 256, mode="bicubic") for n in (4, 16, 64)]
    return (sum(layers) / 3).clamp(-1, 1)


def distance(network, a, b):
    return perceptual.distance(perceptual.levels(network, a), perceptual.levels(network, b)).item()


def test_it_is_a_distance(network, picture):
    other = picture.flip(3)
    assert distance(network, picture, picture) == 0
    assert distance(network, picture, other) == pytest.approx(distance(network, other, picture))
    assert distance(network, picture, other) > 1


def test_its_numbers_stay_what_they_were(network):
    """Words for likenesses and limits of searches were chosen by them."""
    x, tint = torch.linspace(-1, 1, 256), torch.tensor([0.9, 0.6, -0.5])[:, None, None]
    one, other = (((a * x).sin() * (b * x[:, None]).cos() * tint)[None] for a, b in ((9, 14), (5, 23)))
    assert distance(network, one, other) == pytest.approx(5.754, rel=0.01)


def test_more_blur_is_more_distant(network, picture):
    blurred = [F.interpolate(F.avg_pool2d(picture, n), 256, mode="bilinear") for n in (2, 4, 8, 16)]
    distances = [distance(network, picture, one) for one in blurred]
    assert distances == sorted(distances)
    assert distances[0] > 0.1


def test_one_number_a_picture_whatever_the_batch(network, picture):
    both = torch.cat([picture, picture.flip(2)])
    together = perceptual.distance(perceptual.levels(network, both), perceptual.levels(network, picture))
    assert together.shape == (2,)
    assert together[0].item() == pytest.approx(0, abs=1e-4)


def test_levels_halve(network, picture):
    assert [tuple(level.shape[1:]) for level in network(picture)] == [
        (16, 128, 128), (24, 64, 64), (40, 32, 32), (112, 16, 16), (320, 8, 8)
    ]  # fmt: skip


def test_another_device_has_a_network_of_its_own(network):
    """The photo of a projection and a generator that is judged may be on different ones."""
    elsewhere = perceptual.network(torch.device("meta"))
    assert {parameter.device.type for parameter in elsewhere.parameters()} == {"meta"}
    assert {parameter.device.type for parameter in network.parameters()} == {"cpu"}
    assert perceptual.network(torch.device("cpu")) is network


def test_folding_changes_nothing(network, picture):
    plain = EfficientNet.from_name("efficientnet-lite0").eval()
    with perceptual.EFFICIENTNET.opened() as path:
        plain.load_state_dict(torch.load(path, weights_only=True))
    with torch.inference_mode():
        pixels = picture * 127.5 + 127.5  # 0..255
        expected = plain.extract_features((pixels - 127) / 128).mean(dim=(2, 3))
        assert torch.allclose(network.pooled(picture), expected, atol=1e-4)


@pytest.mark.parametrize("size", [64, 200, 512])
def test_any_size_is_compared_at_256(network, picture, size):
    scaled = F.interpolate(picture, size, mode="bicubic", antialias=True)
    assert perceptual.shrink(scaled).shape[-1] == 256
    assert distance(network, picture, scaled) < 2


def test_who_asks_first_does_not_take_gradients_from_others():
    perceptual.network.cache_clear()
    with torch.inference_mode():
        perceptual.network(torch.device("cpu"))
    image = torch.zeros(1, 3, 256, 256, requires_grad=True)
    perceptual.network(torch.device("cpu"))(image)[0].sum().backward()
    assert image.grad is not None
