"""Each project's real tensor names and shapes, filled with random numbers: every tensor is used, in the right place."""

from __future__ import annotations

import argparse
import json
import math
import re
from dataclasses import asdict, replace
from pathlib import Path, PurePosixPath
from typing import Any

import forge
import memory
import numpy as np
import pytest
import small_families
import torch
from forge import KERNEL, LOD, NAMES, numbers, stylegan2, tensorflow, write
from safetensors.torch import save_file
from torch import Tensor

from stylegan_cli import architectures, importers, modelfile
from stylegan_cli.errors import StyleganError
from stylegan_cli.importers import configs, rosinality


def own_variables(network: forge.Network, part: str = "") -> dict[str, Tensor]:
    state = (network.state["components"][part] if part else network).state
    return {name: torch.from_numpy(np.asarray(value)) for name, value in state["variables"]}


@pytest.mark.parametrize("zipped", [True, False])
def test_rosinality(tmp_path: Path, zipped: bool) -> None:
    names = NAMES["rosinality_64.pt"]
    tree = {"g_ema": numbers(names["g_ema"]), "d": numbers(names["d"]), "latent_avg": torch.randn(64)}
    checkpoint = importers.read(write(tmp_path, forge.zipped(tree, _use_new_zipfile_serialization=zipped)))
    found, theirs = checkpoint.generator.tensors, tree["g_ema"]
    assert torch.equal(found["mapping.w_avg"], tree["latent_avg"])
    assert torch.equal(found["mapping.fc7.weight"], theirs["style.8.weight"])
    assert torch.equal(found["synthesis.b4.conv1.noise_const"], theirs["noises.noise_0"][0, 0])
    assert torch.equal(found["synthesis.b64.conv0.weight"], theirs["convs.6.conv.weight"][0])
    assert torch.equal(found["synthesis.b64.conv1.noise_const"], theirs["noises.noise_8"][0, 0])
    assert torch.equal(found["synthesis.b64.torgb.bias"], theirs["to_rgbs.3.bias"].flatten())
    assert checkpoint.generator.config["resample_filter"] == (1, 3, 3, 1)
    assert checkpoint.discriminator is not None
    assert torch.equal(checkpoint.discriminator.tensors["b8.conv1.weight"], tree["d"]["convs.4.conv2.1.weight"])
    assert checkpoint.training_generator is None


def test_rosinality_from_its_own_training(tmp_path: Path) -> None:
    """Without a mean of w, without noise maps (as in early versions), with the arguments of the run."""
    names = {k: v for k, v in NAMES["rosinality_64.pt"]["g_ema"].items() if not k.startswith("noises")}
    state = {
        name: tensor * (100 if "style" in name else 1) for name, tensor in numbers(names).items()
    }  # as drawn there
    tree = {"g": state, "g_ema": state, "args": argparse.Namespace(size=64), "ada_aug_p": 0.1}
    path = write(tmp_path, forge.zipped(tree))
    checkpoint, again = importers.read(path), importers.read(path)
    generator = importers.generator(checkpoint, "x")
    z = torch.from_numpy(np.random.RandomState(1).randn(2000, 64))
    spread = generator.to_w(z).std(dim=0).mean()
    assert (generator.to_w(z).mean(dim=0) - generator.w_avg).abs().max() < 0.15 * spread
    assert "w_avg" in generator.origin.notes
    assert checkpoint.training_generator is not None
    tensors = checkpoint.generator.tensors
    assert 0.9 < tensors["synthesis.b64.conv1.noise_const"].std() < 1.1
    assert all(torch.equal(tensor, again.generator.tensors[name]) for name, tensor in tensors.items())
    # The average is a part of the identity: rounded far above what machines disagree in.
    steps = generator.w_avg * 2**16
    assert torch.equal(steps, steps.round())


