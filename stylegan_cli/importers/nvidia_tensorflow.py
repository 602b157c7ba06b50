"""NVIDIA's TensorFlow pickles of StyleGAN, StyleGAN2 and StyleGAN2-ADA: tuples of dnnlib networks (G, D, Gs)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from stylegan_cli.importers import configs
from stylegan_cli.importers.checkpoint import Draft, Drafts
from stylegan_cli.importers.keymap import (
    KeyMap,
    To,
    count,
    counted,
    first,
    oihw,
    oihw_flipped,
    plane,
    plus_one,
    rename,
    resolutions,
    transposed,
)
from stylegan_cli.importers.stored import RefusedError, is_name, shown
from stylegan_cli.importers.unpickle import Array, Record

# Options that networks must have been built with, unless they were built with the defaults.
REQUIRED: dict[str, tuple[Any, ...]] = {
    "mapping_nonlinearity": ("lrelu",), "nonlinearity": ("lrelu",), "normalize_latents": (True,), "use_wscale": (True,),
    "use_noise": (True,), "use_styles": (True,), "use_instance_norm": (True,), "use_pixel_norm": (False,),
    "const_input_layer": (True,), "blur_filter": ([1, 2, 1],), "use_spectral_norm": (False,), "use_pagan": (False,),
}  # fmt: skip
# Theirs -> ours, for sizes that the networks declare and their tensors show.
SIZES = {"resolution": "resolution", "num_channels": "img_channels", "label_size": "c_dim"}
SPACES = {"latent_size": "z_dim", "dlatent_size": "w_dim"}
FUSED_FROM = {"auto": 128, True: 8, False: 0}


def read(tree: Sequence[Any]) -> Drafts:
    """The tuple (G, D, Gs), where Gs is the averaged generator."""
    if len(tree) != 3:
        raise RefusedError(f"it has {len(tree)} TensorFlow networks instead of G, D and Gs")
    training, discriminator, averaged = tree
    is_first = "synthesis/4x4/Const/StyleMod/weight" in _variables(averaged)
    generator_of, discriminator_of = (_stylegan1, _stylegan1_d) if is_first else (_stylegan2, _stylegan2_d)
    return Drafts(
        f"NVIDIA StyleGAN{'' if is_first else '2'} TensorFlow pickle",
        generator_of(averaged),
        partial(discriminator_of, discriminator),
        partial(generator_of, training),
    )


def _stylegan1(network: Any) -> Draft:
    found, options = _variables(network), _options(network)
    blocks, layers = count(found, "synthesis/ToRGB_lod{}/weight"), count(found, "mapping/Dense{}/weight")
    draft = configs.stylegan1_generator(
        rename(found, stylegan1_generator_keys(blocks, layers)),
        mapping_lr_multiplier=options.get("mapping_lrmul", 0.01),
        fused_from=_fused_from(options),
        lod=configs.lod(found.get("synthesis/lod"), blocks),
    )
    return _agreeing(draft, options, SIZES | SPACES)


def _stylegan1_d(network: Any) -> Draft:
    found, options = _variables(network), _options(network)
    blocks = count(found, "FromRGB_lod{}/weight")
    draft = configs.stylegan1_discriminator(
        rename(found, stylegan1_discriminator_keys(blocks)),
        mbstd_group_size=options.get("mbstd_group_size", 4),
        lod=configs.lod(found.get("lod"), blocks),
    )
    return _agreeing(draft, options, SIZES)


def _stylegan2(network: Any) -> Draft:
    found, options = _variables(network), _options(network)
    blocks = count(found, "synthesis/noise{}") // 2 + 1
    _check_grown(found.get("synthesis/lod"), blocks)
    draft = configs.stylegan2_generator(
        rename(found, stylegan2_generator_keys(blocks, count(found, "mapping/Dense{}/weight"))),
        mapping_lr_multiplier=options.get("mapping_lrmul", 0.01),
        **_common(options),
    )
    return _agreeing(draft, options, SIZES | SPACES)


def _stylegan2_d(network: Any) -> Draft:
    found, options = _variables(network), _options(network)
    blocks = sum(name.endswith("/Conv0/weight") for name in found) + 1
    _check_grown(found.get("lod"), blocks)
    default_group = None if network.state["build_func_name"] == "D_main" else 4  # StyleGAN2-ADA's, StyleGAN2's
    draft = configs.stylegan2_discriminator(
        rename(found, stylegan2_discriminator_keys(blocks, count(found, "Mapping{}/weight"))),
        mbstd_group_size=options.get("mbstd_group_size", default_group) or configs.WHOLE_BATCH,
        mapping_lr_multiplier=options.get("mapping_lrmul", 0.1),
        **_common(options),
    )
    return _agreeing(draft, options, SIZES)


def _check_grown(found: Any, blocks: int) -> None:
    """Raises RefusedError if a StyleGAN2 of a growing configuration (B to D) is not fully grown: ours has no `lod`."""
    if lod := configs.lod(found, blocks):
        raise RefusedError(f"it is a StyleGAN2 that was still growing (lod {lod:g}); only fully grown ones can be read")


def _fused_from(options: Mapping[str, Any]) -> int:
    choice = options.get("fused_scale", "auto")
    # Only these are hashed: hashing nested tuples can take forever.
    if not isinstance(choice, str | bool) or choice not in FUSED_FROM:
        raise RefusedError(f"it was built with fused_scale {shown(choice)}, which is not supported")
    return FUSED_FROM[choice]


def _common(options: Mapping[str, Any]) -> dict[str, Any]:
    taps = options.get("resample_kernel", [1, 3, 3, 1]) or [1, 1]
    # Instead of a list there could be the bytes of the whole file, which a tuple would unpack.
    return {
        "conv_clamp": options.get("conv_clamp"),
        "resample_filter": tuple(taps) if isinstance(taps, list) else taps,
    }


def _agreeing(draft: Draft, options: Mapping[str, Any], names: Mapping[str, str]) -> Draft:
    return configs.agree(draft, {ours: options[theirs] for theirs, ours in names.items() if theirs in options})


def _variables(network: Any) -> dict[str, Any]:
    """A network's variables; those of its components have the component's name as a prefix."""
    state = network.state
    parts = {f"{name}/": part.state for name, part in state["components"].items()} | {"": state}
    named = ((prefix, name, value) for prefix, part in parts.items() for name, value in part["variables"])
    found = {}
    for prefix, name, value in counted(named):
        if not is_name(name):
            raise RefusedError(f"it has a variable with {shown(name)} as its name")
        found[f"{prefix}{name}"] = value.stored if isinstance(value, Array) else value
    return found


def _options(network: Record) -> Mapping[str, Any]:
    """The arguments that the network was built with; those not given have the build function's defaults."""
    options = network.state["static_kwargs"]
    for name, allowed in REQUIRED.items():
        if options.get(name, allowed[0]) not in allowed:
            raise RefusedError(f"it was built with {name} {shown(options[name])}, which is not supported")
    return options


