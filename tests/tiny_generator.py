"""A tiny generator: every command and most of the core can be tested on it."""

from dataclasses import replace

import torch

from stylegan_cli.architectures.mobilestylegan import Config, MobileStyleGAN
from stylegan_cli.generator import Origin

# 4 to 64 pixels: layers in all three bands.
TINY = Config(channels=(16, 16, 16, 16, 16), z_dim=16, w_dim=16, mapping_layers=2)


def make_tiny(seed=0, doublings=5):
    """A MobileStyleGAN for pictures of 128 pixels, or of more, of random weights, none of them zero."""
    generator = MobileStyleGAN(replace(TINY, channels=TINY.channels[:1] * doublings))
    randomness = torch.Generator().manual_seed(seed)
    for tensor in generator.state_dict().values():
        tensor.copy_(torch.randn(tensor.shape, generator=randomness) * 0.5)
    generator.origin = Origin("tiny", "0" * 64)
    return generator.prepare(torch.device("cpu"), torch.float32)
