"""genforce/genforce: `.pth` files of StyleGAN and StyleGAN2, with TensorFlow's conventions under PyTorch's names."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from stylegan_cli.importers import configs
from stylegan_cli.importers.checkpoint import Draft, Drafts
from stylegan_cli.importers.keymap import KeyMap, To, both, count, first, flipped, plane, plus_one, rename, resolutions


def read(tree: Mapping[str, Any]) -> Drafts:
    """A checkpoint of the model zoo: state dicts `generator_smooth` (averaged), `generator` and `discriminator`."""
    generator = tree.get("generator_smooth", tree.get("generator"))
    is_second = "synthesis.early_layer.const" in generator
    read_generator, read_discriminator = (_stylegan2, _stylegan2_d) if is_second else (_stylegan1, _stylegan1_d)
    return Drafts(
        f"genforce StyleGAN{'2' if is_second else ''} checkpoint",
        read_generator(generator),
        partial(read_discriminator, tree["discriminator"]) if "discriminator" in tree else None,
        partial(read_generator, tree["generator"]) if "generator" in tree else None,
    )


def _stylegan1(found: Mapping[str, Any]) -> Draft:
    blocks, layers = count(found, "synthesis.output{}.weight"), count(found, "mapping.dense{}.weight")
    lod = configs.lod(found.get("synthesis.lod"), blocks)
    return configs.stylegan1_generator(rename(found, stylegan1_generator_keys(blocks, layers)), lod=lod)


def _stylegan1_d(found: Mapping[str, Any]) -> Draft:
    blocks = count(found, "input{}.weight")
    lod = configs.lod(found.get("lod"), blocks)
    return configs.stylegan1_discriminator(rename(found, stylegan1_discriminator_keys(blocks)), lod=lod)


def _stylegan2(found: Mapping[str, Any]) -> Draft:
    blocks, layers = (count(found, "synthesis.layer{}.weight") + 1) // 2, count(found, "mapping.dense{}.weight")
    return configs.stylegan2_generator(rename(found, stylegan2_generator_keys(blocks, layers)))


def _stylegan2_d(found: Mapping[str, Any]) -> Draft:
    """Two layers per block above 4 pixels, three at 4 pixels."""
    blocks = (count(found, "layer{}.weight") - 1) // 2
    return configs.stylegan2_discriminator(rename(found, stylegan2_discriminator_keys(blocks)))


def mapping_keys(layers: int) -> KeyMap:
    dense = both({f"mapping.dense{i}": f"mapping.fc{i}" for i in range(layers)})
    return {"mapping.label_weight": To("mapping.label.weight"), **dense}


def stylegan1_generator_keys(blocks: int, mapping_layers: int) -> KeyMap:
    keys = {
        **mapping_keys(mapping_layers),
        "truncation.w_avg": To("w_avg"),
        "synthesis.lod": None,
        "synthesis.layer0.const": To("synthesis.const"),
        **both({f"synthesis.output{n}": f"synthesis.torgb.{n}" for n in range(blocks)}),
    }
    for i in range(2 * blocks):
        theirs, ours = f"synthesis.layer{i}", f"synthesis.layers.{i}"
        keys |= {
            **both({theirs: ours, f"{theirs}.style": f"{ours}.affine"}),
            f"{theirs}.apply_noise.weight": To(f"{ours}.noise_strength"),
            f"{theirs}.apply_noise.noise": To(f"{ours}.noise_const", plane),
            f"{theirs}.blur.kernel": None,
        }
    return keys


def stylegan1_discriminator_keys(blocks: int) -> KeyMap:
    """Their names count layers from the picture down, ours count blocks from 4 pixels up."""
    last = 2 * (blocks - 1)
    pairs = {f"layer{last}": "final.conv", f"layer{last + 1}": "final.dense0", f"layer{last + 2}": "final.dense1"}
    keys: dict[str, To | None] = {"lod": None}
    for n in range(blocks):
        pairs[f"input{blocks - 1 - n}"] = f"fromrgb.{n}"
    for n in range(1, blocks):
        top = 2 * (blocks - 1 - n)
        pairs |= {f"layer{top}": f"blocks.{n}.conv0", f"layer{top + 1}": f"blocks.{n}.conv1"}
        keys[f"layer{top + 1}.blur.kernel"] = None
    return keys | both(pairs)


def stylegan2_generator_keys(blocks: int, mapping_layers: int) -> KeyMap:
    keys = {
        **mapping_keys(mapping_layers),
        "truncation.w_avg": To("mapping.w_avg"),
        "synthesis.early_layer.const": To("synthesis.b4.const", first),
        "synthesis.upsample.kernel": None,
    }
    for n, r in resolutions(blocks):
        layers = {2 * n - 1: "conv0", 2 * n: "conv1"} if n else {0: "conv1"}
        for i, conv in layers.items():
            theirs, ours = f"synthesis.layer{i}", f"synthesis.b{r}.{conv}"
            keys |= _styled(theirs, ours)
            keys |= {
                f"{theirs}.noise_strength": To(f"{ours}.noise_strength"),
                f"{theirs}.noise": To(f"{ours}.noise_const", plane),
                f"{theirs}.filter.kernel": None,
            }
            if conv == "conv0":
                keys[f"{theirs}.weight"] = To(f"{ours}.weight", flipped)
        keys |= _styled(f"synthesis.output{n}", f"synthesis.b{r}.torgb")
    return keys


def stylegan2_discriminator_keys(blocks: int) -> KeyMap:
    """Their names count layers from the picture down, ours contain the resolution."""
    last = 2 * (blocks - 1)
    pairs = {f"layer{last}": "b4.conv", f"layer{last + 1}": "b4.fc", f"layer{last + 2}": "b4.out"}
    keys: dict[str, To | None] = {}
    for n, r in resolutions(blocks):
        above = blocks - 1 - n
        pairs[f"input{above}"] = f"b{r}.fromrgb"
        if n > 0:
            pairs |= {f"layer{2 * above}": f"b{r}.conv0", f"layer{2 * above + 1}": f"b{r}.conv1"}
            keys |= {
                f"skip_layer{above}.weight": To(f"b{r}.skip.weight"),
                f"skip_layer{above}.filter.kernel": None,
                f"layer{2 * above + 1}.filter.kernel": None,
            }
    return keys | {"downsample.kernel": None} | both(pairs)


def _styled(theirs: str, ours: str) -> KeyMap:
    """A modulated convolution. Their network adds 1 to the style when it runs; ours has the 1 in the bias."""
    return {
        **both({theirs: ours}),
        f"{theirs}.style.weight": To(f"{ours}.affine.weight"),
        f"{theirs}.style.bias": To(f"{ours}.affine.bias", plus_one),
    }
