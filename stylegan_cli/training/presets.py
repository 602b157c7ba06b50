"""From what the user gave to a run's options: presets supply the rest.

A preset's values have the names of options: those of `Options`, the networks' sizes `cbase`, `cmax`, `map_depth`,
`latent` and `mbstd_group`, and the loop's `kimg` and `tick`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch

from stylegan_cli.errors import UsageError
from stylegan_cli.importers import Checkpoint
from stylegan_cli.training.data import Pictures
from stylegan_cli.training.loop import Pace
from stylegan_cli.training.networks import (
    Configs,
    Sizes,
    cfg_of,
    clamped,
    following,
    grouped,
    new_configs,
    resumed_configs,
    sees_groups,
)
from stylegan_cli.training.options import CFGS, Options, check_values
from stylegan_cli.training.schedule import ByResolution

RESOLUTIONS = {"laptop": 64}  # of presets that are made for a certain resolution
USUAL = 64  # for what a preset says at every resolution
SIZES = {field.name for field in fields(Sizes)}
GROWING = ("first_res", "stable_kimg", "fade_kimg")
# Kimg during which a new discriminator for a pretrained generator learns alone. Trained together with the generator of
# faces-64 from the start, it learned nothing in 44 kimg; alone it did. On the pictures that faces-64 was trained on,
# this is not enough: after 50 kimg alone, and after 120, it forgot everything as soon as the generator learned, too.
WARMUP = 50.0
FIXED_P = 0.2  # as in NVIDIA's code
CLAMP = 256.0  # of StyleGAN2's and 3's feature maps, if they are float16 (ADA, appendix C)


def check(preset: str, said: Mapping[str, Any]) -> None:
    """Raises `UsageError` if there is no such preset, or the user gave a value that no run can have."""
    if preset not in PRESETS:
        raise UsageError(f"there is no preset {preset!r}; presets are {', '.join(PRESETS)}")
    if (cfg := said.get("cfg")) not in (None, *CFGS):
        *most, last = CFGS
        raise UsageError(f"there is no --cfg {cfg!r}; use {', '.join(most)} or {last}, and --preset for sizes")
    check_values(said)


def check_new(preset: str, said: Mapping[str, Any]) -> None:
    """The same for a new run that starts from random weights; also raises `UsageError` if an option has no effect, or
    is for what was learned before."""
    check(preset, said)
    for word in ("freezed", "warmup_kimg"):
        if said.get(word):
            raise UsageError(f"--{word.replace('_', '-')} is for --resume, but this run begins anew; leave it out")
    _check_used(said, values_of(preset, said.get("cfg"), RESOLUTIONS.get(preset, USUAL)) | dict(said))


def values_of(
    preset: str, cfg: str | None, resolution: int, gpus: int = 1, batch: float | None = None
) -> dict[str, Any]:
    """All values of a preset for pictures of `resolution` pixels, this many GPUs (1 if there are none), and the `batch`
    that the user named. Raises `UsageError` if `preset` and `cfg` do not fit together."""
    usual = cfg or "stylegan2"
    values = {"cfg": usual} | COMMON | PRESETS[preset](Situation(resolution, usual, gpus, batch))
    if cfg not in (None, values["cfg"]):
        raise UsageError(f"the preset {preset} is for {values['cfg']}, not for {cfg}; choose another")
    if values["cfg"] != "stylegan2":
        values["pl_weight"] = 0.0  # StyleGAN2 introduced path-length regularisation, and StyleGAN3 does without it
    if CFGS[values["cfg"]] == "stylegan3":
        values |= {"mixing": 0.0}
    if values["cfg"] == "stylegan3-r":
        values |= {"blur_init_sigma": 10.0, "blur_fade_kimg": _number(values["batch"], resolution) * 200 / 32}
    return values


def plan(
    pictures: Pictures,
    said: dict[str, Any],
    preset: str,
    resumed: tuple[str, Checkpoint] | None,
    processes: int,
    device: torch.device,
) -> Options:
    """The options of a new run. `said` are the values that the user gave; `resumed` is a model to start from, with its
    name. Raises `UsageError` as `check` does, or if they do not fit together, or the number of processes."""
    check(preset, said)
    cfg = said.get("cfg") or (cfg_of(resumed[1].generator) if resumed else None)
    gpus = processes if device.type == "cuda" else 1
    batch = _number(said["batch"], pictures.resolution) if "batch" in said else None
    values = values_of(preset, cfg, pictures.resolution, gpus, batch) | said
    _check_used(said, values)
    if resumed:
        warmup = WARMUP if begins_judging(resumed[1], pictures.resolution, pictures.c_dim) else 0.0
        usual = {
            "ada_kimg": 100.0,
            "ema_rampup": None,
            "blur_init_sigma": 0.0,
            "first_res": _grown(resumed[1], pictures.resolution),
            "warmup_kimg": warmup,
        }
        values = values | usual | said
    values.setdefault("batch_gpu", _split(values["batch"], values["mbstd_group"], processes, device))
    if values["aug"] == "fixed":
        values.setdefault("p", FIXED_P)
    configs = _configs(values, said, pictures, resumed)
    known = {field.name for field in fields(Options)}
    options = Options(
        data=pictures.fingerprint,
        resolution=pictures.resolution,
        c_dim=pictures.c_dim,
        generator=configs.generator,
        discriminator=configs.discriminator,
        resume=resumed[1].identity if resumed else "",
        **{key: value for key, value in values.items() if key in known},
    )
    _check_discriminator(options)
    check_shared(options, processes)
    return options


def _check_discriminator(options: Options) -> None:
    """Raises `UsageError` if layers would be frozen that are not used yet, or if there is nothing to compare with."""
    if options.freezed and options.growth.first < options.growth.last:
        raise UsageError(
            "--freezed freezes layers that a growing discriminator does not use yet; leave it out, or use --first-res "
            f"{options.resolution}"
        )
    alone = any(options.micro_batch_at(pixels) == 1 for pixels in options.growth.resolutions)
    compares = options.discriminator["mbstd_group_size"] != 1  # StyleGAN2's has the input for groups of one, too
    if alone and compares and sees_groups(Configs(options.generator, options.discriminator)):
        raise UsageError(
            "--batch-gpu 1 leaves nothing for the discriminator to compare a picture with (--mbstd-group); use 2 or "
            "more, or --mbstd-group 1"
        )


def begins_judging(resumed: Checkpoint, resolution: int, c_dim: int) -> bool:
    """Whether the discriminator of a run at this `resolution` with `c_dim` classes cannot judge pictures when it starts
    from this model: because there is none, or because its last layer is new, or its first ones, unless they grow."""
    if resumed.discriminator is None:
        return True
    config = resumed.discriminator.config
    sees_anew = resumed.generator.family == "stylegan2" and config["resolution"] != resolution
    return sees_anew or bool(config.get("c_dim", 0) != c_dim)


def pace(preset: str, cfg: str, resolution: int) -> Pace:
    """A preset's `kimg` and `tick`; no preset has a `snap` of its own."""
    values = values_of(preset, cfg, resolution)
    return Pace(values["kimg"], values["tick"])


