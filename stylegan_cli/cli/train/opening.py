"""How `stylegan train` gets from what the user asked for to a run that is ready to train."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stylegan_cli.cli.console import counting, fetching_model, print_data, tell
from stylegan_cli.cli.train.given import all_given, choosing_pictures, is_recalled, told_of
from stylegan_cli.cli.train.view import hints_on_resume, introduction
from stylegan_cli.training import asked, checkpoints, presets
from stylegan_cli.training.resuming import kept_notes, open_resumed
from stylegan_cli.training.session import Session, Wishes, opened, planned

if TYPE_CHECKING:
    import torch
    import typer

    from stylegan_cli.parallel import World
    from stylegan_cli.training.folder import RunFolder
    from stylegan_cli.training.loop import Pace


@dataclass(frozen=True)
class Request:
    """What the user asks for, as in `Wishes`; but `data` may be left out, and `resume` only names a model."""

    data: Path | None
    preset: str
    said: dict[str, Any]
    resolution: int | None
    cond: bool | None
    subset: int | None
    resume: str | None


@dataclass(frozen=True)
class Prepared:
    """A run at its beginning. `given` are the options to record. Of the model to start from, if there is one, `kept`
    are the notes that stay true, and `hints` say what is taken from it. The model itself is not kept: it may be large.
    """

    session: Session
    given: dict[str, Any]
    kept: dict[str, Any] | None
    hints: tuple[str, ...]

    def introduce(self, world: World, pace: Pace) -> None:
        """Tells the user what is about to be trained."""
        for sentence in introduction(self.session, self.hints, world.size, pace.kimg):
            tell(sentence)

    def notes(self) -> dict[str, Any]:
        """What the model's file tells about how it came to be: the options given, and what stays true of the model that
        the run started from. As the run continues, its own model tells that."""
        session, given = self.session, self.given
        notes = {"command": asked.command(given), "data": given["data"].name, "pictures": len(session.pictures)}
        return notes | (kept_notes(str(session.run.path)) if self.kept is None else self.kept)


def plan_run(context: typer.Context, request: Request, run: RunFolder, world: World, device: torch.device) -> Prepared:
    """Plans a new run, or one that continues; writes nothing. Raises UsageError or StyleganError if what is requested
    does not fit together, or does not fit the run in the folder."""
    resume = request.resume
    if is_recalled(context, "resume") and checkpoints.found(run.checkpoints):
        resume = None  # the run already holds what it took from there
    resumed = None
    with world.together():
        choosing = choosing_pictures(context, run, request.data, resume)
        if resume is None and not run.options():
            presets.check_new(request.preset, request.said)
        if resume is not None:
            with fetching_model(resume) as on_bytes:
                resumed = resume, open_resumed(resume, run.path, on_bytes)
    if request.data is None:
        tell(told_of(choosing, resume))
    said = request.said | {name: choosing[name] for name in ("seed", "mirror") if name in choosing}
    cond, subset = choosing.get("cond", request.cond), choosing.get("subset", request.subset)
    wishes = Wishes(choosing["data"], request.preset, said, request.resolution, cond, resumed, subset)
    with counting("checking", "pictures") as on_checked:
        session = planned(run, wishes, world, device, on_checked)
    hints = tuple(hints_on_resume(*resumed, session.options.c_dim, session.pictures)) if resumed else ()
    kept = kept_notes(resumed[0], resumed[1].notes) if resumed else None
    return Prepared(session, all_given(context) | choosing, kept, hints)


def show(plan: Prepared, world: World, pace: Pace) -> None:
    """What there is instead of training: the run's options in JSON."""
    if not checkpoints.found(plan.session.run.checkpoints):  # else it is not known how far the run is
        plan.introduce(world, pace)
    if world.leads:
        print_data(json.dumps(asdict(plan.session.options) | asdict(pace), indent=2))
    world.leave()


def start(plan: Prepared, world: World, pace: Pace) -> Session:
    """Opens the planned run for training until `pace.kimg`, records its options, and tells the user about it."""
    session = plan.session
    opened(session, world, pace)
    for path in checkpoints.found(session.run.checkpoints):
        if int(path.stem) > session.state.progress.nimg:
            tell(f"{path} is damaged, so the run continues from the one before it.")
    with world.together():
        # The options of a call that has nothing to do are not recorded.
        if world.leads and session.state.progress.kimg < pace.kimg:
            session.run.remember(plan.given)
    plan.introduce(world, pace)
    return session
