"""Checkpoints as pSp, e4e and ReStyle write them: small, with numbers that their names determine."""

import json
import math
import zlib
from dataclasses import asdict

import numpy as np
import torch
from originals import GOLDEN
from small_families import make

from stylegan_cli.importers import Network, rosinality

# Names and shapes in the original classes, with 16 feature maps in place of 64, 8 layers and 3 input channels.
NAMES = json.loads((GOLDEN / "psp_names.json").read_text())
W_DIM, LAYERS = 128, 8


def photo():
    """A smooth picture `[1, 3, 512, 512]`."""
    coarse = torch.from_numpy(np.random.RandomState(0).rand(1, 3, 9, 9)).float() * 2 - 1
    return torch.nn.functional.interpolate(coarse, (512, 512), mode="bicubic").clamp(-1, 1)


def checkpoint(kind, seen=3, **options):
    """What torch.save is given: an encoder of this type that sees so many channels, and the generator."""
    names = NAMES["resnet34" if kind.startswith("ResNet") else "irse50"]
    names = {name: shape for name, shape in names.items() if "Backbone" not in kind or not name.startswith("latlayer")}
    if "Backbone" in kind:  # all heads are like the first
        names = {name: shape for name, shape in names.items() if not name.startswith("styles.")} | {
            name.replace("styles.0", f"styles.{row}"): shape
            for row in range(LAYERS) for name, shape in names.items() if name.startswith("styles.0.")
        }  # fmt: skip
    generator = make("stylegan2", resolution=32, channel_max=16, z_dim=W_DIM, w_dim=W_DIM)
    exported = rosinality.export(Network("stylegan2", asdict(generator.config), generator.state_dict()))
    decoder = {n: x if n.endswith("kernel") else number(n, x.shape) for n, x in exported["g_ema"].items()}
    encoder = {name: number(name, shape) for name, shape in names.items()}
    stem = "conv1.weight" if "conv1.weight" in encoder else "input_layer.0.weight"
    width, _, *kernel = encoder[stem].shape
    encoder[stem] = number(stem, (width, seen, *kernel))
    return {
        "state_dict": {f"encoder.{n}": x for n, x in encoder.items()} | {f"decoder.{n}": x for n, x in decoder.items()},
        "latent_avg": number("latent_avg", (W_DIM,)).repeat(LAYERS, 1),
        "opts": {"encoder_type": kind, "device": "cuda:0", "exp_dir": "out"} | options,
    }


def number(name, shape):
    """A tensor, drawn as its name says, and such that a network of them neither explodes nor dies out."""
    random = np.random.RandomState(zlib.crc32(name.encode()))
    if name.endswith("num_batches_tracked"):
        return torch.tensor(7)
    if name.endswith("running_var") or (name.endswith("weight") and len(shape) == 1):
        x = 0.5 + random.rand(*shape) / 2
    elif len(shape) >= 4:
        x = random.randn(*shape) * (1.4 / math.prod(shape[-3:])) ** 0.5
    else:
        x = random.randn(*shape) * (0.01 if name.endswith("linear.weight") else 0.1)
    return torch.tensor(x, dtype=torch.float32)