def test_an_only_generator_called_g(tmp_path: Path) -> None:
    """JoJoGAN's and others' files."""
    state = numbers(NAMES["rosinality_64.pt"]["g_ema"])
    checkpoint = importers.read(write(tmp_path, forge.zipped({"g": state})))
    assert torch.equal(checkpoint.generator.tensors["synthesis.b4.const"], state["input.input"][0])
    assert checkpoint.training_generator is None


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    "more",
    [
        {"g_optim": {"state": {140234567890128: {"step": 7}}, "param_groups": []}},  # by addresses, until PyTorch 1.5
        {"best": np.float64(3.5), "device": torch.device("cuda", 0), "on": torch.device("cpu")},
    ],
)
def test_what_lies_beside_networks(tmp_path: Path, zipped: bool, more: dict[str, Any]) -> None:
    tree = {"g_ema": numbers(NAMES["rosinality_64.pt"]["g_ema"])} | more
    content = forge.zipped(tree, _use_new_zipfile_serialization=zipped)
    assert importers.read(write(tmp_path, content)).generator.family == "stylegan2"


def test_genforce_from_its_own_training(tmp_path: Path) -> None:
    models = {name: numbers(shapes) for name, shapes in NAMES["genforce_sg2_64.pth"].items()}
    models["generator"] = models["generator_smooth"]
    tree = {"models": models, "running_metadata": {"iter": 1, "seen_img": 2}, "optimizers": {}}
    checkpoint = importers.read(write(tmp_path, forge.zipped(tree)))
    assert checkpoint.training_generator is not None


@pytest.mark.parametrize("version", [1, 2])
def test_genforce(tmp_path: Path, version: int) -> None:
    names = NAMES[f"genforce_sg{version}_64.pth"]
    tree = {name: numbers(shapes) for name, shapes in names.items()}
    checkpoint = importers.read(write(tmp_path, forge.zipped(tree)))
    found, theirs = checkpoint.generator.tensors, tree["generator_smooth"]
    assert checkpoint.generator.family == f"stylegan{version}"
    assert checkpoint.training_generator is None
    assert checkpoint.discriminator is not None
    judge, judged = checkpoint.discriminator.tensors, tree["discriminator"]
    if version == 1:
        assert torch.equal(found["synthesis.layers.8.weight"], theirs["synthesis.layer8.weight"])
        assert torch.equal(found["synthesis.layers.9.affine.bias"], theirs["synthesis.layer9.style.bias"])
        assert torch.equal(judge["blocks.4.conv1.weight"], judged["layer1.weight"])
        assert torch.equal(judge["fromrgb.0.weight"], judged["input4.weight"])
    else:
        assert torch.equal(found["synthesis.b64.conv0.weight"], theirs["synthesis.layer7.weight"].flip(2, 3))
        assert torch.equal(found["synthesis.b64.conv1.weight"], theirs["synthesis.layer8.weight"])
        assert torch.equal(found["synthesis.b8.torgb.affine.bias"], theirs["synthesis.output1.style.bias"] + 1)
        assert torch.equal(judge["b8.skip.weight"], judged["skip_layer3.weight"])


def test_stylegan1_of_tensorflow(tmp_path: Path) -> None:
    generator, judge = (tensorflow(NAMES["sg1tf_64.pkl"][name]) for name in ("Gs", "D"))
    checkpoint = importers.read(write(tmp_path, forge.dumps((generator, judge, generator))))
    theirs, found = own_variables(generator, "synthesis"), checkpoint.generator.tensors
    assert torch.equal(found["w_avg"], own_variables(generator)["dlatent_avg"])
    assert torch.equal(found["mapping.fc3.weight"], own_variables(generator, "mapping")["Dense3/weight"].T)
    assert torch.equal(found["synthesis.layers.8.weight"], theirs["64x64/Conv0_up/weight"].permute(3, 2, 0, 1))
    assert torch.equal(found["synthesis.layers.1.noise_strength"], theirs["4x4/Conv/Noise/weight"])
    assert torch.equal(found["synthesis.torgb.4.weight"], theirs["ToRGB_lod0/weight"].permute(3, 2, 0, 1))
    assert checkpoint.discriminator is not None
    assert torch.equal(
        checkpoint.discriminator.tensors["final.dense0.weight"], own_variables(judge)["4x4/Dense0/weight"].T
    )
    assert checkpoint.generator.config["fused_from"] == 128
    assert (checkpoint.generator.config["lod"], checkpoint.discriminator.config["lod"]) == (LOD, LOD)
    assert importers.generator(checkpoint, "growing").lod == LOD


