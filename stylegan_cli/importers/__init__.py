"""Reads model files of other projects, without running anything in them, as networks of our architectures."""

from stylegan_cli.importers.checkpoint import Checkpoint, Network, generator
from stylegan_cli.importers.detect import LATENT_KEYS, read, read_directions, read_tensor

__all__ = ["LATENT_KEYS", "Checkpoint", "Network", "generator", "read", "read_directions", "read_tensor"]
