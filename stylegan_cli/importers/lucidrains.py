"""Models of lucidrains' stylegan2_pytorch (`models/NAME/model_N.pt`), from version 0.20 on."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from torch import Tensor

from stylegan_cli.importers import invented
from stylegan_cli.importers.checkpoint import Draft, Drafts
from stylegan_cli.importers.keymap import KeyMap, To, both, count, first, flat, plus_one, rename, resolutions
from stylegan_cli.importers.stored import RefusedError, is_name
from stylegan_cli.noise import SPREAD

LR_MLP = 0.1  # the default of what the mapping's tensors are multiplied by when they are used; the file does not say it
# Networks that drawing does not need: those that are not averaged, the discriminator, and what wraps it.
OTHERS = ("S.", "G.", "D.", "D_aug.", "D_cl.")
NORM = {"g": "weight", "b": "bias"}


def scaled(x: Tensor) -> Tensor:
    """A tensor of the mapping network."""
    return x * LR_MLP


def strength(x: Tensor) -> Tensor:
    """`[c, 1]`, for noise in [0, 1), to `[c]`, for noise of variance 1."""
    return x.flatten() / SPREAD


def from_w(x: Tensor) -> Tensor:
    """A transposed convolution `[w_dim, c, 4, 4]` of a single pixel to a linear layer `[c * 16, w_dim]`."""
    return x.flatten(1).T


def is_checkpoint(tree: Mapping[str, Any]) -> bool:
    """Whether this is one of its files, or the state dict that it contains."""
    state = tree.get("GAN", tree)
    return isinstance(state, dict) and "GE.blocks.0.conv1.weight" in state


def read(tree: Mapping[str, Any]) -> Drafts:
    """The averaged generator. Nothing else is read: its networks are not trained here."""
    version = tree.get("version")
    said = {"version": version} if is_name(version) else {}
    draft = _generator(tree.get("GAN", tree))
    return Drafts("lucidrains StyleGAN2 checkpoint", draft, notes={**said, **invented.NOTES})


def _generator(state: Mapping[str, Any]) -> Draft:
    found = {name: value for name, value in state.items() if not str(name).startswith(OTHERS)}
    if "GE.initial_conv.weight" not in found:
        raise RefusedError(
            "it is from before version 0.20 of stylegan2_pytorch, when different mapping networks had the same tensors"
        )
    blocks = count(found, "GE.blocks.{}.conv1.weight")
    attended = [n for n, _ in resolutions(blocks) if any(str(name).startswith(f"GE.attns.{n}.") for name in found)]
    if any(f"GE.attns.{n}.0.fn.norm.g" not in found for n in attended):
        raise RefusedError("it has attention of a form that only some versions of stylegan2_pytorch before 1.9 had")
    layers = sum(str(name).startswith("SE.net.") and str(name).endswith(".weight") for name in found)
    if not layers:  # whose weights take as much of the file as the mean of w takes time
        raise RefusedError("it has no mapping network")
    pending = rename(found, generator_keys(blocks, layers))
    shapes = {name: one.shape for name, one in pending.items()}
    top = 4 << (blocks - 1)
    config = {
        "resolution": top,
        "channel_base": shapes[f"synthesis.b{top}.conv1.weight"][0] * top,
        "channel_max": shapes["synthesis.b4.conv1.weight"][0],
        "w_dim": shapes["synthesis.b4.conv0.affine.weight"][1],
        "mapping_layers": layers,
        "img_channels": shapes["synthesis.b4.torgb.weight"][0],
        "const_input": "synthesis.const" in shapes,
        "attention": tuple(4 << n for n in attended),
        "blur": "GE.blocks.0.to_rgb.upsample.1.f" in found,
    }
    draft = Draft("lucidrains", config, pending)
    for n, r in resolutions(blocks):
        pending[f"synthesis.b{r}.noise_const"] = invented.noise((r, r), partial(_noise, n))
    pending["w_avg"] = invented.w_avg(draft, "w_avg")
    return draft


def _noise(index: int, height: int, width: int) -> np.ndarray:
    """Uniform, of mean 0 and variance 1."""
    return (np.random.RandomState(index).rand(height, width) - 0.5) * SPREAD


def generator_keys(blocks: int, mapping_layers: int) -> KeyMap:
    """For `blocks` resolutions from 4 pixels up. Between the mapping's layers are activations, so their numbers are
    even."""
    keys: dict[str, To | None] = {
        "GE.initial_block": To("synthesis.const", first),
        "GE.to_initial_block.weight": To("synthesis.input.weight", from_w),
        **both({"GE.initial_conv": "synthesis.conv"}),
    }
    for i in range(mapping_layers):
        keys |= {f"SE.net.{2 * i}.{end}": To(f"mapping.fc{i}.{end}", scaled) for end in ("weight", "bias")}
    for n, r in resolutions(blocks):
        theirs, ours = f"GE.blocks.{n}", f"synthesis.b{r}"
        keys |= _conv(theirs, 1, f"{ours}.conv0") | _conv(theirs, 2, f"{ours}.conv1")
        keys |= _modulated(f"{theirs}.to_rgb.conv", f"{theirs}.to_rgb.to_style", f"{ours}.torgb")
        keys[f"{theirs}.to_rgb.upsample.1.f"] = None  # [1, 2, 1]
        keys |= _attention(f"GE.attns.{n}", f"{ours}.attention")
    return keys


def _modulated(conv: str, style: str, ours: str) -> KeyMap:
    return {
        f"{conv}.weight": To(f"{ours}.weight"),
        f"{style}.weight": To(f"{ours}.affine.weight"),
        f"{style}.bias": To(f"{ours}.affine.bias", plus_one),
    }


def _conv(block: str, number: int, ours: str) -> KeyMap:
    return {
        **_modulated(f"{block}.conv{number}", f"{block}.to_style{number}", ours),
        f"{block}.to_noise{number}.weight": To(f"{ours}.noise_strength", strength),
        f"{block}.to_noise{number}.bias": To(f"{ours}.bias"),
    }


def _attention(theirs: str, ours: str) -> KeyMap:
    attend, feed = f"{theirs}.0.fn.fn", f"{theirs}.1.fn.fn"
    norms = {f"{theirs}.{i}.fn.norm.{g}": To(f"{ours}.norm{i}.{end}", flat) for i in (0, 1) for g, end in NORM.items()}
    return {
        **norms,
        f"{attend}.to_q.weight": To(f"{ours}.query.weight"),
        f"{attend}.to_kv.net.0.weight": To(f"{ours}.depthwise.weight"),
        f"{attend}.to_kv.net.1.weight": To(f"{ours}.key_value.weight"),
        **both({f"{attend}.to_out": f"{ours}.out", f"{feed}.0": f"{ours}.fc0", f"{feed}.2": f"{ours}.fc1"}),
    }