def mapping_keys(layers: int) -> KeyMap:
    """`LabelConcat` multiplies labels by a plain matrix, `LabelEmbed` (in StyleGAN2-ADA) is a dense layer."""
    keys: dict[str, To | None] = {
        "lod": None,  # the level of detail while growing; it goes into the config
        "mapping/LabelConcat/weight": To("mapping.label.weight"),
        **_dense("mapping/LabelEmbed", "mapping.embed"),
    }
    for i in range(layers):
        keys |= _dense(f"mapping/Dense{i}", f"mapping.fc{i}")
    return keys


def stylegan1_generator_keys(blocks: int, mapping_layers: int) -> KeyMap:
    keys = {
        **mapping_keys(mapping_layers),
        "dlatent_avg": To("w_avg"),
        "synthesis/lod": None,
        "synthesis/4x4/Const/const": To("synthesis.const"),
    }
    for n, r in resolutions(blocks):
        scopes = ("Conv0_up", "Conv1") if n else ("Const", "Conv")
        for i, scope in enumerate(scopes, 2 * n):
            theirs, ours = f"synthesis/{r}x{r}/{scope}", f"synthesis.layers.{i}"
            keys |= _conv(theirs, ours)
            keys |= {
                f"synthesis/noise{i}": To(f"{ours}.noise_const", plane),
                f"{theirs}/Noise/weight": To(f"{ours}.noise_strength"),
                f"{theirs}/StyleMod/weight": To(f"{ours}.affine.weight", transposed),
                f"{theirs}/StyleMod/bias": To(f"{ours}.affine.bias"),
            }
        keys |= _conv(f"synthesis/ToRGB_lod{blocks - 1 - n}", f"synthesis.torgb.{n}")
    return keys


