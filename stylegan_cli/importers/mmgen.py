"""OpenMMLab's MMGeneration, later a part of MMEditing and MMagic: `.pth` files of StyleGAN2 and StyleGAN3, trained
there or converted. What is trained there draws in OpenCV's order of colours, blue first."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import Tensor

from stylegan_cli.importers import configs, invented, rosinality
from stylegan_cli.importers.checkpoint import Draft, Drafts
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
from stylegan_cli.importers.stored import RefusedError, shown

# How the tensors of each network begin; a file may also have those of one generator alone. MMagic wraps the average.
AVERAGED, TRAINED, JUDGE = "generator_ema", "generator", "discriminator"
PREFIXES = (f"{AVERAGED}.", f"{AVERAGED}.{rosinality.PARALLEL}", f"{TRAINED}.", f"{TRAINED}.{rosinality.PARALLEL}", "")
# A tensor that each family has, and no other.
FIRST, SECOND, THIRD = "convs.0.conv1.input", "constant_input.input", "style_mapping.w_avg"
LAYER = re.compile(r"synthesis\.L(\d{1,3})_(\d{1,5})_(\d{1,5})\.weight")
RED_FIRST = re.compile(r"rgb2bgr\s*=\s*True")  # in the config of a generator whose own order is RGB
# What adaptive augmentation keeps in a discriminator.
AUGMENTATION = ("log_buffer", "aug_pipeline.p", "aug_pipeline.Hz_geom", "aug_pipeline.Hz_fbank")


def reversed_colours(x: Tensor) -> Tensor:
    """Of a head's weight or bias, whose first axis are the colours."""
    return x.flip(0)


def rgb_weight(x: Tensor) -> Tensor:
    """`[1, 3, c, 1, 1]` to `[3, c, 1, 1]`, with red first."""
    return x[0].flip(0)


def rgb_bias(x: Tensor) -> Tensor:
    """`[1, 3, 1, 1]` to `[3]`, with red first."""
    return x.flatten().flip(0)


def seen_colours(x: Tensor) -> Tensor:
    """A weight `[c, 3, 1, 1]` of what sees pictures, with red first."""
    return x.flip(1)


def is_checkpoint(tree: Mapping[str, Any]) -> bool:
    """Whether this is one of its files, or the state dict in it."""
    state = tree.get("state_dict", tree)
    names = [f"{prefix}{name}" for prefix in PREFIXES for name in (FIRST, SECOND, THIRD)]
    return isinstance(state, dict) and any(name in state for name in names)


def read(tree: Mapping[str, Any]) -> Drafts:
    """The networks of a checkpoint. What lies beside them, as the numbers of losses, is not needed."""
    state = tree.get("state_dict", tree)
    networks = {name: part for name in (AVERAGED, TRAINED, JUDGE) if (part := _part(state, name))}
    averaged = networks.get(AVERAGED, networks.get(TRAINED, state))
    if FIRST in averaged:
        raise RefusedError(
            "it is MMGeneration's StyleGAN, which activates twice where it upsamples, before its blur and after it, as "
            "no other does (their StyleGAN2 and StyleGAN3 can be used)"
        )
    is_third = THIRD in averaged
    is_bgr = not (is_third and _has_red_first(tree))
    generator_of = partial(_stylegan3, is_bgr=is_bgr) if is_third else _stylegan2
    return Drafts(
        f"MMGeneration StyleGAN{'3' if is_third else '2'} checkpoint",
        generator_of(averaged),
        partial(_discriminator, networks[JUDGE], is_bgr) if JUDGE in networks else None,
        partial(generator_of, networks[TRAINED]) if networks.keys() >= {AVERAGED, TRAINED} else None,
        {"colours": f"{'BGR' if is_bgr else 'RGB'} in the file"}
        | ({} if is_third or "w_avg" in averaged else invented.NOTES),
    )


def _part(state: Mapping[str, Any], network: str) -> Mapping[str, Any]:
    """A network's tensors, without the `steps` that MMagic counts beside an averaged one."""
    prefix = f"{network}."
    found = {name.removeprefix(prefix): value for name, value in state.items() if str(name).startswith(prefix)}
    found.pop("steps", None)
    return rosinality.unwrapped(found)


