"""The two networks of a run: configs, initial weights, and transfer learning from other models."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from torch import Tensor, nn

from stylegan_cli import architectures
from stylegan_cli.architectures import stylegan1
from stylegan_cli.errors import UsageError
from stylegan_cli.generator import Generator
from stylegan_cli.importers import Checkpoint, Network
from stylegan_cli.training.options import CFGS, Options
from stylegan_cli.training.randomness import seed_everything

WIDER = {"stylegan3-r": 2}  # how many times as many feature maps the generator has as the discriminator
MAGNITUDES_KIMG = 20.0  # half-life of the averages by which StyleGAN3's layers normalise what they get


@dataclass(frozen=True)
class Configs:
    """Configs of both networks as plain values."""

    generator: dict[str, Any]
    discriminator: dict[str, Any]


@dataclass(frozen=True)
class Sizes:
    """The networks' sizes, named like the options: `cbase` is feature maps times pixels, `cmax` the maximum number of
    maps."""

    cbase: int
    cmax: int
    map_depth: int
    latent: int


@dataclass(frozen=True)
class Start:
    """Tensors to start from, by network; those that are missing, or have other shapes, are initialised at random."""

    generator: Mapping[str, Tensor] = field(default_factory=dict)
    average: Mapping[str, Tensor] = field(default_factory=dict)
    discriminator: Mapping[str, Tensor] = field(default_factory=dict)


def new_configs(cfg: str, resolution: int, c_dim: int, sizes: Sizes) -> Configs:
    """Configs of new networks. Raises `UsageError` if the architecture cannot have these sizes."""
    shared: dict[str, Any] = {"resolution": resolution, "c_dim": c_dim}
    if sizes.cbase < resolution:
        raise UsageError(f"--cbase {sizes.cbase} leaves no feature map at {resolution} pixels; use a larger one")
    if cfg == "stylegan1":
        if sizes.cbase % 2:
            raise UsageError(f"--cbase {sizes.cbase} is odd, but {cfg} needs an even number")
        shared |= {"fmap_base": sizes.cbase // 2, "fmap_max": sizes.cmax}
    else:
        shared |= {"channel_base": sizes.cbase, "channel_max": sizes.cmax}
    own: dict[str, Any] = {"z_dim": sizes.latent, "w_dim": sizes.latent, "mapping_layers": sizes.map_depth}
    if cfg == "stylegan3-r":
        own |= {"conv_kernel": 1, "use_radial_filters": True}
        own |= {"channel_base": sizes.cbase * WIDER[cfg], "channel_max": sizes.cmax * WIDER[cfg]}
    return _complete(cfg, shared | own, shared)


def sizes_of(options: Options) -> dict[str, Any]:
    """The sizes of a run's networks, named like the options."""
    generator, wider = options.generator, WIDER.get(options.cfg, 1)
    base = 2 * generator["fmap_base"] if options.cfg == "stylegan1" else generator["channel_base"] // wider
    return {
        "cbase": base,
        "cmax": generator["fmap_max" if options.cfg == "stylegan1" else "channel_max"] // wider,
        "map_depth": generator["mapping_layers"],
        "latent": generator["z_dim"],
        "mbstd_group": options.discriminator["mbstd_group_size"],
    }


def resumed_configs(checkpoint: Checkpoint, cfg: str, resolution: int, c_dim: int, name: str) -> Configs:
    """The configs of a model to continue from, for pictures of this resolution and `c_dim` classes: layers have names
    and sizes of their own resolution, so others come on top, or the topmost are left out. Raises `UsageError` if that
    is impossible; messages name `name`."""
    its = cfg_of(checkpoint.generator)
    if its != cfg:
        raise UsageError(
            f"--resume {name} is a {its}, which {cfg} cannot start from; resume from a {cfg}, or use --cfg {its}"
        )
    own = {"resolution": resolution, "c_dim": c_dim}
    generator = {**checkpoint.generator.config, **own}
    if CFGS[cfg] == "stylegan3" and (makes := checkpoint.generator.config["resolution"]) != resolution:
        raise UsageError(
            f"--resume {name} makes {makes} pixels, on which every layer of a StyleGAN3 depends, so it cannot make "
            f"{resolution}; use --resolution {makes}, or another model"
        )
    if (base := generator.get("channel_base") or 2 * generator["fmap_base"]) < resolution:
        raise UsageError(f"--resume {name} has a --cbase of {base}, which leaves no feature map at {resolution} pixels")
    if (channels := generator.get("img_channels", 3)) != 3:
        raise UsageError(
            f"--resume {name} makes pictures of {channels} channels, but data sets have 3; resume from another model"
        )
    if checkpoint.discriminator:
        return _complete(cfg, generator, {**checkpoint.discriminator.config, **own})
    widths = {
        key: generator[key] // WIDER.get(cfg, 1)
        for key in ("fmap_base", "fmap_max", "channel_base", "channel_max")
        if key in generator
    }
    return _complete(cfg, generator, own | widths)


