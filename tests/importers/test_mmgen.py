"""MMGeneration's and MMagic's files: what is drawn is what the original draws, with red first, and every tensor is
used or dropped on purpose."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import forge
import mmgen_files
import pytest
import torch
from forge import write
from mmgen_files import KINDS, checkpoint
from originals import GOLDEN, arrays, close, ready
from test_hostile import refused
from torch import Tensor

from stylegan_cli import importers
from stylegan_cli.importers import Checkpoint

EXPECTED = arrays(GOLDEN / "mmgen.npz")
State = dict[str, Any]


def read(tmp_path: Path, tree: Any, **options: Any) -> Checkpoint:
    return importers.read(write(tmp_path, forge.zipped(tree, **options)))


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_parity(tmp_path: Path, kind: str) -> None:
    found = read(tmp_path, checkpoint(kind))
    generator = importers.generator(found, "x")
    assert generator.family == kind[:9]
    c = torch.eye(3)[[0, 1, 2, 0]] if generator.c_dim else None
    w = generator.to_w(EXPECTED[f"{kind}.z"], c)
    close(w, EXPECTED[f"{kind}.w"], 1e-5)
    pictures = generator.synthesize(generator.broadcast(w))
    close(pictures[..., ::4, ::4], EXPECTED[f"{kind}.images"], 1e-5 if kind.startswith("stylegan2") else 1e-6)


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_discriminators(tmp_path: Path, kind: str) -> None:
    found = read(tmp_path, checkpoint(kind)).discriminator
    assert found is not None
    judge = ready(found)
    pictures = torch.from_numpy(mmgen_files.pictures())
    c = torch.eye(3)[[0, 1, 2, 0]] if kind.endswith("classes") else None
    close(judge(pictures, c), EXPECTED[f"{kind}.scores"], 1e-5)


def test_what_is_read(tmp_path: Path) -> None:
    tree = checkpoint("stylegan2")
    found, theirs = read(tmp_path, tree), tree["state_dict"]
    assert found.format == "MMGeneration StyleGAN2 checkpoint"
    assert found.notes["colours"] == "BGR in the file" and "computed" in found.notes["w_avg"]
    assert found.generator.config["resample_filter"] == (1, 3, 3, 1)
    trained = found.training_generator
    assert trained is not None
    assert torch.equal(trained.tensors["synthesis.b4.const"], theirs["generator.constant_input.input"][0])
    head = theirs["generator_ema.to_rgbs.2.conv.weight_orig"]
    assert torch.equal(found.generator.tensors["synthesis.b32.torgb.weight"], head[0, [2, 1, 0]])


def test_a_mean_of_w_that_the_file_has(tmp_path: Path) -> None:
    tree = checkpoint("stylegan2")
    mean = tree["state_dict"]["generator_ema.w_avg"] = torch.randn(8)
    found = read(tmp_path, tree)
    assert torch.equal(found.generator.tensors["mapping.w_avg"], mean)
    assert "w_avg" not in found.notes


def averaged(state: State) -> State:
    return {name.removeprefix("generator_ema."): x for name, x in state.items() if name.startswith("generator_ema.")}


def wrapped(state: State) -> State:
    """MMagic's names, and what else it has."""
    more = {"generator_ema.steps": torch.tensor(7), "data_preprocessor.mean": torch.zeros(3, 1, 1)}
    inner = {f"generator_ema.module.{name}": x for name, x in averaged(state).items()}
    return {name: x for name, x in state.items() if not name.startswith("generator_ema.")} | inner | more


