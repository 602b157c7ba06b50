"""rosinality/stylegan2-pytorch: StyleGAN2 in `.pt` files, converted (`g_ema`, `latent_avg`) or written by its
train.py."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stylegan_cli.architectures.stylegan2 import Config
from stylegan_cli.errors import StyleganError
from stylegan_cli.files import write_bytes
from stylegan_cli.generator import Generator
from stylegan_cli.importers import configs, invented
from stylegan_cli.importers.checkpoint import Draft, Drafts, Network
from stylegan_cli.importers.keymap import (
    KeyMap,
    To,
    as_is,
    both,
    count,
    first,
    flat,
    plane,
    rename,
    resolutions,
    scalar,
)
from stylegan_cli.importers.stored import is_name
from stylegan_cli.tuning import BUILT_IN, built_in


def rgb_bias(x: Tensor) -> Tensor:
    """`[1, 3, 1, 1]` to `[3]`."""
    return x.flatten()


PARALLEL = "module."
STYLE_BASED = (
    "it is from rosinality's style-based-gan-pytorch, whose networks differ from NVIDIA's: they add biases before they "
    "blur, and normalise with another epsilon"
)
# The inverses of the key map's steps.
BACK: dict[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]] = {
    as_is: as_is,
    flat: as_is,
    first: lambda x: x[None],
    plane: lambda x: x[None, None],
    scalar: lambda x: x.reshape(1),
    rgb_bias: lambda x: x[None, :, None, None],
}


def read(tree: Mapping[str, Any]) -> Drafts:
    """A whole checkpoint, or only the state dict of a generator, on its own or under `g`."""
    mean = {"latent_avg": tree["latent_avg"]} if "latent_avg" in tree else {}
    return Drafts(
        "rosinality StyleGAN2 checkpoint",
        _generator(tree.get("g_ema", tree.get("g", tree)), mean),
        partial(_discriminator, tree["d"]) if "d" in tree else None,
        (lambda: _generator(tree["g"], mean)) if tree.keys() >= {"g", "g_ema"} else None,
        ({} if mean else invented.NOTES) | _kept(tree),
    )


def _kept(notes: Mapping[str, Any]) -> dict[str, Any]:
    """What a model's `notes`, or its file, tell of its licence and of the tunings that it was made with."""
    known = [digest for digest in built_in(notes) if is_name(digest)]
    licence = notes.get("licence")
    return ({BUILT_IN: known} if known else {}) | ({"licence": licence} if isinstance(licence, str) else {})


def is_generator(tree: Any) -> bool:
    """Whether this is the state dict of a generator."""
    return isinstance(tree, dict) and "conv1.conv.modulation.weight" in tree


def is_style_based(tree: Mapping[str, Any]) -> bool:
    """Whether this is a generator of its older style-based-gan-pytorch, or a checkpoint of that one's training."""
    states = (tree, tree.get("g_running"), tree.get("generator"))
    return any(isinstance(state, dict) and "generator.progression.0.conv1.input" in state for state in states)


def _generator(state: Mapping[str, Any], mean: Mapping[str, Any]) -> Draft:
    found = {**unwrapped(state), **mean}
    blocks = 1 + count(found, "to_rgbs.{}.bias")
    pending = rename(found, generator_keys(blocks, count(found, "style.{}.weight", start=1)))
    draft = configs.stylegan2_generator(pending, **_filter(found))
    size = Config(start=draft.config["start"]).size
    for n, r in resolutions(blocks):
        for i, conv in ((2 * n - 1, "conv0"), (2 * n, "conv1")):
            if n or i == 0:
                made = invented.noise(size(r), np.random.RandomState(i).randn)
                pending.setdefault(f"synthesis.b{r}.{conv}.noise_const", made)
    pending.setdefault("mapping.w_avg", invented.w_avg(draft, "mapping.w_avg"))
    return draft


def _discriminator(state: Mapping[str, Any]) -> Draft:
    found = unwrapped(state)
    blocks = 1 + count(found, "convs.{}.skip.1.weight", start=1)
    return configs.stylegan2_discriminator(rename(found, discriminator_keys(blocks)), **_filter(found))


