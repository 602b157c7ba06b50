"""Which options `stylegan train` has from the user, which from the run in its folder, and which from the run that
`--resume` names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from stylegan_cli.errors import UsageError
from stylegan_cli.training import asked

if TYPE_CHECKING:
    from stylegan_cli.training.folder import RunFolder

MOMENTARY = {"outdir", "dry_run", "quiet"}  # what a run does not record


def recall(context: typer.Context, outdir: Path) -> Path:
    """Fills in what the user leaves out from the options of the run in this folder: `--outdir` alone continues it. This
    happens before any other option is read."""
    context.default_map = asked.load(outdir)
    return outdir


def is_recalled(context: typer.Context, name: str) -> bool:
    """Whether `recall` filled in this option."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "DEFAULT_MAP"


def all_given(context: typer.Context) -> dict[str, Any]:
    """What the user asked for, now or when the run began."""
    from stylegan_cli.training.resuming import anywhere

    given = {
        name: context.params[name] for name in sorted(context.params.keys() - MOMENTARY) if _is_given(context, name)
    }
    return given | ({"resume": anywhere(given["resume"])} if "resume" in given else {})


def choosing_pictures(context: typer.Context, run: RunFolder, data: Path | None, resume: str | None) -> dict[str, Any]:
    """The options that choose the pictures to learn from: the `data` that the user names, or named when the run began,
    or else those of the run that `resume` names, with its classes and its subset."""
    choosing = {"data": data} if data else _taken(context, resume)
    if data is None and run.options():
        raise UsageError(f"{run.path} no longer records which pictures it learned from; name them with --data")
    if "data" not in choosing:
        raise UsageError(f"there is no run in {run.path} to continue; use --data to start one")
    pictures: Path = choosing["data"]
    if (data is None or is_recalled(context, "data")) and not pictures.exists():
        who = "the run" if data else resume
        raise UsageError(f"{pictures}, which {who} learned from, is no longer there; name its new place with --data")
    if run.path.resolve().is_relative_to(pictures.resolve()):
        raise UsageError(
            f"{run.path} is inside {pictures}: its pictures would be learned from; choose another --outdir"
        )
    return choosing


def told_of(choosing: dict[str, Any], resume: str | None) -> str:
    """What the user should know of options that were taken from the run that `resume` names."""
    how = asked.options({name: value for name, value in choosing.items() if name != "data"})
    return f"{resume} learned from {choosing['data']}{how and f' with {how}'}, and so does this run."


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def _taken(context: typer.Context, resume: str | None) -> dict[str, Any]:
    """What chooses the pictures of the run that `resume` names, unless the user says otherwise. The seed belongs to the
    subset that it chose."""
    from stylegan_cli.training.resuming import pictures_of

    found = pictures_of(resume) if resume else {}
    taken = {name: value for name, value in found.items() if not _is_given(context, name)}
    if "subset" in taken and context.params["seed"] != found.get("seed", 0) and "seed" not in taken:
        raise UsageError(
            f"--seed also chooses the pictures of --subset, which {resume} had; leave it out, or give --data"
        )
    return taken if "subset" in taken else {name: value for name, value in taken.items() if name != "seed"}
