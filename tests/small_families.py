"""Small random networks of NVIDIA's families and lucidrains', 64 pixels wide."""

import torch

from stylegan_cli import architectures

CONFIGS = {
    "stylegan1": {"resolution": 64, "fmap_base": 256, "fmap_max": 8, "z_dim": 8, "w_dim": 8, "mapping_layers": 2},
    "stylegan2": {"resolution": 64, "channel_base": 512, "channel_max": 8, "z_dim": 8, "w_dim": 8, "mapping_layers": 2},
    "stylegan3": {"resolution": 64, "channel_base": 512, "channel_max": 8, "z_dim": 8, "w_dim": 8},
    "lucidrains": {"resolution": 64, "channel_base": 512, "channel_max": 8, "w_dim": 8, "mapping_layers": 2},
}


def make(family, seed=0, **options):
    """Draws its numbers without touching those of the caller."""
    with torch.random.fork_rng(devices=()):
        torch.default_generator.manual_seed(seed)
        generator = architectures.build(family, CONFIGS[family] | options, "cpu").requires_grad_(False)
        if family == "lucidrains":  # which is never trained, and begins with people who are hardly different
            for tensor in generator.mapping.parameters():
                tensor.normal_()
        return generator