def test_stylegan2_of_tensorflow(tmp_path: Path) -> None:
    generator, judge = (tensorflow(NAMES["sg2tf_64.pkl"][name]) for name in ("Gs", "D"))
    checkpoint = importers.read(write(tmp_path, forge.dumps((generator, judge, generator))))
    theirs, found = own_variables(generator, "synthesis"), checkpoint.generator.tensors
    up = theirs["8x8/Conv0_up/weight"].permute(3, 2, 0, 1).flip(2, 3)
    assert torch.equal(found["synthesis.b8.conv0.weight"], up)
    assert torch.equal(found["synthesis.b8.conv1.weight"], theirs["8x8/Conv1/weight"].permute(3, 2, 0, 1))
    assert torch.equal(found["synthesis.b64.conv1.noise_const"], theirs["noise8"][0, 0])
    assert torch.equal(found["synthesis.b64.torgb.affine.bias"], theirs["64x64/ToRGB/mod_bias"] + 1)
    assert torch.equal(found["synthesis.b16.conv0.affine.weight"], theirs["16x16/Conv0_up/mod_weight"].T)
    assert found["synthesis.b16.conv0.noise_strength"] == theirs["16x16/Conv0_up/noise_strength"]


@pytest.mark.parametrize("layers", [0, 1])
def test_classes_of_tensorflow(tmp_path: Path, layers: int) -> None:
    """StyleGAN2's `LabelConcat`, and the embedding of StyleGAN2-ADA's TensorFlow version; NVIDIA's own discriminators
    map embedded classes by no layer."""
    for label, ours in (
        ({"LabelConcat/weight": [3, 64]}, "concat"),
        ({"LabelEmbed/weight": [3, 64], "LabelEmbed/bias": [64]}, "embed"),
    ):
        names = json.loads(json.dumps(NAMES["sg2tf_64.pkl"]))
        mapping, judge = names["Gs"]["components"]["mapping"], names["D"]
        mapping["variables"] |= label | {"Dense0/weight": [128, 64]}
        if ours == "embed":
            judge["variables"] |= {"LabelEmbed/weight": [3, 32], "LabelEmbed/bias": [32]}
            judge["variables"] |= {"Output/weight": [32, 32], "Output/bias": [32]}
            if layers:
                judge["variables"] |= {"Mapping0/weight": [32, 32], "Mapping0/bias": [32]}
        else:
            judge["variables"] |= {"Output/weight": [32, 3], "Output/bias": [3]}
        for network in (names["Gs"], judge):
            network["static_kwargs"]["label_size"] = 3
        generator = tensorflow(names["Gs"])
        checkpoint = importers.read(write(tmp_path, forge.dumps((generator, tensorflow(judge), generator))))
        assert checkpoint.discriminator is not None
        for config in (checkpoint.generator.config, checkpoint.discriminator.config):
            assert (config["c_dim"], config["label_input"]) == (3, ours)
        if ours == "embed":
            assert checkpoint.discriminator.config["mapping_layers"] == layers


@pytest.mark.parametrize(("built", "group"), [("D_main", configs.WHOLE_BATCH), ("D_stylegan2", 4)])
def test_what_tensorflow_discriminators_were_built_with_by_default(tmp_path: Path, built: str, group: int) -> None:
    names = json.loads(json.dumps(NAMES["sg2tf_64.pkl"]))
    generator, judge = tensorflow(names["Gs"]), names["D"] | {"build_func_name": built}
    judge["static_kwargs"] = {k: v for k, v in judge["static_kwargs"].items() if k != "mbstd_group_size"}
    found = importers.read(write(tmp_path, forge.dumps((generator, tensorflow(judge), generator)))).discriminator
    assert found is not None
    assert (found.config["mbstd_group_size"], found.config["mapping_lr_multiplier"]) == (group, 0.1)


