"""PyTorch files of the first StyleGAN, as InterFaceGAN, HiGAN and lernapparat write them: small, with numbers that
their names determine."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import forge
import numpy as np
import pytest
import torch
from forge import write
from originals import GOLDEN, arrays
from torch import Tensor

from stylegan_cli import importers
from stylegan_cli.errors import StyleganError

# Names and shapes in the original classes, with 8 feature maps, a w of 16 and 128 pixels.
NAMES = json.loads((GOLDEN / "stylegan1_names.json").read_text())
BLUR = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16
HIGAN = {".linear.": ".fc.", ".first_layer": ".const"}
Change = Callable[[dict[str, Any]], object]


def number(name: str, shape: list[int]) -> Tensor:
    """A tensor, drawn as its name says, and such that w is about as large as z."""
    if name.endswith("kernel"):
        return BLUR.expand(*shape).clone()
    if name.endswith("lod"):
        return torch.zeros(shape)
    size = 100 if re.search(r"mapping\..*weight", name) else 1
    return torch.from_numpy(np.random.RandomState(zlib.crc32(name.encode())).randn(*shape) * size).float()


def state_of(kind: str) -> dict[str, Any]:
    return {name: number(name, shape) for name, shape in NAMES[kind].items()}


def read(tmp_path: Path, tree: dict[str, Any], **options: Any) -> importers.Checkpoint:
    return importers.read(write(tmp_path, forge.zipped(tree, **options)))


@torch.no_grad()
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("kind", NAMES)
def test_parity(tmp_path: Path, kind: str, zipped: bool) -> None:
    generator = importers.generator(read(tmp_path, state_of(kind), _use_new_zipfile_serialization=zipped), "x")
    expected = arrays(GOLDEN / "stylegan1_files.npz")
    w = generator.to_w(torch.from_numpy(np.random.RandomState(5).randn(2, 16)).float())
    pictures = generator.synthesize(generator.broadcast(w))[:, :, ::4, ::4]
    for found, part in ((w, "w"), (pictures, "pictures")):
        original = expected[f"{kind}_{part}"]
        assert (found - original).abs().max() < 1e-4 < original.std() / 1000


def test_interfacegan(tmp_path: Path) -> None:
    state = state_of("interfacegan")
    checkpoint = read(tmp_path, state)
    assert checkpoint.format == "InterFaceGAN StyleGAN file"
    assert (checkpoint.discriminator, checkpoint.training_generator, checkpoint.notes) == (None, None, {})
    config, tensors = checkpoint.generator.config, checkpoint.generator.tensors
    assert (config["resolution"], config["fused_from"], config["lod"]) == (128, 128, 0)
    assert torch.equal(tensors["w_avg"], state["truncation.w_avg"])
    for n in range(6):
        assert torch.equal(tensors[f"synthesis.torgb.{n}.weight"], state[f"synthesis.output{n}.conv.weight"])
        assert torch.equal(tensors[f"synthesis.torgb.{n}.bias"], state[f"synthesis.output{n}.bias"])


def test_interfacegan_whole(tmp_path: Path) -> None:
    """With the strengths of truncation, which its own files leave out."""
    state = state_of("interfacegan")
    whole = read(tmp_path, state | {"truncation.truncation": torch.full((1, 12, 1), 0.7)})
    assert whole.identity == read(tmp_path, state).identity


def test_higan(tmp_path: Path) -> None:
    state = state_of("interfacegan")
    renamed = dict(state)
    for theirs, other in HIGAN.items():
        renamed = {name.replace(theirs, other): tensor for name, tensor in renamed.items()}
    assert len(renamed.keys() - state.keys()) == 8 + 12 + 1
    assert read(tmp_path, renamed).identity == read(tmp_path, state).identity


@pytest.mark.parametrize("fused_from", [8, 32, 128, 0])
def test_where_convolutions_begin_to_upsample(tmp_path: Path, fused_from: int) -> None:
    """From there on, their weights have another name, and TensorFlow's shape."""
    state = state_of("interfacegan")
    state["synthesis.layer10.conv.weight"] = state.pop("synthesis.layer10.weight").permute(3, 2, 0, 1)
    weights = {n: state[f"synthesis.layer{2 * n}.conv.weight"] for n in range(1, 6)}
    for n, weight in weights.items():
        if 0 < fused_from <= 4 << n:
            del state[f"synthesis.layer{2 * n}.conv.weight"]
            state[f"synthesis.layer{2 * n}.weight"] = weight.permute(2, 3, 1, 0)
    found = read(tmp_path, state).generator
    assert found.config["fused_from"] == fused_from
    assert all(torch.equal(found.tensors[f"synthesis.layers.{2 * n}.weight"], one) for n, one in weights.items())


def test_convolutions_of_a_small_network(tmp_path: Path) -> None:
    """At 64 pixels none upsample, as in NVIDIA's."""
    state = {name: x for name, x in state_of("interfacegan").items() if not re.search(r"(layer1[01]|output5)\.", name)}
    config = read(tmp_path, state).generator.config
    assert (config["resolution"], config["fused_from"]) == (64, 128)


def test_interfacegan_that_grew(tmp_path: Path) -> None:
    state = state_of("interfacegan") | {"synthesis.lod": torch.tensor(1.5)}
    assert read(tmp_path, state).generator.config["lod"] == 1.5