@pytest.mark.parametrize("kind", ["stylegan2", "stylegan3_t"])
@pytest.mark.parametrize(
    "change",
    [
        lambda tree: tree["state_dict"],
        lambda tree: averaged(tree["state_dict"]),
        lambda tree: tree | {"state_dict": averaged(tree["state_dict"])},
        lambda tree: tree | {"state_dict": {f"generator.{n}": x for n, x in averaged(tree["state_dict"]).items()}},
        lambda tree: tree | {"state_dict": wrapped(tree["state_dict"])},
        lambda tree: tree | {"optimizer": {"generator": {"state": {0: {"step": 7}}, "param_groups": []}}},
    ],
)
def test_the_same_network_in_other_files(tmp_path: Path, kind: str, change: Callable[[Any], Any]) -> None:
    tree = checkpoint(kind)
    expected = read(tmp_path, tree).identity
    assert read(tmp_path, change(tree), _use_new_zipfile_serialization=False).identity == expected


def test_logs_of_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MMagic keeps those in its checkpoints, as objects of a class of MMEngine's."""

    class HistoryBuffer:
        def __init__(self) -> None:
            self._max_length, self._log_history = 10, torch.zeros(3).numpy()

    HistoryBuffer.__module__, HistoryBuffer.__qualname__ = "mmengine.logging.history_buffer", "HistoryBuffer"
    for name in ("mmengine", HistoryBuffer.__module__):
        module = types.ModuleType(name)
        monkeypatch.setitem(sys.modules, name, module)
    module.HistoryBuffer = HistoryBuffer  # type: ignore[attr-defined]
    tree = checkpoint("stylegan2")
    content = forge.zipped(tree | {"message_hub": {"log_scalars": {"train/loss": HistoryBuffer()}}})
    monkeypatch.undo()
    assert importers.read(write(tmp_path, content)).identity == read(tmp_path, tree).identity


@pytest.mark.parametrize("key", ["config", "cfg"])
@pytest.mark.parametrize(("said", "colours"), [("rgb2bgr=True", "RGB"), ("rgb2bgr=False", "BGR"), ("", "BGR")])
def test_colours_of_stylegan3(tmp_path: Path, key: str, said: str, colours: str) -> None:
    """One that was trained there has blue first, unless it began as NVIDIA's; a converted one is as NVIDIA made it."""
    tree = checkpoint("stylegan3_t") | {"meta": {key: f"model = dict(generator=dict({said}))"}}
    found, theirs = read(tmp_path, tree), tree["state_dict"]
    assert found.notes["colours"] == f"{colours} in the file"
    order = [0, 1, 2] if colours == "RGB" else [2, 1, 0]
    for end in ("weight", "bias"):
        name = f"synthesis.L14_32_3.{end}"
        assert torch.equal(found.generator.tensors[name], theirs[f"generator_ema.{name}"][order])
    assert found.discriminator is not None
    seen = theirs["discriminator.convs.0.0.conv.weight_orig"]
    assert torch.equal(found.discriminator.tensors["b32.fromrgb.weight"], seen[:, order])


def test_colours_of_stylegan2_do_not_depend_on_a_config(tmp_path: Path) -> None:
    """NVIDIA's were turned round when they were converted."""
    state = checkpoint("stylegan2")["state_dict"]
    found = read(tmp_path, {"state_dict": state})
    assert found.notes["colours"] == "BGR in the file"
    assert found.discriminator is not None
    seen = state["discriminator.convs.0.0.conv.weight_orig"]
    assert torch.equal(found.discriminator.tensors["b32.fromrgb.weight"], seen[:, [2, 1, 0]])


def changed(change: Callable[[dict[str, Tensor]], object], kind: str = "stylegan2") -> bytes:
    tree = checkpoint(kind)
    change(tree["state_dict"])
    return forge.zipped(tree)