def grown(network: dict[str, Any], lod: float) -> forge.Network:
    """A StyleGAN2 of the configurations B to D: a head for each resolution, named as StyleGAN's, and no shortcuts."""
    kept = {}
    for name, shape in network["variables"].items():
        head = re.fullmatch(r"64x64/(ToRGB|FromRGB)/(.*)", name)
        if head:
            kept |= {f"{head[1]}_lod{k}/{head[2]}": shape for k in range(5)}
        elif not re.search("ToRGB|Skip", name):
            kept[name] = shape
    made = tensorflow(network | {"variables": kept})
    made.state["variables"].append(("lod", np.float32(lod)))
    return made


def test_stylegan2_of_tensorflow_that_grew(tmp_path: Path) -> None:
    names = json.loads(json.dumps(NAMES["sg2tf_64.pkl"]))

    def checkpoint(lod: float) -> tuple[importers.Checkpoint, forge.Network, forge.Network]:
        generator, judge = tensorflow(names["Gs"]), grown(names["D"], lod)
        generator.state["components"]["synthesis"] = grown(names["Gs"]["components"]["synthesis"], lod)
        return importers.read(write(tmp_path, forge.dumps((generator, judge, generator)))), generator, judge

    found, generator, judge = checkpoint(0.0)
    assert found.discriminator is not None
    assert (found.generator.config["architecture"], found.discriminator.config["architecture"]) == ("orig", "orig")
    last = own_variables(generator, "synthesis")["ToRGB_lod0/weight"].permute(3, 2, 0, 1)
    assert torch.equal(found.generator.tensors["synthesis.b64.torgb.weight"], last)
    first = own_variables(judge)["FromRGB_lod0/weight"].permute(3, 2, 0, 1)
    assert torch.equal(found.discriminator.tensors["b64.fromrgb.weight"], first)
    importers.generator(found, "grown")
    with pytest.raises(StyleganError, match=r"still growing \(lod 1.5\)"):
        checkpoint(1.5)


def stylegan3(**changes: Any) -> tuple[dict[str, Any], dict[str, Tensor]]:
    config = {"resolution": 16, "channel_base": 64, "channel_max": 4, "z_dim": 4, "w_dim": 4, **changes}
    state = architectures.build("stylegan3", config).state_dict()
    return config, numbers({name: list(tensor.shape) for name, tensor in state.items()})


def stylegan3_module(config: dict[str, Any], tensors: dict[str, Tensor]) -> forge.Module:
    given = {name: value for name, value in config.items() if name not in ("resolution", "z_dim", "w_dim", "c_dim")}
    mapping = {"num_layers": 2, "z_dim": 4, "w_dim": 4, "c_dim": config.get("c_dim", 0), "w_avg_beta": 0.998}
    attributes = {f"mapping.{name}": value for name, value in mapping.items()} | {"mapping.fc0.bias_gain": 0.01}
    own = {"img_resolution": 16, "img_channels": config.get("img_channels", 3), "_init_kwargs": forge.EasyDict(given)}
    attributes |= {f"synthesis.{name}": value for name, value in own.items()}
    return forge.module(tensors, attributes)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"conv_kernel": 1, "use_radial_filters": True},
        {"num_layers": 6, "c_dim": 2},
        {"img_channels": 1},
        {"conv_clamp": None},
    ],
)
def test_stylegan3(tmp_path: Path, changes: dict[str, Any]) -> None:
    config, tensors = stylegan3(**changes)
    network = stylegan3_module(config, tensors)
    checkpoint = importers.read(write(tmp_path, forge.dumps({"G_ema": network, "augment_pipe": None})))
    assert checkpoint.discriminator is None
    found = checkpoint.generator.tensors
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in tensors.items())
    generator = importers.generator(checkpoint, "x")
    assert generator.synthesize(generator.broadcast(torch.zeros(1, 4))).shape == (1, 3, 16, 16)


@pytest.mark.parametrize("start", [(4, 4), (4, 2)])
def test_export_to_rosinality_and_back(tmp_path: Path, start: tuple[int, int]) -> None:
    network = stylegan2(resample_filter=(1, 2, 1, 1), start=start)
    path = write(tmp_path, forge.zipped(rosinality.export(network)))
    back = importers.read(path).generator
    assert back.tensors.keys() == network.tensors.keys()
    assert all(torch.equal(back.tensors[name], tensor) for name, tensor in network.tensors.items())
    assert (back.config["resample_filter"], back.config["start"]) == ((1, 2, 1, 1), start)
    generator = importers.generator(importers.read(path), "x")
    rosinality.save(generator, tmp_path / "out.pt")
    z = torch.randn(2, 4)
    again = importers.generator(importers.read(tmp_path / "out.pt"), "x")
    assert torch.equal(
        again.synthesize(again.broadcast(again.to_w(z))),
        generator.synthesize(generator.broadcast(generator.to_w(z))),
    )