def stylegan1_discriminator_keys(blocks: int) -> KeyMap:
    keys = {
        "lod": None,
        **_conv("4x4/Conv", "final.conv"),
        **_dense("4x4/Dense0", "final.dense0"),
        **_dense("4x4/Dense1", "final.dense1"),
    }
    for n, r in resolutions(blocks):
        keys |= _conv(f"FromRGB_lod{blocks - 1 - n}", f"fromrgb.{n}")
        if n > 0:
            keys |= _conv(f"{r}x{r}/Conv0", f"blocks.{n}.conv0") | _conv(f"{r}x{r}/Conv1_down", f"blocks.{n}.conv1")
    return keys


def stylegan2_generator_keys(blocks: int, mapping_layers: int) -> KeyMap:
    """Configurations B to D were grown and have a head for each resolution, of which the last is used."""
    keys = {
        **mapping_keys(mapping_layers),
        "dlatent_avg": To("mapping.w_avg"),
        "synthesis/lod": None,
        "synthesis/4x4/Const/const": To("synthesis.b4.const", first),
        **{name: None for k in range(1, blocks) for name in _styled(f"synthesis/ToRGB_lod{k}", "")},
        **_styled("synthesis/ToRGB_lod0", f"synthesis.b{4 << blocks - 1}.torgb"),
    }
    for n, r in resolutions(blocks):
        theirs, ours = f"synthesis/{r}x{r}", f"synthesis.b{r}"
        if n == 0:
            keys |= _styled(f"{theirs}/Conv", f"{ours}.conv1", noise=0)
        else:
            keys |= _styled(f"{theirs}/Conv0_up", f"{ours}.conv0", noise=2 * n - 1)
            keys |= _styled(f"{theirs}/Conv1", f"{ours}.conv1", noise=2 * n)
            keys[f"{theirs}/Conv0_up/weight"] = To(f"{ours}.conv0.weight", oihw_flipped)
            keys[f"{theirs}/Skip/weight"] = To(f"{ours}.skip.weight", oihw_flipped)
        keys |= _styled(f"{theirs}/ToRGB", f"{ours}.torgb")
    return keys


def stylegan2_discriminator_keys(blocks: int, mapping_layers: int) -> KeyMap:
    keys = {
        "lod": None,
        **_conv("4x4/Conv", "b4.conv"),
        **_dense("4x4/Dense0", "b4.fc"),
        **_dense("Output", "b4.out"),
        **_dense("LabelEmbed", "mapping.embed"),
        **{name: None for k in range(1, blocks) for name in _conv(f"FromRGB_lod{k}", "")},
        **_conv("FromRGB_lod0", f"b{4 << blocks - 1}.fromrgb"),
    }
    for i in range(mapping_layers):
        keys |= _dense(f"Mapping{i}", f"mapping.fc{i}")
    for n, r in resolutions(blocks):
        keys |= _conv(f"{r}x{r}/FromRGB", f"b{r}.fromrgb")
        if n > 0:
            keys |= _conv(f"{r}x{r}/Conv0", f"b{r}.conv0") | _conv(f"{r}x{r}/Conv1_down", f"b{r}.conv1")
            keys[f"{r}x{r}/Skip/weight"] = To(f"b{r}.skip.weight", oihw)
    return keys


def _conv(theirs: str, ours: str) -> KeyMap:
    return {f"{theirs}/weight": To(f"{ours}.weight", oihw), f"{theirs}/bias": To(f"{ours}.bias")}


def _dense(theirs: str, ours: str) -> KeyMap:
    return {f"{theirs}/weight": To(f"{ours}.weight", transposed), f"{theirs}/bias": To(f"{ours}.bias")}


def _styled(theirs: str, ours: str, noise: int | None = None) -> KeyMap:
    """A modulated convolution. Their network adds 1 to the style when it runs; ours has the 1 in the bias."""
    keys: dict[str, To | None] = {
        **_conv(theirs, ours),
        f"{theirs}/mod_weight": To(f"{ours}.affine.weight", transposed),
        f"{theirs}/mod_bias": To(f"{ours}.affine.bias", plus_one),
    }
    if noise is not None:
        keys[f"{theirs}/noise_strength"] = To(f"{ours}.noise_strength")
        keys[f"synthesis/noise{noise}"] = To(f"{ours}.noise_const", plane)
    return keys