def _configs(
    values: Mapping[str, Any], said: Mapping[str, Any], pictures: Pictures, resumed: tuple[str, Checkpoint] | None
) -> Configs:
    if resumed is None:
        sizes = Sizes(**{key: value for key, value in values.items() if key in SIZES})
        configs = new_configs(values["cfg"], pictures.resolution, pictures.c_dim, sizes)
    else:
        configs = _resumed_configs(values, said, pictures, *resumed)
    if resumed is None or "mbstd_group" in said:
        before, configs = configs, grouped(configs, values["cfg"], values["mbstd_group"])
        if resumed and resumed[1].discriminator and sees_groups(before) != sees_groups(configs):
            how = "with" if sees_groups(before) else "without"
            raise UsageError(f"--resume {resumed[0]} learned {how} groups (--mbstd-group); leave out --mbstd-group")
    if CFGS[values["cfg"]] == "stylegan3":
        configs = following(configs, _number(values["batch"], pictures.resolution))
    needs_clamp = values["cfg"] != "stylegan1" and values.get("precision") == "fp16"
    return clamped(configs, CLAMP) if needs_clamp else configs


def _resumed_configs(
    values: Mapping[str, Any], said: Mapping[str, Any], pictures: Pictures, name: str, checkpoint: Checkpoint
) -> Configs:
    if contrary := sorted(SIZES & said.keys()):
        raise UsageError(f"--resume {name} has sizes of its own; leave out --{contrary[0].replace('_', '-')}")
    if said.get("freezed") and checkpoint.discriminator is None:
        raise UsageError(
            f"--resume {name} has no discriminator for --freezed to freeze; leave --freezed out, or resume from a "
            "run's folder or a .pkl"
        )
    if said.get("freezed") and (makes := checkpoint.generator.config["resolution"]) != pictures.resolution:
        raise UsageError(
            f"--freezed freezes the layers next to the pictures, which are new: --resume {name} makes {makes} pixels, "
            f"not {pictures.resolution}; leave it out"
        )
    return resumed_configs(checkpoint, values["cfg"], pictures.resolution, pictures.c_dim, name)


