"""Real checkpoints of every kind give the pictures, `w` and scores that their projects' own code computed from them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import forge
import pytest
import torch
from originals import GOLDEN, SHARED, arrays, close, ready
from torch import Tensor

from stylegan_cli import architectures, importers, modelfile
from stylegan_cli.importers import Checkpoint, Network, torchfile
from stylegan_cli.importers.checkpoint import Draft
from stylegan_cli.plain import entries

FORMATS = {
    "sg1tf": "NVIDIA StyleGAN TensorFlow pickle",
    "sg2tf": "NVIDIA StyleGAN2 TensorFlow pickle",
    "sg2ada": "NVIDIA StyleGAN2-ADA pickle",
    "sg3": "NVIDIA StyleGAN3 pickle",
    "rosinality": "rosinality StyleGAN2 checkpoint",
    "genforce_sg1": "genforce StyleGAN checkpoint",
    "genforce_sg2": "genforce StyleGAN2 checkpoint",
}
# Pictures for the discriminator, where a file's own arrays have none.
JUDGED = {"genforce_sg1_64": "sg1tf_64", "genforce_sg2_64": "sg2tf_64"}
FILES = sorted(GOLDEN.glob("imp_*.pkl")) + sorted(SHARED.glob("*.p[kt]*"))
LUCIDRAINS = sorted(GOLDEN.glob("imp_*.pt"))  # whose pictures `test_lucidrains.py` compares: they have other noise


def labels(found: dict[str, Tensor], key: str) -> Tensor | None:
    return found[key] if key in found and found[key].shape[1] else None


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
@torch.no_grad()
def test_parity(path: Path) -> None:
    found = arrays(path.with_suffix(".npz"))
    checkpoint = importers.read(path)
    name = path.stem.removeprefix("imp_")
    assert checkpoint.format == next(kind for start, kind in FORMATS.items() if name.startswith(start))
    generator = importers.generator(checkpoint, name)
    w = found["w"] if "w" in found else found["ws"][:, 0]
    close(generator.to_w(found["z"], labels(found, "c")), w, 1e-5)
    pictures = generator.synthesize(generator.broadcast(w))
    close(pictures, found["img_const" if "img_const" in found else "img"], 1e-4)
    if checkpoint.discriminator:
        judged = arrays(path.with_name(f"{JUDGED[name]}.npz")) if name in JUDGED else found
        scores = next(found[key] for key in ("d_logits", "d_scores", "d_out") if key in found)
        close(ready(checkpoint.discriminator)(judged["d_img"], labels(judged, "d_c")), scores.reshape(-1, 1), 1e-5)


@pytest.mark.parametrize("path", FILES + LUCIDRAINS, ids=lambda path: path.name)
def test_tensors_are_their_own(path: Path) -> None:
    """Float32, contiguous, and no longer tied to the file."""
    checkpoint = importers.read(path)
    networks = (checkpoint.generator, checkpoint.discriminator, checkpoint.training_generator)
    for tensor in (tensor for network in networks if network for tensor in network.tensors.values()):
        assert tensor.dtype == torch.float32
        assert tensor.is_contiguous()
        assert not tensor.requires_grad
        tensor.add_(1)
    again = importers.read(path).generator.tensors
    assert all(torch.equal(tensor, again[name] + 1) for name, tensor in checkpoint.generator.tensors.items())


def test_training_generators_load_too() -> None:
    """The golden files were written before training, so both generators are the same but for their means of w."""
    checkpoint = importers.read(GOLDEN / "imp_sg1tf_32_cond3.pkl")
    training = checkpoint.training_generator
    assert training is not None
    assert training.config == checkpoint.generator.config
    assert training.tensors.keys() == checkpoint.generator.tensors.keys()


def test_only_the_generator_is_loaded_before_more_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, load = [], Draft.load

    def counting(draft: Draft, room: int) -> importers.Network:
        loaded.append((draft.family, draft.is_discriminator))
        return load(draft, room)

    monkeypatch.setattr(Draft, "load", counting)
    checkpoint = importers.read(GOLDEN / "imp_sg1tf_32_cond3.pkl")
    assert loaded == [("stylegan1", False)]
    assert checkpoint.discriminator is checkpoint.discriminator
    assert loaded == [("stylegan1", False), ("stylegan1", True)]
    assert checkpoint.training_generator is not None
    assert len(loaded) == 3


def test_identities_do_not_depend_on_the_version() -> None:
    """Latents, encoders and runs remember them: what configs can say later must not change those that do not say it."""
    known = {
        "imp_sg1tf_32_cond3.pkl": "e10fab50d053de83102014388c34830c2cb150fb2319b2d7898a61d27cc4331d",
        "imp_sg2ada_c_32_clamp.pkl": "d3a0d60b51569f2e35b1072817e9021d1200fac203da71fdd338a44cd7f1fdb4",
    }
    assert {name: importers.read(GOLDEN / name).identity for name in known} == known
    assert entries(architectures.config_of("stylegan3", {})).keys().isdisjoint({"up_factors", "class_features"})
    assert entries(architectures.config_of("stylegan3", {"up_factors": [2]}))["up_factors"] == (2,)


def test_what_only_the_file_tells() -> None:
    checkpoint = importers.read(GOLDEN / "imp_sg2ada_c_32_clamp.pkl")
    assert checkpoint.discriminator is not None
    config, judge = checkpoint.generator.config, checkpoint.discriminator.config
    assert (config["architecture"], config["conv_clamp"], config["mapping_width"]) == ("resnet", 2, 40)
    assert (judge["architecture"], judge["conv_clamp"], judge["mbstd_group_size"]) == ("skip", 2, 4)


def test_pictures_that_are_no_squares(tmp_path: Path) -> None:
    """StyleGAN-Human's pickles: the constant and the noise maps of StyleGAN2-ADA's, half as wide."""
    path = GOLDEN / "imp_sg2ada_c_32_clamp.pkl"
    tree = forge.revive(torchfile.read_pickle(memoryview(path.read_bytes())))
    modules = tree["G_ema"].meta["state"]["_modules"]["synthesis"].meta["state"]["_modules"]
    blocks = [block.meta["state"] for block in modules.values()]
    blocks[0]["_parameters"]["const"] = const = blocks[0]["_parameters"]["const"][:, :, 1:3].clone()
    for block in blocks:
        for layer in (layer.meta["state"]["_buffers"] for layer in block["_modules"].values()):
            if "noise_const" in layer:
                layer["noise_const"] = layer["noise_const"][:, ::2].clone()
    (tmp_path / "human.pkl").write_bytes(forge.dumps({"G_ema": tree["G_ema"]}))
    checkpoint = importers.read(tmp_path / "human.pkl")
    assert checkpoint.generator.config["start"] == (4, 2)
    assert torch.equal(checkpoint.generator.tensors["synthesis.b4.const"], const)
    generator = importers.generator(checkpoint, "human")
    assert generator.synthesize(generator.broadcast(generator.w_avg[None])).shape == (1, 3, 32, 16)


@torch.no_grad()
def test_a_discriminator_without_groups_compares_the_whole_batch(tmp_path: Path) -> None:
    """A `group_size` of None in StyleGAN2-ADA's pickles."""
    path = GOLDEN / "imp_sg2ada_c_32_clamp.pkl"
    pictures, scores = (arrays(path.with_suffix(".npz"))[key] for key in ("d_img", "d_logits"))
    tree = forge.revive(torchfile.read_pickle(memoryview(path.read_bytes())))
    tree["D"].meta["state"]["_modules"]["b4"].meta["state"]["_modules"]["mbstd"].meta["state"]["group_size"] = None
    (tmp_path / "none.pkl").write_bytes(forge.dumps(tree))
    network = importers.read(tmp_path / "none.pkl").discriminator
    assert network is not None
    found = ready(network)(pictures)
    of_eight = Network(network.family, {**network.config, "mbstd_group_size": 8}, network.tensors)
    assert torch.equal(found, ready(of_eight)(pictures))
    assert (found - scores).abs().max() > 1e-3


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("imp_*.pkl")) + LUCIDRAINS, ids=lambda path: path.stem)
def test_a_model_keeps_its_identity_when_it_is_converted(path: Path, tmp_path: Path) -> None:
    """Also where its config leaves out what the native file spells out."""
    checkpoint = importers.read(path)
    short = Network(checkpoint.generator.family, {**checkpoint.generator.config}, checkpoint.generator.tensors)
    defaults = asdict(architectures.config_of(short.family, {"resolution": short.config["resolution"]}))
    for name in defaults.keys() & short.config.keys() - {"resolution"}:
        if repr(short.config[name]) == repr(defaults[name]):
            del short.config[name]
    modelfile.save(importers.generator(checkpoint, "x"), tmp_path / "x.safetensors", {})
    native = importers.read(tmp_path / "x.safetensors")
    assert short.config != native.generator.config
    assert Checkpoint("short", short).identity == checkpoint.identity == native.identity
