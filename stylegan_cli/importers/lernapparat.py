"""lernapparat's PyTorch files of StyleGAN, which GANSpace and many notebooks use: what its network needs to draw, with
NVIDIA's numbers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch

from stylegan_cli.importers import configs, invented
from stylegan_cli.importers.checkpoint import Drafts
from stylegan_cli.importers.keymap import KeyMap, Pending, To, both, count, rename, resolutions

NOTES = invented.NOTES | {"torgb": "all but the last are zero: the file has no others"}


def is_generator(tree: Mapping[str, Any]) -> bool:
    """Whether this is the state dict of a generator, which is all there is in these files."""
    return "g_synthesis.blocks.4x4.const" in tree


def read(tree: Mapping[str, Any]) -> Drafts:
    """The averaged generator. There is neither noise nor a mean of w in the file; of the heads there is the last one,
    which alone draws when a network is grown."""
    blocks = sum(str(name).endswith(".epi1.style_mod.lin.bias") for name in tree)
    pending = rename(tree, generator_keys(blocks, count(tree, "g_mapping.dense{}.weight")))
    for n, r in resolutions(blocks):
        for i in (2 * n, 2 * n + 1):
            made = invented.noise((r, r), np.random.RandomState(i).randn)
            pending[f"synthesis.layers.{i}.noise_const"] = made
        if n < blocks - 1:
            width = pending[f"synthesis.layers.{2 * n}.bias"].shape
            pending[f"synthesis.torgb.{n}.weight"] = _zeros(3, *width, 1, 1)
            pending[f"synthesis.torgb.{n}.bias"] = _zeros(3)
    draft = configs.stylegan1_generator(pending)
    pending["w_avg"] = invented.w_avg(draft, "w_avg")
    return Drafts("lernapparat StyleGAN file", draft, notes=NOTES)


def _zeros(*shape: int) -> Pending:
    return Pending(shape, partial(torch.zeros, shape), is_stored=False)


def generator_keys(blocks: int, mapping_layers: int) -> KeyMap:
    """The resolution is in the names, whose first block has a constant in place of its first convolution."""
    keys: dict[str, To | None] = {
        **both({f"g_mapping.dense{i}": f"mapping.fc{i}" for i in range(mapping_layers)}),
        **both({"g_synthesis.torgb": f"synthesis.torgb.{blocks - 1}"}),
        "g_synthesis.blocks.4x4.const": To("synthesis.const"),
        "g_synthesis.blocks.4x4.bias": To("synthesis.layers.0.bias"),
    }
    for n, r in resolutions(blocks):
        block = f"g_synthesis.blocks.{r}x{r}"
        convs = {f"{block}.conv0_up": 2 * n, f"{block}.conv1": 2 * n + 1} if n else {f"{block}.conv": 1}
        keys |= both({theirs: f"synthesis.layers.{i}" for theirs, i in convs.items()})
        keys[f"{block}.conv0_up.intermediate.kernel"] = None  # [1, 2, 1]
        keys |= _epilogue(f"{block}.epi1", 2 * n) | _epilogue(f"{block}.epi2", 2 * n + 1)
    return keys


def _epilogue(theirs: str, layer: int) -> KeyMap:
    ours = f"synthesis.layers.{layer}"
    return {
        f"{theirs}.top_epi.noise.weight": To(f"{ours}.noise_strength"),
        **both({f"{theirs}.style_mod.lin": f"{ours}.affine"}),
    }
