"""The encoder: from a picture of an aligned face to the `w` that makes it, in one forward pass. Projection starts here.

EfficientNet-Lite0's last two levels, a small head, one `w` for all layers. Per-layer latents are left to the
optimisation that follows: a start inside W stays editable (Tov et al. 2021, "Designing an Encoder for StyleGAN Image
Manipulation", section 3).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylegan_cli import tensorfile
from stylegan_cli.errors import MALFORMED, StyleganError
from stylegan_cli.files import replacing
from stylegan_cli.generator import Generator, Origin
from stylegan_cli.scorers.perceptual import EfficientNetLite0, shrink

MAX_SIZE = 1 << 16  # upper limit for every network size that a file declares


@dataclass(frozen=True)
class Config:
    """The network's sizes; `size` is the edge of its input pictures, in pixels."""

    w_dim: int = 512
    size: int = 128
    deep: int = 256
    shallow: int = 128
    hidden: int = 768


class Encoder(nn.Module):
    """From pictures to `w`. `w_avg` and `scale` (a typical distance from it) turn the head's output into `w`.

    Its trunk is pretrained. On `meta` it is not, and the network takes no memory, whatever its sizes: fill it with
    `load_state_dict(..., assign=True)`.
    """

    w_avg: Tensor
    scale: Tensor

    def __init__(self, config: Config, device: str = "cpu") -> None:
        super().__init__()
        self.config = config
        self.origin = Origin()
        places = (config.size // 32) ** 2
        with torch.device(device):
            self.trunk = EfficientNetLite0(pretrained=device != "meta")
            self.deep = nn.Conv2d(320, config.deep, 1)
            self.shallow = nn.Conv2d(112, config.shallow, 3, stride=2, padding=1)
            self.hidden = nn.Linear(places * (config.deep + config.shallow), config.hidden)
            self.out = nn.Linear(config.hidden, config.w_dim)
            self.register_buffer("w_avg", torch.zeros(config.w_dim))
            self.register_buffer("scale", torch.ones(()))

    def forward(self, images: Tensor) -> Tensor:
        """`images` `[n, 3, h, w]` in [-1, 1], aligned faces, to `w` `[n, w_dim]`."""
        *_, shallow, deep = self.trunk(shrink(images, self.config.size))
        x = torch.cat([self.deep(deep), self.shallow(shallow)], dim=1)
        x = F.leaky_relu(self.hidden(F.leaky_relu(x, 0.2).flatten(1)), 0.2)
        return self.w_avg + self.scale * self.out(x)


def save(encoder: Encoder, path: Path, notes: dict[str, object]) -> None:
    """Writes the encoder in half precision, with its sizes and the model that it was trained for. Raises StyleganError
    if its numbers are not finite there."""
    tensors = {name: tensor.detach().half().contiguous() for name, tensor in encoder.state_dict().items()}
    if not _are_finite(tensors):
        raise StyleganError(f"the encoder's numbers are not finite, so {path} is not written; use a smaller --lr")
    about = {"encoder": asdict(encoder.config), "model": encoder.origin.to_plain(), "notes": notes}
    metadata = {key: json.dumps(value) for key, value in about.items()}
    with replacing(path) as part:
        tensorfile.save(tensors, part, metadata)


def model_of(path: Path) -> Origin | None:
    """The model that the encoder in a file was trained for; None if there is no encoder, or it does not say."""
    try:
        return Origin.from_plain(json.loads(tensorfile.read_metadata(path)["model"]))
    except (OSError, *MALFORMED):
        return None


def load(path: Path, generator: Generator) -> Encoder:
    """The encoder in a file, for a generator in which a `w` means the same as in the one that it was trained for
    (`store.encoder` finds it). Raises `StyleganError` if it is damaged, or its `w` has another size."""
    try:
        about, halves = tensorfile.read(path)
        config = Config(**json.loads(about["encoder"]))
        origin = Origin.from_plain(json.loads(about["model"]))
        tensors = {name: tensor.float() for name, tensor in halves.items()}
        encoder = Encoder(_checked(config), "meta")
        if _shapes(tensors) != _shapes(encoder.state_dict()):
            raise ValueError("its tensors do not have the sizes that it declares")
        if not _are_finite(tensors):
            raise ValueError("it holds numbers that are not finite")
    except (RuntimeError, *MALFORMED) as error:
        raise StyleganError(f"{path} is not an encoder of this tool ({error}); train one with train-encoder") from None
    if config.w_dim != generator.w_dim:
        raise StyleganError(
            f"{path} was trained for the model {origin.name}, with a w of {config.w_dim} numbers, but that of "
            f"{generator.origin.name} has {generator.w_dim}; move it away, or train one for that with train-encoder"
        )
    encoder.load_state_dict(tensors, assign=True)
    encoder.origin = origin
    return encoder.eval().requires_grad_(False)


def _checked(config: Config) -> Config:
    """The config, after checking that its sizes are possible."""
    if any(type(n) is not int or not 0 < n <= MAX_SIZE for n in asdict(config).values()) or config.size % 32:
        raise ValueError("its sizes are impossible")
    return config


def _are_finite(tensors: Mapping[str, Tensor]) -> bool:
    return all(bool(tensor.isfinite().all()) for tensor in tensors.values())


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in tensors.items()}