def _check_used(said: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Raises `UsageError` if an option was given that has no effect."""
    for option, used, unused in (
        ("aug", "ada", ("target", "ada_kimg")), ("aug", "fixed", ("p",)), ("cfg", "stylegan1", GROWING),
    ):  # fmt: skip
        if values[option] != used and (idle := [name for name in unused if name in said]):
            word = idle[0].replace("_", "-")
            raise UsageError(f"--{word} is for --{option} {used}, but this is {values[option]}; leave it out")
    if values["aug"] == "none" and "augpipe" in said:
        raise UsageError("--augpipe is for --aug ada or fixed, but this is none; leave it out")


def _grown(checkpoint: Checkpoint, resolution: int) -> int:
    """The resolution that a model to start from has learned, of a run of this `resolution`: less than its own if it was
    still growing, or if it grows on."""
    config = checkpoint.generator.config
    missing = round(max(config.get("lod", 0), 0))  # a resolution that was more than half faded in is learned
    return min(max(int(config["resolution"]) >> missing, 4), resolution)


def _number(values: str, resolution: int) -> float:
    """The value at this resolution of an option that can have one for each."""
    return ByResolution.parse(values).at(resolution)


def _split(batch: str, group: int, processes: int, device: torch.device) -> str:
    """The default parts of a batch. On GPUs one for each process, as in NVIDIA's code; on CPUs two, so that one process
    and two train the same model (more parts would allow more processes, but be slower)."""
    parts, values = [], ByResolution.parse(batch).values
    _check_divisible((value for _, value in values), processes)
    for resolution, value in values:
        halves = value / 2 if value % (2 * max(group, 1)) == 0 else value  # each must have whole groups
        parts.append((resolution, halves if device.type == "cpu" else value / processes))
    return str(ByResolution(tuple(parts)))


def _check_divisible(batches: Iterable[float], processes: int) -> None:
    for batch in batches:
        if processes > 1 and batch % processes:
            raise UsageError(
                f"--batch {batch:g} cannot be shared by {processes} processes; use a multiple of that, or fewer of them"
            )


def check_shared(options: Options, processes: int) -> None:
    """Raises `UsageError` if this many processes cannot share the parts of every batch."""
    _check_divisible(map(options.batch_at, options.growth.resolutions), processes)
    for pixels in options.growth.resolutions:
        batch, part = options.batch_at(pixels), options.micro_batch_at(pixels)
        if batch // part % processes:
            raise UsageError(
                f"--batch {batch} in parts of --batch-gpu {part} pictures cannot be shared by {processes} processes; "
                f"start a new run with --batch-gpu {_fit(options, processes)}, or use fewer processes"
            )


def _fit(options: Options, processes: int) -> ByResolution:
    """The largest parts that this many processes can share, and that consist of whole groups of --mbstd-group."""
    group = options.discriminator.get("mbstd_group_size") or 1
    parts = []
    for pixels in options.growth.resolutions:
        share = options.batch_at(pixels) // processes
        fitting = (n for n in range(share, 0, -1) if share % n == 0 and n % min(group, n) == 0)
        parts.append((pixels, next(fitting, 1)))
    return ByResolution(tuple(parts))


@dataclass(frozen=True)
class Situation:
    """What presets depend on: pixels, --cfg, number of GPUs, and the pictures in a batch, if the user named them."""

    resolution: int
    cfg: str
    gpus: int
    batch: float | None


def _auto(at: Situation) -> dict[str, Any]:
    """By resolution and number of GPUs, like NVIDIA's `auto`; each GPU gets the same number of pictures, in whole
    groups. What depends on the batch follows the user's."""
    each = max(min(4096 // at.resolution, 32, 64 // at.gpus), 1)
    group = min(each, 4)
    batch = at.batch or (each - each % group) * at.gpus
    glr = dlr = "0.002" if at.resolution >= 1024 else "0.0025"
    gamma = 0.0002 * at.resolution**2 / batch
    if CFGS[at.cfg] == "stylegan3":  # whose code has no `auto`: as in its train.py and docs/configs.md
        glr, dlr, gamma = "0.0025", "0.002", 5 * gamma
    return {
        "cbase": 32768 if at.resolution >= 512 else 16384, "map_depth": 2, "batch": f"{batch:g}", "glr": glr,
        "dlr": dlr, "gamma": f"{gamma:.4g}", "ema_kimg": batch * 10 / 32, "aug": "ada", "mbstd_group": group,
    }  # fmt: skip


def _paper(at: Situation) -> dict[str, Any]:
    """The papers' sizes and rates (StyleGAN: appendix C; StyleGAN2: appendix B; StyleGAN3: NVIDIA's docs/configs.md),
    batches as in NVIDIA's code."""
    rate = "0.001,128:0.0015,256:0.002,512:0.003"
    usual: dict[str, Any] = {"glr": rate, "dlr": rate, "gamma": "10", "ema_rampup": None, "mirror": True}
    if at.cfg == "stylegan1":
        return usual | {"cbase": 16384, "batch": "8:256,16:128,32:64,64:32"}
    usual |= {"cbase": 32768 if at.resolution >= 512 else 16384, "glr": "0.002", "dlr": "0.002"}
    if at.cfg == "stylegan2":
        return usual
    batch = at.batch or 32
    gamma = f"{0.001 * at.resolution**2 / batch:.4g}"
    own = {"cbase": 32768, "map_depth": 2, "glr": "0.0025", "gamma": gamma, "ema_kimg": batch * 10 / 32}
    return usual | own | {"ema_rampup": 0.05}


def _laptop(_: Situation) -> dict[str, Any]:
    """Faces of 64 pixels on two CPU cores, in two hours where bfloat16 is fast: small networks, small batches, and many
    pictures seen while they are cheap. Two of AMD's Zen 4 see 180, 95, 55 and 44 pictures a second at 8, 16, 32 and 64
    pixels, in a process each. The penalty is small, as ADA's `auto` has it for small pictures: StyleGAN's 10, made for
    1024 pixels, keeps the discriminator from learning."""
    return {
        "cfg": "stylegan1", "cbase": 2048, "cmax": 128, "latent": 256, "batch": "16", "glr": "0.002", "dlr": "0.002",
        "gamma": "8:0.5,16:0.3,32:0.2,64:0.1", "ema_kimg": 5.0, "mirror": True, "stable_kimg": "8:40,16:40,32:60",
        "fade_kimg": "16:20,32:30,64:30", "kimg": 380.0, "tick": 1.0,
    }  # fmt: skip


COMMON: dict[str, Any] = {
    "cmax": 512, "map_depth": 8, "latent": 512, "batch": "32", "ema_kimg": 10.0, "pl_weight": 2.0,
    "stable_kimg": "600", "fade_kimg": "600", "kimg": 25000.0, "tick": 4.0, "aug": "none", "mbstd_group": 4,
}  # fmt: skip
PRESETS = {"auto": _auto, "paper": _paper, "laptop": _laptop}