EMA = "generator_ema."
NONE_HAS_IT = "which no network of this kind has"
FILTERLESS = "upsample.kernel: its layers change the resolution without StyleGAN2's filter"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda state: state.pop(f"{EMA}convs.2.activate.bias"), "synthesis.b16.conv0.bias as nothing"),
        (lambda state: state.pop(f"{EMA}injected_noise_3"), "synthesis.b16.conv0.noise_const as nothing"),
        (lambda state: state.pop(f"{EMA}style_mapping.2.bias"), f"style_mapping.2.linear.weight_orig, {NONE_HAS_IT}"),
        (lambda state: state.pop(f"{EMA}to_rgbs.1.upsample.kernel"), f"it has no to_rgbs.1.{FILTERLESS}"),
        (lambda state: state.update({f"{EMA}extra": torch.zeros(2)}), f"a tensor extra, {NONE_HAS_IT}"),
        (lambda state: state.update({f"{EMA}conv1.conv.weight_orig": torch.zeros(())}), "impossible shape"),
        (lambda state: state.update({f"{EMA}to_rgb1.bias": torch.zeros(1, 2, 1, 1)}), "synthesis.b4.torgb.bias as 2"),
        (lambda state: state.update({f"{EMA}to_rgb1.bias": "text"}), "floating-point"),
        (lambda state: state.update({f"{EMA}to_rgbs.{n}.bias": torch.zeros(3) for n in range(40)}), "41 resolutions"),
        (lambda state: state.update({f"{EMA}convs.0.conv1.input": torch.zeros(1, 8, 4, 4)}), "activates twice where"),
    ],
)
def test_every_tensor_counts(tmp_path: Path, change: Callable[[State], object], said: str) -> None:
    refused(tmp_path, changed(change), said, ".pth")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda state: state.pop(f"{EMA}synthesis.L3_36_8.bias"), "synthesis.L3_36_8.bias as nothing"),
        (lambda state: state.update({f"{EMA}synthesis.L99_99999_3.weight": torch.zeros(3, 8, 1, 1)}), "impossible"),
        (lambda state: [state.pop(name) for name in list(state) if ".L" in name], "its StyleGAN3 has no layers"),
        (lambda state: state.update({f"{EMA}style_mapping.fc9.bias": torch.zeros(8)}), "mapping.fc9.bias as 8"),
        (lambda state: state.pop(f"{EMA}style_mapping.fc0.weight"), "it is damaged or not what it seems"),
        (lambda state: state.update({f"{EMA}style_mapping.embed.bias": torch.zeros(8)}), "mapping.embed.bias as 8"),
    ],
)
def test_every_tensor_of_stylegan3_counts(tmp_path: Path, change: Callable[[State], object], said: str) -> None:
    refused(tmp_path, changed(change, "stylegan3_t"), said, ".pth")


def test_a_mean_of_w_of_classes_is_not_made_up(tmp_path: Path) -> None:
    content = changed(lambda state: state.pop(f"{EMA}w_avg"), "stylegan2_classes")
    refused(tmp_path, content, "mapping.w_avg as nothing", ".pth")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda state: state.pop("discriminator.convs.2.conv1.1.bias"), "b16.conv0.bias as nothing"),
        (lambda state: state.pop("discriminator.convs.2.skip.0.kernel"), "it has no convs.2.skip.0.kernel"),
        (lambda state: state.update({"discriminator.extra": torch.zeros(2)}), f"a tensor extra, {NONE_HAS_IT}"),
    ],
)
def test_every_tensor_of_discriminators_counts(tmp_path: Path, change: Callable[[State], object], said: str) -> None:
    """Which drawing does not mind."""
    content = changed(change)
    importers.read(write(tmp_path, content))
    refused(tmp_path, content, said, ".pth", part=lambda found: found.discriminator)


@pytest.mark.parametrize("state", [None, 5, [], {}, {7: torch.zeros(2)}, {"discriminator.x": torch.zeros(2)}, "text"])
def test_states_that_are_none(tmp_path: Path, state: object) -> None:
    refused(tmp_path, forge.zipped({"meta": {}, "state_dict": state}), "it holds no network of a known kind", ".pth")


@pytest.mark.parametrize("meta", [None, 5, ["config"], {"config": 7}, {"cfg": None}])
def test_a_meta_that_is_none(tmp_path: Path, meta: object) -> None:
    tree = checkpoint("stylegan3_t")
    assert read(tmp_path, tree | {"meta": meta}).identity == read(tmp_path, tree).identity