def test_rosinalitys_layout_keeps_the_note_about_tunings(tmp_path: Path) -> None:
    """With which people would be tuned twice if it were lost; what others wrote there is no note."""
    path = tmp_path / "out.pt"
    for wrote, found in ((["1" * 64, "2" * 64],) * 2, (["1", 2, "3" * 300], ["1"]), ([], None), ("x", None)):
        torch.save(rosinality.export(stylegan2()) | {"tunings": wrote}, path)
        generator = importers.generator(importers.read(path), "x")
        rosinality.save(generator, path)
        assert importers.read(path).notes.get("tunings") == found


def test_rosinalitys_layout_keeps_the_licence(tmp_path: Path) -> None:
    """As a plain string, which torch and others' code read past; what is no string is no licence."""
    path, text = tmp_path / "out.pt", "theirs: " + "\u00e9" * 300
    for wrote, found in ((text, text), (["MIT"], None), (3, None)):
        torch.save(rosinality.export(stylegan2()) | {"licence": wrote}, path)
        rosinality.save(importers.generator(importers.read(path), "x"), path)
        assert importers.read(path).notes.get("licence") == found
        assert torch.load(path, weights_only=True).keys() - {"licence"} == {"latent_avg", "g_ema"}


def test_a_model_is_the_same_in_another_layout(tmp_path: Path) -> None:
    network = tensorflow(NAMES["sg2tf_64.pkl"]["Gs"])
    checkpoint = importers.read(write(tmp_path, forge.dumps((network, network, network))))
    rosinality.save(importers.generator(checkpoint, "x"), tmp_path / "out.pt")
    assert importers.read(tmp_path / "out.pt").identity == checkpoint.identity


@pytest.mark.parametrize(("base", "most"), [(3000, 128), (1000, 512), (90, 7), (16384, 512)])
def test_sizes_follow_from_channels(base: int, most: int) -> None:
    """Also where a base is no multiple of the resolution."""
    config = architectures.stylegan2.Config(resolution=64, channel_base=base, channel_max=most)
    channels = [config.channels(r) for r in config.resolutions]
    found = architectures.stylegan2.Config(64, *configs._capacity(channels))
    assert [found.channels(r) for r in config.resolutions] == channels


def test_export_has_rosinality_s_names() -> None:
    """All names and ranks of the reference file, for a network of its size."""
    names = NAMES["rosinality_64.pt"]["g_ema"]
    exported = rosinality.export(
        stylegan2(resolution=64, channel_base=1024, channel_max=32, z_dim=64, w_dim=64, mapping_layers=8)
    )
    assert {name: list(tensor.shape) for name, tensor in exported["g_ema"].items()} == names


@pytest.mark.parametrize(
    "changes", [{"architecture": "resnet"}, {"c_dim": 2}, {"z_dim": 8}, {"resample_filter": (1, 2, 1)}]
)
def test_export_refuses_what_rosinality_does_not_know(changes: dict[str, Any]) -> None:
    with pytest.raises(StyleganError, match="rosinality's layout"):
        rosinality.export(stylegan2(**changes))


def test_exported_filters_make_up_for_the_zeros_that_upsampling_inserts() -> None:
    """Theirs are used as they are stored: with another sum every layer would draw darker or lighter."""
    kernels = [value for name, value in rosinality.export(stylegan2())["g_ema"].items() if name.endswith("kernel")]
    assert len(kernels) == 4
    assert all(torch.equal(kernel, 4 * KERNEL / KERNEL.sum()) for kernel in kernels)


