"""NVIDIA's TensorFlow pickles of StyleGAN, StyleGAN2 and StyleGAN2-ADA: tuples of dnnlib networks (G, D, Gs)."""

from __future__ import annotations

from stylegan_cli.importers.keymap import KeyMap, To, first, oihw, oihw_flipped, plane, plus_one, resolutions, transposed


def mapping_keys(layers: int) -> KeyMap:
    """`LabelConcat` multiplies labels with a plain matrix, `LabelEmbed` (of StyleGAN2-ADA) is a dense layer."""
    keys: dict[str, To | None] = {
        "lod": None,  # the level of detail during progressive growing: all of it, in a finished network
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
    keys = {
        **mapping_keys(mapping_layers),
        "dlatent_avg": To("mapping.w_avg"),
        "synthesis/4x4/Const/const": To("synthesis.b4.const", first),
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
    """A modulated convolution. Its network adds 1 to the style when it runs, ours has the 1 in the bias."""
    keys: dict[str, To | None] = {
        **_conv(theirs, ours),
        f"{theirs}/mod_weight": To(f"{ours}.affine.weight", transposed),
        f"{theirs}/mod_bias": To(f"{ours}.affine.bias", plus_one),
    }
    if noise is not None:
        keys[f"{theirs}/noise_strength"] = To(f"{ours}.noise_strength")
        keys[f"synthesis/noise{noise}"] = To(f"{ours}.noise_const", plane)
    return keys
