"""What `stylegan train` does once everything is open: it trains, and shows, logs, measures and writes meanwhile."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from stylegan_cli.cli.stopping import asked_to_stop
from stylegan_cli.cli.train.results import make_film, measure, open_watch
from stylegan_cli.cli.train.view import LiveView
from stylegan_cli.errors import StyleganError, lacks_memory
from stylegan_cli.metrics import watching
from stylegan_cli.training import snapshots
from stylegan_cli.training.data import DamagedError, Loader
from stylegan_cli.training.loop import Pace, Tick, Trainer, train

if TYPE_CHECKING:
    import torch

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
    except RuntimeError as error:  # OutOfMemoryError is only one of several
        if not lacks_memory(error):
            raise
        again = f" with --resume {run.path}" if run.snapshot.exists() else ""
        raise TooLargeError(
            f"--batch-gpu {session.options.batch_gpu} pictures at once need more memory than there is; use fewer, and "
            f"start a new --outdir{again}"
        ) from None


def continuing(outdir: Path) -> str:
    """The command that continues a run, for this system's shell: that of Windows knows no single quotes."""
    quoted = subprocess.list2cmdline([str(outdir)]) if sys.platform == "win32" else shlex.quote(str(outdir))
    return f"stylegan train --outdir {quoted}"


def run_to_end(
    session: Session,
    world: World,
    device: torch.device,
    pace: Pace,
    choice: watching.Choice,
    notes: dict[str, Any],
) -> bool:
    """Trains, with these metrics, and returns whether it got to the end; `notes` go into the model's file."""
    run, state, pictures, options = session.run, session.state, session.pictures, session.options
    with closing(pictures):
        with world.together():
            watch = open_watch(session, choice, device) if world.leads and choice.metrics else None
        with (
            closing(Loader(pictures, options.seed, options.mirror)) as loader,
            LiveView(pace.kimg, state.progress.kimg, options.growth) as view,
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
            if watch and is_done and not watch.knows(run.measured(), state.progress.nimg):
                measure(watch, session, view, stopping)
            if world.leads:
                make_film(session, view)
    return is_done