def test_export_leaves_the_clamp_out(tmp_path: Path) -> None:
    """NVIDIA's trainers set one; it changes no feature map that is smaller."""
    network = stylegan2(conv_clamp=256)
    generator = importers.generator(importers.Checkpoint("x", network), "x")
    rosinality.save(generator, tmp_path / "out.pt")
    back = importers.generator(importers.read(tmp_path / "out.pt"), "x")
    assert back.config.conv_clamp is None
    ws = generator.broadcast(generator.to_w(torch.randn(1, 4)))
    assert torch.equal(back.synthesize(ws), generator.synthesize(ws))


@pytest.mark.parametrize("layers", [None, 1, 10])
def test_generators_of_encoders(tmp_path: Path, layers: int | None) -> None:
    """pSp's and e4e's, whose average w may be there once for every layer."""
    state, mean = numbers(NAMES["rosinality_64.pt"]["g_ema"]), torch.randn(64)
    decoder = {f"decoder.{name}": tensor for name, tensor in state.items()}
    encoder = {"encoder.input_layer.0.weight": torch.randn(4, 3, 3, 3), "encoder.steps": torch.tensor(7)}
    averages = {} if layers is None else {"latent_avg": mean if layers == 1 else mean.repeat(layers, 1)}
    options = argparse.Namespace(device="cuda:0", stylegan_size=64, exp_dir=PurePosixPath("runs"))
    tree = {"state_dict": {**encoder, **decoder}, **averages, "opts": options}
    found = importers.read(write(tmp_path, forge.zipped(tree))).generator
    plain = {"g_ema": state, **({} if layers is None else {"latent_avg": mean})}
    expected = importers.read(write(tmp_path, forge.zipped(plain))).generator
    assert found.config == expected.config
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in expected.tensors.items())
    assert found.tensors.keys() == expected.tensors.keys()


def test_names_of_parallel_networks(tmp_path: Path) -> None:
    """As DataParallel calls them."""
    state, mean = numbers(NAMES["rosinality_64.pt"]["g_ema"]), torch.randn(64)
    wrapped = {f"module.{name}": tensor for name, tensor in state.items()}
    found = importers.read(write(tmp_path, forge.zipped({"g_ema": wrapped, "latent_avg": mean})))
    expected = importers.read(write(tmp_path, forge.zipped({"g_ema": state, "latent_avg": mean})))
    assert found.identity == expected.identity


def test_the_mean_of_a_wide_mapping_network(tmp_path: Path) -> None:
    """What a file of 5 MB takes is not 65,536 times as much as its widest layer."""
    state = numbers(NAMES["rosinality_64.pt"]["g_ema"])
    for name in [name for name in state if name.startswith("style.")]:
        del state[name]
    wide = 65_536
    state |= {"style.1.weight": torch.randn(wide, 8), "style.1.bias": torch.zeros(wide)}
    state |= {"style.2.weight": torch.randn(64, wide), "style.2.bias": torch.zeros(64)}
    path = write(tmp_path, forge.zipped({"g_ema": state}))
    with memory.at_most(500_000):
        importers.read(path)


def test_native_files(tmp_path: Path) -> None:
    network = stylegan2()
    generator = importers.generator(importers.Checkpoint("x", network), "x")
    modelfile.save(generator, tmp_path / "a.safetensors", {"licence": "none"})
    checkpoint = importers.read(tmp_path / "a.safetensors")
    assert checkpoint.notes == {"licence": "none"}
    assert all(torch.equal(checkpoint.generator.tensors[name], tensor) for name, tensor in network.tensors.items())
    content = bytearray((tmp_path / "a.safetensors").read_bytes())
    content[-1] ^= 1
    with pytest.raises(StyleganError, match="sha256"):
        importers.read(write(tmp_path, bytes(content)))
    content[-1] ^= 1
    listed = bytes(content).replace(rb"{\"licence\": \"none\"}", rb"[\"licence\", \"none\"]")
    with pytest.raises(StyleganError, match="its notes are a list, not a table"):
        importers.read(write(tmp_path, listed))


def broken(change: Any) -> bytes:
    tree = {"g_ema": numbers(NAMES["rosinality_64.pt"]["g_ema"]), "latent_avg": torch.randn(64)}
    change(tree["g_ema"])
    return forge.zipped(tree)


