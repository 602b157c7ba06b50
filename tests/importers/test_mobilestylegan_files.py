"""Checkpoints of MobileStyleGAN.pytorch draw what its first published network does; other versions are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import forge
import memory
import pytest
import torch
from forge import write
from originals import GOLDEN, arrays, close

from stylegan_cli import importers
from stylegan_cli.errors import StyleganError
from stylegan_cli.importers import torchfile

FILE = GOLDEN / "imp_mobilestylegan.ckpt"
STYLE_INV = "student.layers.0.conv1.conv.style_inv"


class Callback:
    """Stands for a class that PyTorch Lightning's checkpoint has as a key."""


def contents() -> Any:
    return torchfile.read_zip(FILE, memoryview(FILE.read_bytes()))


@pytest.fixture
def tree() -> dict[str, Any]:
    return {"state_dict": {name: value.tensor() for name, value in contents()["state_dict"].items()}}


@torch.no_grad()
def test_parity() -> None:
    checkpoint, theirs = importers.read(FILE), arrays(FILE.with_suffix(".npz"))
    assert checkpoint.format == "MobileStyleGAN checkpoint"
    assert (checkpoint.generator.family, checkpoint.discriminator) == ("mobilestylegan", None)
    assert checkpoint.generator.config == {"channels": [8, 8, 4], "z_dim": 8, "w_dim": 8, "mapping_layers": 2}
    generator = importers.generator(checkpoint, "x")
    close(generator.to_w(theirs["z"]), theirs["w"], 1e-6)
    close(generator.synthesize(theirs["ws"]), theirs["image"], 1e-5 * theirs["image"].std())


def test_the_mean_is_the_teachers(tree: dict[str, Any]) -> None:
    assert torch.equal(importers.read(FILE).generator.tensors["w_avg"], tree["state_dict"]["style_mean"][0, 0])


def test_a_mean_for_all_layers(tmp_path: Path, tree: dict[str, Any]) -> None:
    """As in the first version of the code."""
    state = tree["state_dict"]
    state["style_mean"] = state["style_mean"][:, 0]
    found = importers.read(write(tmp_path, forge.zipped(tree)))
    assert found.identity == importers.read(FILE).identity


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (STYLE_INV, None, "was made by a version of MobileStyleGAN's code that cannot be read"),
        ("student.layers.0.up.modulation.weight", None, "was made by a version of MobileStyleGAN's code"),
        ("student.layers.1.conv2.conv.style_inv", None, "no tensor .* called layers.1.conv2.conv.style_inv"),
        ("student.layers.1.conv2.more", torch.zeros(1), "a tensor layers.1.conv2.more, which no network of this kind"),
        (
            STYLE_INV,
            torch.zeros(1, 1, 3, 1, 1),
            "and layers.0.conv1.conv.style_inv in it are impossible",
        ),
        (STYLE_INV, torch.zeros(1, 1, 1, 1, 1), "are impossible"),  # it would be repeated
        (STYLE_INV, torch.zeros(1, 2, 2, 3, 3), "are impossible"),
        ("style_mean", torch.zeros(2, 3, 8), "the sizes of style_mean in it are impossible"),
        ("student.conv1.bias", torch.zeros(1, 5, 1, 1), "the sizes of conv1.bias in it are impossible"),
        ("student.input.input", torch.zeros(1, 8, 4, 2), "const as 1x8x4x2 instead of 1x8x4x4"),
        ("student.layers.0.conv1.bias", torch.zeros(1, 9, 1, 1), "as 9 instead of 8"),
        ("style_mean", torch.zeros(2, dtype=torch.int64), "no tensor of floating-point numbers called style_mean"),
        ("mapping_net.layers.2.weight", torch.zeros(4, 8), "as 4x8 instead of 8x8"),
    ],
)
def test_what_is_refused(tmp_path: Path, tree: dict[str, Any], name: str, value: Any, said: str) -> None:
    tree["state_dict"][name] = value
    if value is None:
        del tree["state_dict"][name]
    with pytest.raises(StyleganError, match=f"{said}.*nothing in it was run"):
        importers.read(write(tmp_path, forge.zipped(tree)))


def test_classes_as_keys_become_names(tmp_path: Path) -> None:
    assert list(contents()["callbacks"]) == ["pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint"]
    with pytest.raises(StyleganError, match=r"asks for test_mobilestylegan_files\.Callback, which no"):
        importers.read(write(tmp_path, forge.zipped({"callbacks": {Callback: 1}})))


def test_many_levels_of_few_channels(tmp_path: Path, tree: dict[str, Any]) -> None:
    """A small file could ask for maps of noise of any size."""
    state = tree["state_dict"]
    last = {name: value for name, value in state.items() if name.startswith("student.layers.1.")}
    for i in range(2, 14):
        for name, value in last.items():
            state[name.replace("layers.1", f"layers.{i}")] = value
    with memory.at_most(500_000), pytest.raises(StyleganError, match="config is impossible"):
        importers.read(write(tmp_path, forge.zipped(tree)))
