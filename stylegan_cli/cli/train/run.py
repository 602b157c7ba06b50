"""What `stylegan train` does once everything is open: it trains, and shows, logs, measures and writes meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import torch
import typer

from stylegan_cli.cli.stopping import asked_to_stop
from stylegan_cli.cli.train.results import make_film, measure, open_watch
from stylegan_cli.cli.train.view import View
from stylegan_cli.errors import StyleganError
from stylegan_cli.metrics import watching
from stylegan_cli.training import asked, snapshots
from stylegan_cli.training.data import DamagedError, Loader
from stylegan_cli.training.loop import Pace, Tick, Trainer, train
from stylegan_cli.training.resuming import licence_of

if TYPE_CHECKING:
    from stylegan_cli.parallel import World
    from stylegan_cli.training.session import Session


class TooLargeError(StyleganError):
    """An error that can occur in one process alone."""


@contextmanager
def one_voice(world: World) -> Iterator[None]:
    """If all processes end for the same reason, only the leader reports it."""
    try:
        yield
    except (StyleganError, OSError) as error:
        if world.leads or isinstance(error, TooLargeError):
            raise
        raise typer.Exit(getattr(error, "exit_code", 1)) from None


@contextmanager
def advising_another_run(session: Session) -> Iterator[None]:
    """Adds to errors that a run cannot continue from how to start another where it had to end."""
    run = session.run
    try:
        yield
    except DamagedError as error:  # other pictures are another run
        raise StyleganError(f"{error}, and start a new --outdir with --resume {run.path}") from None
    except torch.OutOfMemoryError:
        again = f" with --resume {run.path}" if run.snapshot.exists() else ""
        raise TooLargeError(
            f"--batch-gpu {session.options.batch_gpu} pictures at once are too many for this GPU's memory; use fewer, "
            f"and start a new --outdir{again}"
        ) from None


def notes_of(session: Session, given: dict[str, Any], resume: str | None) -> dict[str, Any]:
    """What the model's file tells about how it came to be: the options `given`, and the licence of the model that the
    run started from. As the run continues, its own model tells that licence."""
    notes = {"command": asked.command(given), "data": given["data"].name, "pictures": len(session.pictures)}
    licence = licence_of(resume or str(session.run.path))
    return notes | ({"licence": licence} if licence else {})


def run_to_end(
    session: Session,
    world: World,
    device: torch.device,
    pace: Pace,
    wanted: tuple[str, ...],
    notes: dict[str, Any],
) -> bool:
    """Trains, with the `wanted` metrics, and returns whether it got to the end; `notes` go into the model's file."""
    run, state, pictures, options = session.run, session.state, session.pictures, session.options
    with closing(pictures):
        with world.together():
            watch = open_watch(session, wanted, device) if world.leads and wanted else None
        with (
            closing(Loader(pictures, options.seed, options.mirror)) as loader,
            View(pace.kimg, state.progress.kimg, options.growth) as view,
            asked_to_stop() as stopping,
        ):

            def on_tick(tick: Tick) -> None:
                if world.leads:
                    run.log(tick)
                view.tick(tick)

            def on_snapshot() -> None:
                snapshots.complete(state, options, pictures)
                run.publish(state, options, notes)
                is_over = stopping() or state.progress.kimg >= pace.kimg
                if watch and not is_over and watching.is_due(run.lines(), run.measured()):
                    measure(watch, session, view, stopping)

            def on_step() -> None:
                view.step(state.progress.kimg)
                if stopping():
                    view.note("saving, then stopping")

            trainer = Trainer(options, state, loader, world, device)
            with advising_another_run(session):
                is_done = train(trainer, pace, on_tick, on_snapshot, stopping, on_step)
            world.leave()
            known = {line["name"] for line in run.measured() if line["nimg"] == state.progress.nimg}
            if watch and is_done and not known.issuperset(wanted):
                measure(watch, session, view, stopping)
            if world.leads:
                make_film(session, view)
    return is_done