def unwrapped(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """A state dict without what DataParallel puts before all its names."""
    is_wrapped = all(str(name).startswith(PARALLEL) for name in state)
    return {name.removeprefix(PARALLEL): value for name, value in state.items()} if is_wrapped else state


def _filter(found: Mapping[str, Any]) -> dict[str, Any]:
    return configs.resample_filter(kernel for name, kernel in found.items() if name.endswith(".kernel"))


def save(generator: Generator, path: Path) -> None:
    """Writes a StyleGAN2 generator as a `.pt` file for rosinality's code and projects built on it. Those have no
    `conv_clamp`: values of feature maps beyond it, which are rare, are not clamped there. Its licence is noted, and the
    tunings that it was made with, for this tool, which would add them once more; the others do not look at notes."""
    network = Network(generator.family, asdict(generator.config), generator.state_dict())
    # In a file that torch opens it stores the file's name, here a temporary one, and it reports a full disk in riddles.
    content = io.BytesIO()
    torch.save(export(network) | _kept(generator.origin.notes), content)
    write_bytes(path, content.getbuffer())


def export(network: Network) -> dict[str, Any]:
    """The contents of such a file: `g_ema`, a state dict, and `latent_avg`. Raises StyleganError if the network does
    not fit the layout."""
    if network.family != "stylegan2" or not _fits(config := Config(**network.config)):
        raise StyleganError(
            f"this {network.family} model cannot be written in rosinality's layout, which is for StyleGAN2 with the "
            "skip architecture, without classes, and with a z as long as its w; write a .safetensors file instead"
        )
    taps = torch.tensor(config.resample_filter)
    kernel = 4 * torch.outer(taps, taps) / taps.sum() ** 2
    blocks = len(config.resolutions)
    state = {}
    for theirs, ours in generator_keys(blocks, config.mapping_layers).items():
        if ours is not None:
            state[theirs] = BACK[ours.how](network.tensors[ours.name]).clone()
    for n in range(blocks - 1):
        state |= {f"convs.{2 * n}.conv.blur.kernel": kernel.clone(), f"to_rgbs.{n}.upsample.kernel": kernel.clone()}
    return {"latent_avg": state.pop("latent_avg"), "g_ema": state}


def _fits(config: Config) -> bool:
    """Whether rosinality's layout can represent a network, apart from its clamp."""
    mapping = (config.z_dim, config.mapping_width or config.w_dim, config.mapping_lr_multiplier)
    network = (config.architecture, config.c_dim, config.img_channels, len(config.resample_filter))
    return network == ("skip", 0, 3, 4) and mapping == (config.w_dim, config.w_dim, 0.01)


def unusual_sizes(config: Config) -> list[str]:
    """What has to be changed in rosinality's scripts for a network of other sizes than theirs: a `w` of 512, 8 mapping
    layers, 512 feature maps up to 32 pixels, then as scaled by their --channel_multiplier; and square pictures."""
    usual = all(config.channels(r) == (512 if r <= 32 else config.channel_base // r) for r in config.resolutions)
    told = {
        f"latent to {config.w_dim}": config.w_dim == 512,
        f"n_mlp to {config.mapping_layers}": config.mapping_layers == 8,
        "the channel table": usual,
        "the sizes of ConstantInput and of noise maps": config.start == (4, 4),
    }
    return [name for name, is_usual in told.items() if not is_usual]


def generator_keys(blocks: int, mapping_layers: int) -> KeyMap:
    """For `blocks` resolutions from 4 pixels up. `style.0` has no weights, so their numbers start at 1."""
    keys: dict[str, To | None] = {
        "latent_avg": To("mapping.w_avg", flat),
        "input.input": To("synthesis.b4.const", first),
        **both({f"style.{i + 1}": f"mapping.fc{i}" for i in range(mapping_layers)}),
    }
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
        **both({f"{theirs}.conv.modulation": f"{ours}.affine"}),
        f"{theirs}.conv.blur.kernel": None,
        f"{theirs}.noise.weight": To(f"{ours}.noise_strength", scalar),
        f"{theirs}.activate.bias": To(f"{ours}.bias", flat),
        f"noises.noise_{noise}": To(f"{ours}.noise_const", plane),
    }


def _to_rgb(theirs: str, ours: str) -> KeyMap:
    return {
        f"{theirs}.conv.weight": To(f"{ours}.weight", first),
        **both({f"{theirs}.conv.modulation": f"{ours}.affine"}),
        f"{theirs}.bias": To(f"{ours}.bias", rgb_bias),
        f"{theirs}.upsample.kernel": None,
    }


def discriminator_keys(blocks: int) -> KeyMap:
    """Their names count from the picture down, ours contain the resolution."""
    top = 4 << (blocks - 1)
    keys: dict[str, To | None] = {
        "convs.0.0.weight": To(f"b{top}.fromrgb.weight"),
        "convs.0.1.bias": To(f"b{top}.fromrgb.bias", flat),
        "final_conv.0.weight": To("b4.conv.weight"),
        "final_conv.1.bias": To("b4.conv.bias", flat),
        **both({"final_linear.0": "b4.fc", "final_linear.1": "b4.out"}),
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
    return keys
