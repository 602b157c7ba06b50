"""From a run's folder, its pictures and the user's wishes to a state that is ready to train: new, or where it
stopped."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

import torch

from stylegan_cli.errors import StyleganError, UsageError
from stylegan_cli.hardware import choose_precision
from stylegan_cli.importers import Checkpoint
from stylegan_cli.modelfile import digest
from stylegan_cli.parallel import World, check_apart
from stylegan_cli.training import asked, checkpoints, presets, snapshots
from stylegan_cli.training.data import Pictures
from stylegan_cli.training.folder import RunFolder, check_room
from stylegan_cli.training.loop import Pace
from stylegan_cli.training.networks import Start, sizes_of, start_of
from stylegan_cli.training.options import Options
from stylegan_cli.training.state import State, begin

# What a run that starts from another one cannot choose.
FIXED = presets.SIZES | {"cfg", "resolution"}


@dataclass(frozen=True)
class Wishes:
    """What the user gave. `said` are values by the names of options; `resumed` is a model to start from, with its name;
    `resolution` None means the model's, the preset's or the pictures'; `subset` is how many of the pictures to use. An
    existing run keeps its values for everything not given."""

    data: Path
    preset: str
    said: dict[str, Any]
    resolution: int | None = None
    labelled: bool | None = None
    resumed: tuple[str, Checkpoint] | None = None
    subset: int | None = None


@dataclass(frozen=True)
class Session:
    """A run that is ready to train; `pace` has the preset's `kimg` and `tick`. `has_start` says whether it could start
    again from the beginning, for which a resumed run needs the model that it started from."""

    run: RunFolder
    options: Options
    pictures: Pictures
    state: State
    pace: Pace
    has_start: bool


def planned(
    run: RunFolder,
    wishes: Wishes,
    world: World,
    device: torch.device,
    on_checked: Callable[[int, int], None],
) -> Session:
    """A run at its beginning, from the user's wishes and the contents of the folder; writes nothing. `on_checked` gets
    the number of pictures checked so far, and the total. Raises UsageError or StyleganError if they do not fit."""
    check_apart(world, device)
    with world.together():
        before = run.options()
        labelled = bool(before and before.c_dim) if wishes.labelled is None else wishes.labelled
        chance = None if wishes.subset is None else (wishes.subset, wishes.said["seed"])
        classes = before.c_dim if before else _classes(wishes)
        pictures = Pictures(wishes.data, _resolution(wishes, before), labelled, chance, classes, on_checked)
        if before:
            options, pace = before, presets.pace(wishes.preset, before.cfg, before.resolution)
            _check_same(run, before, wishes, pictures)
            presets.check_shared(options, world.size)
        else:
            said = {"precision": choose_precision("auto", device)} | wishes.said
            options = presets.plan(pictures, said, wishes.preset, wishes.resumed, world.size, device)
            pace = presets.pace(wishes.preset, options.cfg, options.resolution)
        state = begin(options, start_of(wishes.resumed[1]) if wishes.resumed else Start(), device)
    return Session(run, options, pictures, state, pace, has_start=bool(wishes.resumed or not options.resume))


def opened(session: Session, world: World, pace: Pace) -> None:
    """Opens the run's folder for training at this pace, and loads the state where it stopped. The leader locks the
    folder before any process reads what another might be writing there. Raises StyleganError if that is impossible."""
    run, options, state = session.run, session.options, session.state
    with world.together():
        if world.leads:
            check_room(run, state, pace)
            run.lock()
            run.check_whole()
    with world.together():
        if content := checkpoints.newest(run.checkpoints):
            state.load(*content)
            if options.cfg == "stylegan1":
                # For looking at a finished run; training sets it in every step.
                state.set_lod(options.growth.lod(state.progress.kimg))
        elif not session.has_start:
            raise StyleganError(f"{run.path} has no checkpoint yet; give the model that it started from with --resume")
    _check_alike(options, state, world)
    with world.together():
        if world.leads:
            reals = snapshots.reals(session.pictures)  # fails where pictures are damaged, before the run begins
            run.begin(options, state.progress.nimg)
            if content is None:
                checkpoints.save(state, run.checkpoints)
            run.save_reals(reals)


def _check_same(run: RunFolder, before: Options, wishes: Wishes, pictures: Pictures) -> None:
    """Raises `UsageError` if a run would continue with options other than those it started with."""
    was = asdict(before) | sizes_of(before)
    wanted = wishes.said | {"resolution": pictures.resolution}
    if given := asked.load(run.path):  # runs of older versions did not record it
        was, wanted = was | {"preset": given.get("preset", asked.PRESET)}, wanted | {"preset": wishes.preset}
    if differing := [name for name, value in wanted.items() if value != was[name]]:
        name, fits = differing[0], FIXED.isdisjoint(differing)
        _refuse(run, f"--{name.replace('_', '-')} is {wanted[name]}, but was {was[name]}", "use the same options", fits)
    if wishes.resumed and wishes.resumed[1].identity != before.resume:
        began = "another model" if before.resume else "random weights"
        _refuse(run, f"it started from {began}, not from --resume {wishes.resumed[0]}", "leave that out", fits=False)
    if wishes.labelled not in (None, bool(before.c_dim)):
        _refuse(run, f"it began {'without' if wishes.labelled else 'with'} --cond", "use the same options")
    if pictures.c_dim != before.c_dim:
        _refuse(run, f"the pictures have {pictures.c_dim} classes, but had {before.c_dim}", "use the same --data")
    if pictures.fingerprint != before.data:
        if given and wishes.subset != (chosen := given.get("subset")):
            _refuse(run, f"--subset is {wishes.subset}, but was {chosen or 'not given'}", "use the same options")
        _refuse(run, f"{wishes.data} contains other pictures than it was trained on", "use the same --data")


def _refuse(run: RunFolder, why: str, instead: str, fits: bool = True) -> NoReturn:
    """`fits`: another run, as wished, could start from this one."""
    start = f", with --resume {run.path} to go on from it" if fits else ""
    raise UsageError(
        f"the run in {run.path} cannot continue like this: {why}; {instead}, or choose another --outdir{start}"
    )


def _check_alike(options: Options, state: State, world: World) -> None:
    """Raises `StyleganError` unless all processes start from the same state: on machines with separate disks they may
    not."""
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
                f"the processes do not start with the same {what}; all must see the same --outdir and --data"
            )


def _classes(wishes: Wishes) -> int:
    """Those of the model to start from: what it knows of them is of use, even if the pictures have only some."""
    return wishes.resumed[1].generator.config.get("c_dim", 0) if wishes.resumed else 0


def _resolution(wishes: Wishes, before: Options | None) -> int | None:
    if wishes.resolution:
        return wishes.resolution
    if before:
        return before.resolution
    if wishes.resumed:
        return int(wishes.resumed[1].generator.config["resolution"])
    return presets.RESOLUTIONS.get(wishes.preset)
