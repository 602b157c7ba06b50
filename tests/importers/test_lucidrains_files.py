"""Files of lucidrains' stylegan2_pytorch: every tensor is used or dropped on purpose, and old versions are refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import forge
import numpy as np
import pytest
import torch
from forge import write
from originals import GOLDEN
from torch import Tensor

from stylegan_cli import importers
from stylegan_cli.errors import StyleganError

FILES = {name: GOLDEN / f"imp_lucidrains_{name}.pt" for name in ("16_attn", "32_alpha")}


def tree_of(name: str) -> dict[str, Any]:
    tree: dict[str, Any] = torch.load(FILES[name], weights_only=True)
    return tree


def test_with_attention() -> None:
    checkpoint, theirs = importers.read(FILES["16_attn"]), tree_of("16_attn")["GAN"]
    found, config = checkpoint.generator.tensors, checkpoint.generator.config
    assert checkpoint.format == "lucidrains StyleGAN2 checkpoint"
    assert (checkpoint.discriminator, checkpoint.training_generator) == (None, None)
    assert checkpoint.notes["version"] == "1.9.0"
    assert (config["resolution"], config["attention"], config["blur"], config["img_channels"]) == (16, (8,), True, 3)
    assert torch.equal(found["mapping.fc2.weight"], theirs["SE.net.4.weight"] * 0.1)
    assert torch.equal(found["mapping.fc0.bias"], theirs["SE.net.0.bias"] * 0.1)
    assert torch.equal(found["synthesis.const"], theirs["GE.initial_block"][0])
    assert torch.equal(found["synthesis.conv.bias"], theirs["GE.initial_conv.bias"])
    assert torch.equal(found["synthesis.b16.conv0.weight"], theirs["GE.blocks.2.conv1.weight"])
    assert torch.equal(found["synthesis.b8.conv1.affine.bias"], theirs["GE.blocks.1.to_style2.bias"] + 1)
    assert torch.equal(found["synthesis.b8.conv1.bias"], theirs["GE.blocks.1.to_noise2.bias"])
    assert torch.equal(found["synthesis.b4.torgb.weight"], theirs["GE.blocks.0.to_rgb.conv.weight"])
    assert torch.equal(found["synthesis.b8.attention.fc1.bias"], theirs["GE.attns.1.1.fn.fn.2.bias"])
    assert torch.equal(found["synthesis.b8.attention.norm0.weight"], theirs["GE.attns.1.0.fn.norm.g"].flatten())


def test_without_what_the_other_has() -> None:
    """Saved by version 1.0.0, which did not say so."""
    checkpoint, theirs = importers.read(FILES["32_alpha"]), tree_of("32_alpha")["GAN"]
    found, config = checkpoint.generator.tensors, checkpoint.generator.config
    assert "version" not in checkpoint.notes
    assert (config["attention"], config["blur"], config["img_channels"], config["const_input"]) == ((), False, 4, False)
    w, weight = torch.randn(8), theirs["GE.to_initial_block.weight"]
    maps = torch.nn.functional.conv_transpose2d(w[None, :, None, None], weight)
    torch.testing.assert_close(found["synthesis.input.weight"] @ w, maps.flatten())


@pytest.mark.parametrize("name", FILES)
def test_what_the_file_does_not_have(name: str) -> None:
    """The mean of w and the noise are a part of the model's identity, and the same for everybody."""
    one, again = (importers.read(FILES[name]) for _ in range(2))
    assert one.identity == again.identity
    generator = importers.generator(one, "x")
    w = generator.to_w(torch.from_numpy(np.random.RandomState(1).randn(2000, 8)))
    assert ((w.mean(dim=0) - generator.w_avg).abs() < 0.15 * w.std(dim=0)).all()
    steps = generator.w_avg * 2**16
    assert torch.equal(steps, steps.round())
    maps = [tensor for key, tensor in one.generator.tensors.items() if key.endswith("noise_const")]
    assert [len(tensor) for tensor in maps] == list(generator.config.resolutions)
    assert all(0.7 < tensor.std() < 1.3 and tensor.abs().max() <= 3**0.5 for tensor in maps)


def test_a_state_dict_alone(tmp_path: Path) -> None:
    path = write(tmp_path, forge.zipped(tree_of("16_attn")["GAN"]))
    assert importers.read(path).identity == importers.read(FILES["16_attn"]).identity


def test_what_lies_beside_networks(tmp_path: Path) -> None:
    """Half precision's scales, and a discriminator that learned from contrasts."""
    tree = tree_of("16_attn") | {"amp": {"loss_scaler0": {"loss_scale": 65536.0, "unskipped": 3}}}
    tree["GAN"]["D_cl.online_encoder.net.blocks.0.conv_res.weight"] = torch.zeros(2)
    path = write(tmp_path, forge.zipped(tree, _use_new_zipfile_serialization=False))
    assert importers.read(path).identity == importers.read(FILES["16_attn"]).identity


def renamed(state: dict[str, Any], old: str, new: str) -> None:
    for name in [name for name in state if old in name]:
        state[name.replace(old, new)] = state.pop(name)


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda state: state.pop("GE.blocks.1.to_noise1.bias"), "synthesis.b8.conv0.bias as nothing"),
        (lambda state: state.pop("SE.net.2.weight"), "SE.net.4.weight, which no network of this kind has"),
        (lambda state: state.update({"GE.extra": torch.zeros(2)}), "GE.extra, which no network of this kind has"),
        (lambda state: state.update({"X.weight": torch.zeros(2)}), "X.weight, which no network of this kind has"),
        (lambda state: state.update({7: torch.zeros(2)}), "which no network of this kind has"),
        (lambda state: state.update({"SE.net.2.weight": torch.zeros(8, 7)}), "mapping.fc1.weight as 8x7"),
        (lambda state: state.update({"SE.net.2.weight": "text"}), "floating-point"),
        (lambda state: state.update({"GE.initial_block": torch.zeros(())}), "impossible shape"),
        (lambda state: state.update({"GE.to_initial_block.weight": torch.zeros(8, 8, 4, 4)}), "synthesis.input.weight"),
        (lambda state: renamed(state, "GE.initial_conv", "GE.nothing"), "before version 0.20 of stylegan2_pytorch"),
        (lambda state: renamed(state, "fn.norm.g", "fn.g"), "attention of a form that only some versions"),
    ],
)
def test_every_tensor_counts(tmp_path: Path, change: Change, said: str) -> None:
    tree = tree_of("16_attn")
    change(tree["GAN"])
    path = write(tmp_path, forge.zipped(tree))
    with pytest.raises(StyleganError, match=rf"^{re.escape(str(path))} was refused: .*{re.escape(said)}.*\Z"):
        importers.read(path)


@pytest.mark.parametrize("version", ["1" * 1000, ["1.9.0"], None])
def test_a_version_that_is_none(tmp_path: Path, version: object) -> None:
    path = write(tmp_path, forge.zipped(tree_of("16_attn") | {"version": version}))
    assert "version" not in importers.read(path).notes


def tensors_of(name: str) -> dict[str, Tensor]:
    return importers.read(FILES[name]).generator.tensors


@pytest.mark.parametrize("name", FILES)
def test_networks_that_are_not_drawn_with_do_not_matter(tmp_path: Path, name: str) -> None:
    tree = tree_of(name)
    tree["GAN"] = {key: value for key, value in tree["GAN"].items() if key.startswith(("SE.", "GE."))}
    found = importers.read(write(tmp_path, forge.zipped(tree))).generator.tensors
    assert all(torch.equal(tensor, found[key]) for key, tensor in tensors_of(name).items())