def damaged_judges(kind: str) -> bytes:
    """A checkpoint whose discriminator and training generator are not what they should be; the averaged one is."""
    strange = {"nothing.weight": torch.zeros(2)}
    if kind == "rosinality":
        network = rosinality.export(stylegan2())
        return forge.zipped(network | {"d": strange, "g": strange})
    if kind == "genforce":
        averaged = numbers(NAMES["genforce_sg2_64.pth"]["generator_smooth"])
        return forge.zipped({"generator_smooth": averaged, "discriminator": strange, "generator": strange})
    if kind == "tensorflow":
        averaged, strange = tensorflow(NAMES["sg2tf_64.pkl"]["Gs"]), {"variables": 5, "components": {}}
        return forge.dumps((forge.Network(strange), forge.Network(strange), averaged))
    config, tensors = stylegan3()
    return forge.dumps({"G_ema": stylegan3_module(config, tensors), "D": 5, "G": forge.module(strange, {})})


@pytest.mark.parametrize("kind", ["rosinality", "genforce", "tensorflow", "torch"])
def test_drawing_does_not_mind_what_only_training_needs(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path, damaged_judges(kind))
    checkpoint = importers.read(path)
    assert importers.generator(checkpoint, "x").num_ws
    for part in ("discriminator", "training_generator"):
        with pytest.raises(StyleganError, match=rf"^{re.escape(str(path))} was refused: it .* use another copy"):
            getattr(checkpoint, part)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda state: state.pop("convs.3.activate.bias"), "synthesis.b16.conv1.bias as nothing"),
        (lambda state: state.update({"extra.weight": torch.zeros(2)}), "extra.weight"),
        (lambda state: state.update({"style.3.weight": torch.zeros(64, 63)}), "mapping.fc2.weight as 64x63"),
        (lambda state: state.update({"input.input": torch.zeros(())}), "impossible shape"),
        (lambda state: state.update({"style.3.weight": torch.zeros(64, 64, dtype=torch.int64)}), "floating-point"),
        (lambda state: state.update({"style.3.weight": "text"}), "floating-point"),
        (lambda state: state.update({"convs.0.conv.blur.kernel": torch.eye(4)}), "separable"),
    ],
)
def test_every_tensor_counts(tmp_path: Path, change: Any, said: str) -> None:
    with pytest.raises(StyleganError) as caught:
        importers.read(write(tmp_path, broken(change)))
    assert said in str(caught.value)


def test_what_a_file_says_must_be_so(tmp_path: Path) -> None:
    for option, value in (("resolution", 128), ("label_size", 3), ("latent_size", 32), ("use_noise", False)):
        names = json.loads(json.dumps(NAMES["sg2tf_64.pkl"]))
        names["Gs"]["static_kwargs"][option] = value
        generator = tensorflow(names["Gs"])
        with pytest.raises(StyleganError, match="refused: it"):
            importers.read(write(tmp_path, forge.dumps((generator, tensorflow(names["D"]), generator))))


def test_one_storage_for_many_tensors_is_not_believed(tmp_path: Path) -> None:
    state = numbers(NAMES["rosinality_64.pt"]["g_ema"])
    shared = torch.randn(64 * 64 * 9)
    for name, tensor in state.items():
        if not name.endswith("kernel"):
            state[name] = shared[: tensor.numel()].view(tensor.shape)
    with pytest.raises(StyleganError, match="larger than the file"):
        importers.read(write(tmp_path, forge.zipped({"g_ema": state, "latent_avg": torch.randn(64)})))