def test_what_lernapparat_does_not_have(tmp_path: Path) -> None:
    """The mean of w and the noise are a part of the model's identity, and the same for everybody."""
    checkpoint = read(tmp_path, state_of("lernapparat"))
    assert checkpoint.format == "lernapparat StyleGAN file"
    assert checkpoint.notes.keys() == {"w_avg", "torgb"}
    assert checkpoint.identity == read(tmp_path, state_of("lernapparat")).identity
    tensors = checkpoint.generator.tensors
    assert not any(tensors[f"synthesis.torgb.{n}.{end}"].any() for n in range(5) for end in ("weight", "bias"))
    generator = importers.generator(checkpoint, "x")
    w = generator.to_w(torch.from_numpy(np.random.RandomState(1).randn(2000, 16)))
    assert ((w.mean(dim=0) - generator.w_avg).abs() < 0.15 * w.std(dim=0)).all()
    maps = [tensors[f"synthesis.layers.{i}.noise_const"] for i in range(2, 12)]
    assert all(0.7 < one.std() < 1.3 for one in maps)
    assert not torch.equal(maps[-1], maps[-2])


STRANGE = "which no network of this kind has"


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        ("interfacegan", lambda state: state.pop("truncation.w_avg"), "w_avg as nothing"),
        ("interfacegan", lambda state: state.pop("synthesis.layer3.epilogue.bias"), "layers.3.bias as nothing"),
        ("interfacegan", lambda state: state.update({"x": torch.zeros(2)}), f"a tensor x, {STRANGE}"),
        ("interfacegan", lambda state: state.update({7: torch.zeros(2)}), STRANGE),
        (
            "interfacegan",
            lambda state: state.update({"synthesis.layer0.const": torch.zeros(1, 8, 4, 4)}),
            "two tensors for synthesis.const",
        ),
        (
            "interfacegan",  # one that upsamples between two that do not
            lambda state: state.update({"synthesis.layer6.weight": state.pop("synthesis.layer6.conv.weight")}),
            f"synthesis.layer8.conv.weight, {STRANGE}",
        ),
        (
            "interfacegan",
            lambda state: state.update({"synthesis.layer10.weight": torch.zeros(8, 8, 3, 3)}),
            "synthesis.layers.10.weight as 3x3x8x8 instead of",
        ),
        ("interfacegan", lambda state: state.update({"synthesis.lod": torch.tensor(9.0)}), "lod is 9.0"),
        (
            "interfacegan",
            lambda state: state.update(
                {
                    "mapping.dense7.linear.weight": torch.zeros(12 * 16, 16),
                    "mapping.dense7.wscale.bias": torch.zeros(12 * 16),
                }
            ),
            "a different w for each layer, as in In-Domain GAN Inversion",
        ),
        ("lernapparat", lambda state: state.pop("g_synthesis.torgb.bias"), "synthesis.torgb.5.bias as nothing"),
        ("lernapparat", lambda state: state.pop("g_mapping.dense3.weight"), f"g_mapping.dense3.bias, {STRANGE}"),
        ("lernapparat", lambda state: state.update({"g_synthesis.x": torch.zeros(2)}), f"g_synthesis.x, {STRANGE}"),
        (
            "lernapparat",
            lambda state: state.update({"g_synthesis.torgb.weight": torch.zeros(1, 4, 1, 1)}),
            "synthesis.torgb.5.weight as 1x4x1x1 instead of 3x",
        ),
        ("lernapparat", lambda state: state.update({"g_mapping.dense3.weight": "text"}), "floating-point"),
    ],
)
def test_every_tensor_counts(tmp_path: Path, kind: str, change: Change, said: str) -> None:
    state = state_of(kind)
    change(state)
    path = write(tmp_path, forge.zipped(state))
    with pytest.raises(StyleganError, match=rf"^{re.escape(str(path))} was refused: its? .*{re.escape(said)}.*\Z"):
        importers.read(path)


def test_tensors_of_the_same_numbers(tmp_path: Path) -> None:
    one = torch.zeros(128 * 128)
    state = {name: one[: x.numel()].view(x.shape) for name, x in state_of("interfacegan").items()}
    with pytest.raises(StyleganError, match="its tensors are larger than the file itself"):
        read(tmp_path, state)


def test_noise_far_larger_than_the_file(tmp_path: Path) -> None:
    """A few kilobytes say that a network is for 4096 pixels."""
    state = state_of("lernapparat") | {"g_synthesis.torgb.weight": torch.zeros(3, 8, 1, 1)}
    block = {name: x for name, x in state.items() if ".32x32." in name}
    for r in (64, 128, 256, 512, 1024, 2048, 4096):
        state |= {name.replace("32x32", f"{r}x{r}"): x.clone() for name, x in block.items()}
    with pytest.raises(StyleganError, match="the noise maps that it lacks would be far larger than the file itself"):
        read(tmp_path, state)


@pytest.mark.parametrize("among", [None, "generator", "g_running"])
def test_a_network_that_is_another_one(tmp_path: Path, among: str | None) -> None:
    """rosinality's style-based-gan-pytorch."""
    state = {"generator.progression.0.conv1.input": torch.zeros(1, 8, 4, 4), "style.1.linear.bias": torch.zeros(8)}
    with pytest.raises(StyleganError, match=r"was refused: it is from rosinality's style-based-gan-pytorch, whose net"):
        read(tmp_path, {among: state} if among else state)
