"""What small networks that look at faces are made of, and where their weights are: in the default model's folder, since
its faces taught them."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from safetensors.torch import load_file
from torch import Tensor, nn

from stylegan_cli import store

Network = TypeVar("Network", bound=nn.Module)


def weights(name: str) -> Path:
    """The file of the network that is called `adjuster` or `clothes`."""
    return store.bundled_folder() / store.DEFAULT / f"{name}{store.NATIVE}"


def loaded(network: Network, name: str) -> Network:
    """A network with its weights, ready to be used."""
    network.load_state_dict(load_file(weights(name)))
    return network.eval().requires_grad_(False)


class Residual(nn.Module):
    """Two convolutions, added to their input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(convolution(channels, channels), convolution(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def convolution(channels: int, out: int, stride: int = 1) -> nn.Sequential:
    """A 3x3 convolution, batch norm and leaky ReLU."""
    convolution = nn.Conv2d(channels, out, 3, stride, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(out), nn.LeakyReLU(0.1))


def normalised(x: Tensor) -> Tensor:
    """Each picture of `x` `[n, 3, h, w]` with the same brightness and contrast."""
    x = x - x.mean(dim=(1, 2, 3), keepdim=True)
    return x / (x.std(dim=(1, 2, 3), keepdim=True) + 0.05)