@pytest.mark.parametrize(
    ("family", "config"),
    [
        ("stylegan2", {"mapping_layers": 10**9}),
        ("stylegan2", {"resolution": 2**40}),
        ("stylegan2", {"resolution": "64"}),
        ("stylegan2", {"channel_max": -1}),
        ("stylegan2", {"resolution": 100}),
        ("stylegan1", {"resolution": 2}),
        ("stylegan2", {"unknown": 1}),
        ("stylegan2", {"resample_filter": [1.0] * 100_000}),
        ("stylegan3", {"num_layers": 10**8}),
        ("stylegan3", {"filter_size": 10**6}),
        ("stylegan3", {"resolution": 4096, "num_layers": 4, "num_critical": 2, "use_radial_filters": True}),
        ("stylegan3", {"first_stopband": 1e-300}),
        ("stylegan3", {"first_stopband": float("nan")}),
        ("mobilestylegan", {"channels": [8] * 10_000}),
        ("mobilestylegan", {"channels": [2**60, 8]}),
        ("stylegan2", {"start": [0, 4]}),
        ("stylegan2", {"resolution": 8, "start": [9000, 4]}),
        ("stylegan2", {"resolution": 4096, "start": [4, 5]}),
        ("stylegan2", {"start": [4]}),
        ("stylegan3", {"up_factors": [1], "head_layers": [7]}),
        ("stylegan3", {"up_factors": [2], "head_layers": [65]}),
        ("stylegan3", {"up_factors": [2], "head_layers": []}),
        ("stylegan3", {"up_factors": [10**6], "head_layers": [7]}),
        ("lucidrains", {"attention": [2048], "resolution": 4096}),
        ("lucidrains", {"resolution": 12}),
        ("lucidrains", {"attention": [8] * 100}),
    ],
)
def test_impossible_configs(tmp_path: Path, family: str, config: dict[str, Any]) -> None:
    with pytest.raises(StyleganError, match=r"config is impossible|network has"):
        importers.read(native(tmp_path, family, json.dumps(config)))


@pytest.mark.parametrize("lod", [-1, 1.5, 50])
def test_impossible_lods(tmp_path: Path, lod: float) -> None:
    """Of a network of 8 pixels, which was doubled once; all else is as it should be."""
    generator = small_families.make("stylegan1", resolution=8)
    path = tmp_path / "a.safetensors"
    modelfile.save(generator, path, {})
    importers.read(path)
    generator.config = replace(generator.config, lod=lod)
    modelfile.save(generator, path, {})
    with pytest.raises(StyleganError, match=r"config is impossible .*lod is out of range"):
        importers.read(path)


@pytest.mark.parametrize("wrong", [math.nan, -math.inf])
def test_weights_that_are_no_numbers(tmp_path: Path, wrong: float) -> None:
    tensors = dict(small_families.make("stylegan2").state_dict())
    config = json.dumps(asdict(small_families.make("stylegan2").config))
    tensors["mapping.w_avg"] = torch.full_like(tensors["mapping.w_avg"], wrong)
    metadata = {"architecture": "stylegan2", "config": config, "sha256": modelfile.digest("stylegan2", config, tensors)}
    save_file(tensors, tmp_path / "a.safetensors", metadata)
    with pytest.raises(StyleganError, match=r"a cannot draw: its '?mapping\.w_avg'? holds NaN or infinite values"):
        importers.generator(importers.read(tmp_path / "a.safetensors"), "a")


def test_large_weights_are_numbers_even_if_their_sum_is_none(tmp_path: Path) -> None:
    generator = small_families.make("stylegan2")
    generator.w_avg.fill_(3e38)
    modelfile.save(generator, tmp_path / "a.safetensors", {})
    again = importers.generator(importers.read(tmp_path / "a.safetensors"), "a")
    assert torch.equal(again.w_avg, generator.w_avg)


def test_weights_too_large_for_half_precision_are_not_written(tmp_path: Path) -> None:
    generator = small_families.make("stylegan2")
    generator.w_avg.fill_(1e5)
    path = tmp_path / "a.safetensors"
    with pytest.raises(StyleganError, match="some weights are too large for float16"):
        modelfile.save(generator, path, {}, torch.float16)
    assert not path.exists()
    modelfile.save(generator, path, {})


def test_endless_config(tmp_path: Path) -> None:
    for text in ("[" * 100_000, '{"a":' * 100_000, "{}", "[]", "1", "null", "NaN"):
        with pytest.raises(StyleganError, match="refused"):
            importers.read(native(tmp_path, "stylegan2", text))


def native(tmp_path: Path, family: str, text: str) -> Path:
    """A native file with a true sha256 over an untrue config."""
    tensors = {"w_avg": torch.zeros(4)}
    metadata = {"architecture": family, "config": text, "sha256": modelfile.digest(family, text, tensors)}
    save_file(tensors, tmp_path / "a.safetensors", metadata)
    return tmp_path / "a.safetensors"
