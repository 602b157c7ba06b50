"""genforce's older layouts of StyleGAN, in `.pth` files: InterFaceGAN's, and HiGAN's and mGANprior's, which calls two
kinds of tensors otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stylegan_cli.architectures.stylegan1 import FUSED_FROM
from stylegan_cli.importers import configs
from stylegan_cli.importers.checkpoint import Drafts
from stylegan_cli.importers.keymap import KeyMap, To, as_is, count, oihw, plane, rename, resolutions
from stylegan_cli.importers.stored import RefusedError

DENSE = ("linear", "fc")  # InterFaceGAN's and HiGAN's name for the weights of a dense layer
CONST = ("first_layer", "const")


def is_generator(tree: Mapping[str, Any]) -> bool:
    """Whether this is the state dict of a generator, which is all there is in these files."""
    return "synthesis.layer0.epilogue.bias" in tree


def read(tree: Mapping[str, Any]) -> Drafts:
    """The averaged generator."""
    blocks, layers = count(tree, "synthesis.output{}.bias"), count(tree, "mapping.dense{}.wscale.bias")
    fused_from = _fused_from(tree, blocks)
    pending = rename(tree, generator_keys(blocks, layers, fused_from))
    lod = configs.lod(tree.get("synthesis.lod"), blocks)
    draft = configs.stylegan1_generator(pending, lod=lod, fused_from=fused_from)
    if pending[f"mapping.fc{layers - 1}.bias"].shape == (2 * blocks * draft.config["w_dim"],):
        raise RefusedError("its mapping network makes a different w for each layer, as in In-Domain GAN Inversion")
    return Drafts("InterFaceGAN StyleGAN file", draft)


def _fused_from(found: Mapping[str, Any], blocks: int) -> int:
    """The lowest resolution whose convolution upsamples itself, and is named so; in a small network there is none."""
    named = (r for n, r in resolutions(blocks) if f"synthesis.layer{2 * n}.weight" in found)
    return next(named, FUSED_FROM if 2 << blocks < FUSED_FROM else 0)


def generator_keys(blocks: int, mapping_layers: int, fused_from: int) -> KeyMap:
    """From `fused_from` pixels on, upsampling convolutions are stored as in TensorFlow."""
    keys: dict[str, To | None] = {
        "truncation.w_avg": To("w_avg"),
        "truncation.truncation": None,  # psi for each layer
        "synthesis.lod": None,
        **{f"synthesis.layer0.{name}": To("synthesis.const") for name in CONST},
    }
    for i in range(mapping_layers):
        keys |= _dense(f"mapping.dense{i}", f"mapping.fc{i}")
    for n, r in resolutions(blocks):
        keys[f"synthesis.output{n}.conv.weight"] = To(f"synthesis.torgb.{n}.weight")
        keys[f"synthesis.output{n}.bias"] = To(f"synthesis.torgb.{n}.bias")
        for i in (2 * n, 2 * n + 1):
            keys |= _layer(f"synthesis.layer{i}", f"synthesis.layers.{i}", i % 2 == 0 and 0 < fused_from <= r)
    return keys


def _layer(theirs: str, ours: str, fused: bool) -> KeyMap:
    weight, how = (f"{theirs}.weight", oihw) if fused else (f"{theirs}.conv.weight", as_is)
    return {
        weight: To(f"{ours}.weight", how),
        f"{theirs}.blur.kernel": None,  # [1, 2, 1]
        f"{theirs}.epilogue.bias": To(f"{ours}.bias"),
        f"{theirs}.epilogue.apply_noise.weight": To(f"{ours}.noise_strength"),
        f"{theirs}.epilogue.apply_noise.noise": To(f"{ours}.noise_const", plane),
        **_dense(f"{theirs}.epilogue.style_mod.dense", f"{ours}.affine"),
    }


def _dense(theirs: str, ours: str) -> KeyMap:
    weights: KeyMap = {f"{theirs}.{name}.weight": To(f"{ours}.weight") for name in DENSE}
    return weights | {f"{theirs}.wscale.bias": To(f"{ours}.bias")}
