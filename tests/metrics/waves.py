"""A generator that knows what moving means."""

from types import SimpleNamespace

import torch

from stylegan_cli.generator import Generator, Layer

# Cycles per picture width, to the right and down.
FREQUENCIES = torch.tensor([[2.0, 1.0], [-1.0, 3.0], [0.0, -4.0], [3.0, 2.0]])


class Waves(Generator):
    """Waves on a plane, whose phases are `w`. What it is asked for times `follows` is how the plane moves: 1 is exactly
    right, at 0 nothing moves."""

    family = "waves"
    layers = (Layer(0, 32, 4),)
    has_noise = False

    def __init__(self, follows=1.0, resolution=32):
        super().__init__(SimpleNamespace(resolution=resolution, z_dim=4, w_dim=4))
        self.register_buffer("w_avg", torch.zeros(4))
        self.follows = follows
        self.set_transform()

    def to_w(self, z, c=None):
        return z

    def set_transform(self, translate=(0.0, 0.0), rotate=0.0):
        self.shift = torch.tensor(translate, dtype=torch.float64) * self.follows
        self.angle = torch.deg2rad(torch.tensor(rotate, dtype=torch.float64)) * self.follows

    def draw(self, ws, noise):
        pixels = (torch.arange(self.resolution, dtype=torch.float64) + 0.5) / self.resolution - 0.5
        y, x = torch.meshgrid(pixels - self.shift[1], pixels - self.shift[0], indexing="ij")
        cos, sin = self.angle.cos(), self.angle.sin()  # counter-clockwise, while y points down
        plane = torch.stack([cos * x - sin * y, sin * x + cos * y], dim=2)
        waves = torch.sin(2 * torch.pi * (plane @ FREQUENCIES.T.double()) + ws[0, 0])
        return (waves.mean(dim=2) * torch.ones(1, 3, 1, 1)).float()

    def stage(self, resolution):
        raise NotImplementedError

    def resolution_of(self, tensor):
        return None

    def style_weights(self):
        return [torch.zeros(0, 4)]
