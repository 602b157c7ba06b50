"""rosinality/stylegan2-pytorch: `.pt` files of StyleGAN2, converted ones (`g_ema`, `latent_avg`) and those of its train.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from stylegan_cli.importers.keymap import KeyMap, To, count, first, flat, plane, resolutions, scalar
from stylegan_cli.importers.stored import RefusedError


def generator_keys(blocks: int, mapping_layers: int) -> KeyMap:
    """For `blocks` resolutions from 4 pixels up. `style.0` has no weights, so theirs count from 1."""
    keys: dict[str, To | None] = {"latent_avg": To("mapping.w_avg", flat), "input.input": To("synthesis.b4.const", first)}
    for i in range(mapping_layers):
        keys |= {f"style.{i + 1}.{end}": To(f"mapping.fc{i}.{end}") for end in ("weight", "bias")}
    for n, r in resolutions(blocks):
        if n == 0:
            keys |= _conv("conv1", "synthesis.b4.conv1", noise=0) | _to_rgb("to_rgb1", "synthesis.b4.torgb")
            continue
        keys |= _conv(f"convs.{2 * n - 2}", f"synthesis.b{r}.conv0", noise=2 * n - 1)
        keys |= _conv(f"convs.{2 * n - 1}", f"synthesis.b{r}.conv1", noise=2 * n)
        keys |= _to_rgb(f"to_rgbs.{n - 1}", f"synthesis.b{r}.torgb")
    return keys


def _conv(theirs: str, ours: str, noise: int) -> KeyMap:
    return {
        f"{theirs}.conv.weight": To(f"{ours}.weight", first),
        f"{theirs}.conv.modulation.weight": To(f"{ours}.affine.weight"),
        f"{theirs}.conv.modulation.bias": To(f"{ours}.affine.bias"),
        f"{theirs}.conv.blur.kernel": None,
        f"{theirs}.noise.weight": To(f"{ours}.noise_strength", scalar),
        f"{theirs}.activate.bias": To(f"{ours}.bias", flat),
        f"noises.noise_{noise}": To(f"{ours}.noise_const", plane),
    }


def _to_rgb(theirs: str, ours: str) -> KeyMap:
    return {
        f"{theirs}.conv.weight": To(f"{ours}.weight", first),
        f"{theirs}.conv.modulation.weight": To(f"{ours}.affine.weight"),
        f"{theirs}.conv.modulation.bias": To(f"{ours}.affine.bias"),
        f"{theirs}.bias": To(f"{ours}.bias", flat),
        f"{theirs}.upsample.kernel": None,
    }


def discriminator_keys(blocks: int) -> KeyMap:
    """Theirs count from the picture down, ours by resolution."""
    top = 4 << (blocks - 1)
    keys: dict[str, To | None] = {
        "convs.0.0.weight": To(f"b{top}.fromrgb.weight"),
        "convs.0.1.bias": To(f"b{top}.fromrgb.bias", flat),
        "final_conv.0.weight": To("b4.conv.weight"),
        "final_conv.1.bias": To("b4.conv.bias", flat),
    }
    for n, r in resolutions(blocks):
        if n > 0:
            theirs, ours = f"convs.{blocks - n}", f"b{r}"
            keys |= {
                f"{theirs}.conv1.0.weight": To(f"{ours}.conv0.weight"),
                f"{theirs}.conv1.1.bias": To(f"{ours}.conv0.bias", flat),
                f"{theirs}.conv2.0.kernel": None,
                f"{theirs}.conv2.1.weight": To(f"{ours}.conv1.weight"),
                f"{theirs}.conv2.2.bias": To(f"{ours}.conv1.bias", flat),
                f"{theirs}.skip.0.kernel": None,
                f"{theirs}.skip.1.weight": To(f"{ours}.skip.weight"),
            }
    for theirs, ours in {"final_linear.0": "b4.fc", "final_linear.1": "b4.out"}.items():
        keys |= {f"{theirs}.{end}": To(f"{ours}.{end}") for end in ("weight", "bias")}
    return keys
