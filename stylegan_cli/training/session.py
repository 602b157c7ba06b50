"""A run from its folder, its pictures and wishes to a state that is ready to be trained, new or where it stopped."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from stylegan_cli.errors import StyleganError, UsageError
from stylegan_cli.importers import Checkpoint
from stylegan_cli.modelfile import digest
from stylegan_cli.parallel import World, check_apart
from stylegan_cli.training import checkpoints, presets
from stylegan_cli.training.data import Pictures
from stylegan_cli.training.folder import RunFolder, check_room
from stylegan_cli.training.networks import Start, start_of
from stylegan_cli.training.options import Options, difference
from stylegan_cli.training.state import State, begin


@dataclass(frozen=True)
class Wishes:
    """What the user named. `said` are values by the names of options; `resumed` is a model to begin from, with its
    name; `resolution` None takes the model's, the preset's or the pictures'; `subset` is how many of the pictures."""

    data: Path
    preset: str
    said: dict[str, Any]
    resolution: int | None = None
    labelled: bool = False
    resumed: tuple[str, Checkpoint] | None = None
    subset: int | None = None


@dataclass(frozen=True)
class Session:
    """A run that is ready to be trained; `pace` holds what the preset says of `kimg` and `tick`."""

    run: RunFolder
    options: Options
    pictures: Pictures
    state: State
    pace: dict[str, float]


def planned(
    run: RunFolder,
    wishes: Wishes,
    world: World,
    device: torch.device,
    on_checked: Callable[[int, int], None] = lambda _done, _total: None,
) -> Session:
    """A run at its beginning, from what the user wishes and what the folder holds of it; writes nothing. `on_checked`
    is told how many pictures were looked at, and of how many."""
    check_apart(world, device)
    with world.together():
        before = run.options()
        chance = None if wishes.subset is None else (wishes.subset, wishes.said["seed"])
        pictures = Pictures(wishes.data, _resolution(wishes), wishes.labelled, chance, on_checked)
        if before:
            _check_said(run, before, wishes.said)
        said = (_begun(before, device) if before else {}) | wishes.said
        options, pace = presets.plan(pictures, said, wishes.preset, wishes.resumed, world.size, device)
        if before and (other := difference(options, before)):
            raise UsageError(f"{run.path} holds another run: {other}; choose another --outdir, or the same options")
        state = begin(options, start_of(wishes.resumed[1]) if wishes.resumed else Start(), device)
    return Session(run, options, pictures, state, pace)


def opened(session: Session, world: World, given: dict[str, Any]) -> None:
    """Takes the run's folder, and the state where it stopped; what the user has `given` is written down there. The
    leader locks the folder before anybody reads what another process might be writing there."""
    run, options, state = session.run, session.options, session.state
    with world.together():
        if world.leads:
            check_room(run, state)
            run.lock()
    with world.together():
        if content := checkpoints.newest(run.checkpoints):
            state.load(*content)
            if options.cfg == "stylegan1":
                # For who looks at a run that is done; training sets it in every step.
                state.set_lod(options.growth.lod(state.progress.kimg))
    _check_alike(options, state, world)
    with world.together():
        if world.leads:
            run.begin(options, state.progress.nimg, given)
            run.save_reals(session.pictures)


def _begun(options: Options, device: torch.device) -> dict[str, Any]:
    """What a run keeps although it follows from where it began: from how many processes, on GPUs, and from how far the
    run was that it resumed from."""
    names = ["batch_gpu"]
    names += ["batch", "gamma", "ema_kimg"] if device.type == "cuda" else []
    names += ["warmup_kimg"] if options.resume else []
    names += ["first_res"] if options.resume and options.cfg == "stylegan1" else []
    return {name: getattr(options, name) for name in names}


def _check_said(run: RunFolder, before: Options, said: dict[str, Any]) -> None:
    """First what the user named, before what follows from it."""
    for name, value in said.items():
        if (was := getattr(before, name, value)) != value:
            raise UsageError(
                f"{run.path} holds another run: --{name.replace('_', '-')} is {value}, and was {was}; choose another "
                "--outdir, or the same options"
            )


def _check_alike(options: Options, state: State, world: World) -> None:
    """That all processes begin from the same place, which machines with disks of their own may not."""
    if world.size == 1:
        return
    progress = json.dumps(asdict(state.progress))
    begun = {
        "pictures": options.data,
        "options": options.dumps(),
        "checkpoints": digest(options.cfg, progress, state.tensors()),
    }
    found = world.gather(begun)
    for what in begun:
        if any(other[what] != found[0][what] for other in found):
            raise StyleganError(
                f"the processes do not begin with the same {what}; every one must see the same --outdir and --data"
            )


def _resolution(wishes: Wishes) -> int | None:
    if wishes.resolution is None and wishes.resumed:
        return int(wishes.resumed[1].generator.config["resolution"])
    return wishes.resolution or presets.RESOLUTIONS.get(wishes.preset)
