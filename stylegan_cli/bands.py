"""Bands: the three named sets of layers, by the resolution that a layer works at (StyleGAN, section 3.1)."""

from __future__ import annotations

BANDS = ("coarse", "middle", "fine")


def band_of(resolution: int) -> str:
    """The band of a layer: coarse up to 8 pixels, middle up to 32, fine above."""
    if resolution <= 8:
        return "coarse"
    return "middle" if resolution <= 32 else "fine"
