"""What `stylegan train` makes beside the model: metrics of it, and a film of the run."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING

from stylegan_cli.cli import features
from stylegan_cli.cli.console import insist, tell
from stylegan_cli.errors import StyleganError, first_line, lacks_memory
from stylegan_cli.metrics import watching
from stylegan_cli.metrics.sets import DataSet
from stylegan_cli.metrics.watching import Choice, Watch

if TYPE_CHECKING:
    import torch

    from stylegan_cli.cli.train.view import LiveView
    from stylegan_cli.training.session import Session


class StoppedError(Exception):
    """The run is to stop, so metrics are not finished."""


def open_watch(session: Session, choice: Choice, device: torch.device) -> Watch | None:
    """What computes metrics; None, with a message, if there are too few pictures."""
    data = DataSet(session.pictures.path, session.pictures.resolution)
    if data.count < watching.FEWEST:
        tell(f"{data.count} pictures are too few for --metrics, which need {watching.FEWEST}: none are computed.")
        return None
    try:
        seen = features.opened(choice.features, device)
    except StyleganError as error:
        raise StyleganError(f"{error}; use --metrics none to train without") from None
    return Watch(data, choice.metrics, seen, choice.num)


def measure(watch: Watch, session: Session, view: LiveView, stopping: Callable[[], bool]) -> None:
    """Computes metrics of the model as it is now; breaks off if the run is to stop. If that fails, the user is told,
    and the run is not affected: other pictures are compared than those that are trained on."""
    seen = count(1)

    def on_picture() -> None:
        if stopping():
            raise StoppedError
        view.note(f"metrics: {next(seen):,} pictures seen")

    with suppress(StoppedError):
        try:
            metrics = watch(session.state.average, on_picture)
        except (StyleganError, OSError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and not lacks_memory(error):
                raise
            insist(f"Metrics could not be computed: {first_line(error)}.")
            return
        finally:
            view.note("")
        session.run.measure(metrics, session.state, session.options)
        view.measured(metrics, session.state.progress.kimg)


def make_film(session: Session, view: LiveView) -> None:
    """Makes the film of a run. If that fails, the user is told, and the run is not affected."""
    view.note("making the film")
    try:
        session.run.film()
    except (StyleganError, OSError) as error:  # a damaged sheet, a full disk
        insist(f"There is no film of this run: {error}.")
    view.note("")