def cfg_of(network: Network) -> str | None:
    """What --cfg calls a generator; None if it cannot be trained."""
    if network.family == "stylegan3":
        return "stylegan3-r" if network.config.get("use_radial_filters") else "stylegan3-t"
    return network.family if network.family in CFGS else None


def _complete(cfg: str, generator: dict[str, Any], discriminator: dict[str, Any]) -> Configs:
    """Configs with every entry, including defaults, and with `lod` 0."""
    if cfg == "stylegan1":
        generator, discriminator = {**generator, "lod": 0.0}, {**discriminator, "lod": 0.0}
    family = CFGS[cfg]
    made = architectures.config_of(family, generator), architectures.discriminator_config_of(family, discriminator)
    # As they will be read back: lists, not tuples.
    return Configs(*json.loads(json.dumps([asdict(config) for config in made])))


def grouped(configs: Configs, cfg: str, group: int) -> Configs:
    """The configs with the minibatch standard deviation over groups of this size; without it if that is 0."""
    more = {} if cfg == "stylegan1" else {"mbstd_channels": int(group > 0)}
    return Configs(configs.generator, {**configs.discriminator, "mbstd_group_size": group, **more})


def sees_groups(configs: Configs) -> bool:
    """Whether the discriminator has the minibatch standard deviation as one more input."""
    config = configs.discriminator
    return bool(config["mbstd_channels"]) if "mbstd_channels" in config else config["mbstd_group_size"] > 1


def clamped(configs: Configs, clamp: float) -> Configs:
    """The configs with this clamp of feature maps, if they have none: nothing else keeps the values small."""
    generator, discriminator = (
        {**config, "conv_clamp": config["conv_clamp"] or clamp} for config in (configs.generator, configs.discriminator)
    )
    return Configs(generator, discriminator)


def following(configs: Configs, batch: float) -> Configs:
    """The configs of a StyleGAN3 whose running averages have their usual half-life with batches of this size."""
    beta = 0.5 ** (batch / (MAGNITUDES_KIMG * 1000))
    return Configs({**configs.generator, "magnitude_ema_beta": beta}, configs.discriminator)


def start_of(checkpoint: Checkpoint) -> Start:
    """All tensors of a model that training can start from."""
    average = checkpoint.generator.tensors
    training = checkpoint.training_generator.tensors if checkpoint.training_generator else average
    return Start(training, average, checkpoint.discriminator.tensors if checkpoint.discriminator else {})


def build(options: Options) -> tuple[Generator, nn.Module]:
    """Both networks with the random weights of the run's seed, ready to learn."""
    seed_everything(options.seed, "weights")
    generator = architectures.build(options.family, options.generator, "cpu")
    discriminator = architectures.build_discriminator(options.family, options.discriminator, "cpu")
    return generator.train(), discriminator.train()


def copy_matching(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Copies the tensors that have the same names and shapes. If only one of two mapping networks has classes, the
    first layer keeps its weights for z, so that seeds keep their faces; if one has more, both draw the others alike."""
    state = network.state_dict()
    for name, tensor in tensors.items():
        if name not in state:
            continue
        if (own := state[name]).shape == tensor.shape:
            own.copy_(tensor)
        elif name == "mapping.fc0.weight" and len(own) == len(tensor):
            _copy_inputs(own.zero_(), tensor)
        elif name == "mapping.embed.weight" and len(own) == len(tensor):
            _copy_inputs(own, tensor)


def _copy_inputs(own: Tensor, other: Tensor) -> None:
    """Copies the weights `[outputs, inputs]` of the inputs that both have. Layers divide by the square root of the
    number of inputs (equalised learning rate), which is compensated for."""
    shared = min(own.shape[1], other.shape[1])
    own[:, :shared] = other[:, :shared] * math.sqrt(own.shape[1] / other.shape[1])


def frozen_parameters(discriminator: nn.Module, layers: int) -> set[str]:
    """The names of the parameters that Freeze-D (Mo et al. 2020, arXiv:2002.10964) does not train: those of the first
    `layers` layers that a picture goes through."""
    found = [name for name, module in discriminator.named_modules() if hasattr(module, "weight")]
    first = sorted(found, key=lambda name: _depth(discriminator, name))[:layers]
    return {name for name, _ in discriminator.named_parameters() if name.rpartition(".")[0] in first}


def _depth(discriminator: nn.Module, layer: str) -> tuple[int, int]:
    """A sort key for layers: by resolution, from the picture down, then by their order within a resolution."""
    parts = layer.split(".")
    order = ("fromrgb", "conv0", "conv1", "skip", "conv", "dense0", "dense1", "fc", "out")
    if isinstance(discriminator, stylegan1.Discriminator):
        if parts[0] == "fromrgb" and int(parts[1]) < len(discriminator.fromrgb) - 1:
            return 0, 0  # no picture goes through it any more
        resolution = 4 << int(parts[1]) if parts[0] in ("fromrgb", "blocks") else 4
        kind = parts[0] if parts[0] == "fromrgb" else parts[-1]
    else:
        resolution = int(parts[0].removeprefix("b")) if parts[0] != "mapping" else 0
        kind = parts[-1]
    return -resolution, order.index(kind) if kind in order else len(order)