def _has_red_first(tree: Mapping[str, Any]) -> bool:
    """Whether a StyleGAN3 makes red first: NVIDIA's own do, which were converted by a script that left no config, and
    those that began as one of them, whose config says so."""
    meta = tree.get("meta")
    said = (meta.get("config") or meta.get("cfg")) if isinstance(meta, dict) else None
    return not isinstance(said, str) or RED_FIRST.search(said) is not None


def _stylegan2(found: Mapping[str, Any]) -> Draft:
    blocks, has_classes = 1 + count(found, "to_rgbs.{}.bias"), "embed.bias" in found
    start = 0 if has_classes else 1
    keys = stylegan2_generator_keys(blocks, start, count(found, "style_mapping.{}.bias", start))
    pending = rename(found, keys)
    draft = configs.stylegan2_generator(pending, **_filter(found, keys))
    if not has_classes:  # with them, the file has a mean
        pending.setdefault("mapping.w_avg", invented.w_avg(draft, "mapping.w_avg"))
    return draft


def _stylegan3(found: Mapping[str, Any], is_bgr: bool) -> Draft:
    """Without classes, and with the settings of all their configs where tensors do not show them."""
    layers = sorted(tuple(map(int, match.groups())) for name in found if (match := LAYER.fullmatch(str(name))))
    if len(layers) < 2:
        raise RefusedError("its StyleGAN3 has no layers")
    (_, _, widest), (_, _, narrowest), (last, size, colours) = layers[0], layers[-2], layers[-1]
    pending = rename(found, stylegan3_generator_keys(found, f"synthesis.L{last}_{size}_{colours}.", is_bgr))
    shapes = {name: one.shape for name, one in pending.items()}
    config = {
        "resolution": size,
        "channel_base": narrowest * size,
        "channel_max": widest,
        "num_layers": last,
        "conv_kernel": shapes[f"synthesis.L0_{layers[0][1]}_{widest}.weight"][2],
        "use_radial_filters": any(name.endswith("down_filter") and len(shapes[name]) == 2 for name in shapes),
        "z_dim": shapes["mapping.fc0.weight"][1],
        "w_dim": shapes["mapping.w_avg"][0],
        "mapping_layers": count(shapes, "mapping.fc{}.weight"),
        "img_channels": colours,
    }
    return Draft("stylegan3", config, pending)


def _discriminator(found: Mapping[str, Any], is_bgr: bool) -> Draft:
    """Both families have StyleGAN2's."""
    blocks = 1 + count(found, "convs.{}.skip.1.conv.weight_orig", start=1)
    keys = discriminator_keys(blocks, count(found, "mapping.fc{}.weight"), is_bgr)
    return configs.stylegan2_discriminator(rename(found, keys), **_filter(found, keys))


def _filter(found: Mapping[str, Any], keys: KeyMap) -> dict[str, Any]:
    """The config's filter, which every layer has that changes the resolution: their networks for positional encodings
    have layers of the same names without it."""
    names = [name for name in keys if name.endswith(".kernel")]
    if missing := next((name for name in names if name not in found), None):
        raise RefusedError(f"it has no {shown(missing)}: its layers change the resolution without StyleGAN2's filter")
    return configs.resample_filter(found[name] for name in names)


