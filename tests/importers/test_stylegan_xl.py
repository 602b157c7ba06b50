"""StyleGAN-XL: a StyleGAN3 that has grown, with a mean of w for each class."""

from __future__ import annotations

import pickle
from dataclasses import asdict
from pathlib import Path
from typing import Any

import forge
import pytest
import torch
from forge import write
from originals import GOLDEN, arrays, close
from test_layouts import stylegan3, stylegan3_module

from stylegan_cli import architectures, importers
from stylegan_cli.errors import StyleganError
from stylegan_cli.generator import Generator
from stylegan_cli.importers import torchfile

FILE = GOLDEN / "stylegan_xl.pkl"


@pytest.fixture
def generator() -> Generator:
    return importers.generator(importers.read(FILE), "xl")


@torch.no_grad()
def test_parity(generator: Generator) -> None:
    found = arrays(FILE.with_suffix(".npz"))
    c = generator.one_hot(torch.tensor([2, 0]))
    w = generator.to_w(found["z"], c)
    close(w, found["ws"], 1e-6)
    half = generator.truncate(generator.broadcast(w), 0.5, c)
    close(half[:, 0], found["ws_half"], 1e-6)
    close(generator.synthesize(half), found["images"], 1e-5)


def test_what_is_read(generator: Generator) -> None:
    checkpoint = importers.read(FILE)
    assert checkpoint.format == "StyleGAN-XL pickle"
    config = checkpoint.generator.config
    assert (config["resolution"], config["num_layers"], config["class_features"]) == (64, 10, 4)
    assert (config["up_factors"], config["head_layers"]) == ((2, 2), (5, 4))
    assert checkpoint.discriminator is None  # it judges features of classifiers, and nothing here trains it
    bands = [layer.band for layer in generator.layers]
    assert {"coarse", "middle", "fine"} == set(bands) and bands == sorted(bands, key=("coarse", "middle", "fine").index)


def test_each_class_has_its_own_centre(generator: Generator) -> None:
    ws = torch.randn(2, 1, generator.w_dim)
    means: Any = generator.mapping.w_avg
    assert torch.equal(generator.w_avg, means.mean(dim=0))
    generator.choose_class(1)
    assert torch.equal(generator.truncate(ws, 0.0), means[1].expand(2, 1, -1))
    c = generator.one_hot(torch.tensor([2, 0]))
    assert torch.equal(generator.truncate(ws, 0.0, c), means[[2, 0]][:, None])


@pytest.mark.parametrize(
    ("factors", "heads"), [((), ()), ((2,), (7,)), ((4,), (4,)), ((2, 2, 4), (7, 5, 4)), ((2, 2, 2, 2), (7, 7, 7, 7))]
)
def test_heads_are_found(tmp_path: Path, factors: tuple[int, ...], heads: tuple[int, ...]) -> None:
    network, config, tensors = grown(factors, heads)
    checkpoint = importers.read(write(tmp_path, forge.dumps({"G_ema": network})))
    assert (checkpoint.generator.config["up_factors"], checkpoint.generator.config["head_layers"]) == (factors, heads)
    assert checkpoint.generator.config["resolution"] == config["resolution"]
    assert all(torch.equal(checkpoint.generator.tensors[name], tensor) for name, tensor in tensors.items())


@pytest.mark.parametrize("value", [0, -3, 10**30, "2", None, [[]], 2.5])
@pytest.mark.parametrize("name", ["num_critical", "img_resolution", "margin_size"])
def test_odd_numbers_are_refused(tmp_path: Path, name: str, value: Any) -> None:
    network, _, _ = grown((2, 2), (7, 7))
    synthesis = network.meta["state"]["_modules"]["synthesis"].meta["state"]
    (synthesis if name == "num_critical" else synthesis["_init_kwargs"])[name] = value
    with pytest.raises(StyleganError, match="was refused: it"):
        importers.read(write(tmp_path, forge.dumps({"G_ema": network})))


def grown(
    factors: tuple[int, ...], heads: tuple[int, ...]
) -> tuple[forge.Module, dict[str, Any], dict[str, torch.Tensor]]:
    """A pickle's module of a StyleGAN-XL without classes, its config and its tensors."""
    resolution = 16
    for factor in factors:
        resolution *= factor
    config, tensors = stylegan3(resolution=resolution, num_layers=10, up_factors=factors, head_layers=heads)
    own = architectures.build("stylegan3", config, "cpu").state_dict()
    tensors |= {name: tensor for name, tensor in own.items() if name.endswith("_filter")}
    network = stylegan3_module({name: value for name, value in config.items() if name in ("num_layers",)}, tensors)
    synthesis = network.meta["state"]["_modules"]["synthesis"].meta["state"]
    synthesis["_init_kwargs"] |= {"img_resolution": 16, "channel_base": 64, "channel_max": 4}
    synthesis |= {"img_resolution": resolution, "num_critical": 2}
    network.meta["state"]["_modules"]["mapping"].meta["state"]["_modules"]["embed"] = torch.nn.Embedding(6, 4)
    return network, config, tensors


def test_a_stylegan2_of_projected_gan(tmp_path: Path) -> None:
    """Its discriminator, which is StyleGAN-XL's, is as good as none: training would begin with a new one."""
    path = GOLDEN / "imp_sg2ada_c_32_clamp.pkl"
    tree = forge.revive(torchfile.read_pickle(memoryview(path.read_bytes())))
    tree["D"] = torch.nn.Sequential(torch.nn.Linear(2, 2))
    checkpoint = importers.read(write(tmp_path, forge.dumps(tree)))
    assert checkpoint.format == "NVIDIA StyleGAN2-ADA pickle"
    assert checkpoint.discriminator is None
    assert checkpoint.training_generator is not None


def test_a_model_file_keeps_the_heads(tmp_path: Path, generator: Generator) -> None:
    again = architectures.build("stylegan3", pickle.loads(pickle.dumps(asdict(generator.config))))
    assert again.state_dict().keys() == generator.state_dict().keys()
