"""Edit faces in StyleGAN's latent space."""

__version__ = "0.1.0"