def stylegan2_generator_keys(blocks: int, start: int, mapping_layers: int) -> KeyMap:
    """For `blocks` resolutions from 4 pixels up; the mapping's layers are numbered from `start`, after what normalises
    z, if that has a number."""
    keys: dict[str, To | None] = {
        "w_avg": To("mapping.w_avg"),
        "constant_input.input": To("synthesis.b4.const", first),
        **_linear("embed", "mapping.embed"),
    }
    for i in range(mapping_layers):
        keys |= _linear(f"style_mapping.{start + i}", f"mapping.fc{i}")
    for n, r in resolutions(blocks):
        if n == 0:
            keys |= _conv("conv1", "synthesis.b4.conv1", noise=0) | _to_rgb("to_rgb1", "synthesis.b4.torgb")
            continue
        up, ours = f"convs.{2 * n - 2}", f"synthesis.b{r}"
        keys |= _conv(up, f"{ours}.conv0", noise=2 * n - 1) | _conv(f"convs.{2 * n - 1}", f"{ours}.conv1", noise=2 * n)
        keys |= _to_rgb(f"to_rgbs.{n - 1}", f"{ours}.torgb")
        keys |= {f"{up}.conv.blur.kernel": None, f"to_rgbs.{n - 1}.upsample.kernel": None}
    return keys


def _linear(theirs: str, ours: str) -> KeyMap:
    return {f"{theirs}.linear.weight_orig": To(f"{ours}.weight"), f"{theirs}.bias": To(f"{ours}.bias")}


def _conv(theirs: str, ours: str, noise: int) -> KeyMap:
    return {
        f"{theirs}.conv.weight_orig": To(f"{ours}.weight", first),
        **_linear(f"{theirs}.conv.style_modulation", f"{ours}.affine"),
        f"{theirs}.noise_injector.weight": To(f"{ours}.noise_strength", scalar),
        f"{theirs}.activate.bias": To(f"{ours}.bias", flat),
        f"injected_noise_{noise}": To(f"{ours}.noise_const", plane),
    }


def _to_rgb(theirs: str, ours: str) -> KeyMap:
    return {
        f"{theirs}.conv.weight_orig": To(f"{ours}.weight", rgb_weight),
        **_linear(f"{theirs}.conv.style_modulation", f"{ours}.affine"),
        f"{theirs}.bias": To(f"{ours}.bias", rgb_bias),
    }


def stylegan3_generator_keys(found: Mapping[str, Any], head: str, is_bgr: bool) -> KeyMap:
    """NVIDIA's names, and ours, but for the mapping network's; `head` begins those of the layer that makes pictures."""
    keys: dict[str, To | None] = {name: To(str(name).replace("style_mapping.", "mapping.", 1)) for name in found}
    if is_bgr:
        keys |= {f"{head}{end}": To(f"{head}{end}", reversed_colours) for end in ("weight", "bias")}
    return keys


def discriminator_keys(blocks: int, mapping_layers: int, is_bgr: bool) -> KeyMap:
    """Their names count from the picture down, ours contain the resolution."""
    top = 4 << (blocks - 1)
    mapping = ["embed", *(f"fc{i}" for i in range(mapping_layers))]
    keys: dict[str, To | None] = {
        "convs.0.0.conv.weight_orig": To(f"b{top}.fromrgb.weight", seen_colours if is_bgr else as_is),
        "convs.0.1.bias": To(f"b{top}.fromrgb.bias", flat),
        **_activated("final_conv", 0, "b4.conv"),
        **_linear("final_linear.0", "b4.fc"),
        **_linear("final_linear.1", "b4.out"),
        **both({f"mapping.{layer}": f"mapping.{layer}" for layer in mapping}),
        **{f"ada_aug.{name}": None for name in AUGMENTATION},
    }
    for n, r in resolutions(blocks):
        if n > 0:
            theirs, ours = f"convs.{blocks - n}", f"b{r}"
            keys |= _activated(f"{theirs}.conv1", 0, f"{ours}.conv0")
            keys |= _activated(f"{theirs}.conv2", 1, f"{ours}.conv1")
            keys[f"{theirs}.skip.1.conv.weight_orig"] = To(f"{ours}.skip.weight")
            keys |= {f"{theirs}.conv2.0.kernel": None, f"{theirs}.skip.0.kernel": None}
    return keys


def _activated(theirs: str, number: int, ours: str) -> KeyMap:
    """A convolution, which has this number in what it is a part of, and the bias after it."""
    return {
        f"{theirs}.{number}.conv.weight_orig": To(f"{ours}.weight"),
        f"{theirs}.{number + 1}.bias": To(f"{ours}.bias", flat),
    }
