"""What `--resume` names: a model, or the folder of another run, whose checkpoints also contain the discriminator and
the generator that is not averaged. Optimisers are not taken: with beta1 0 and beta2 0.99, they only remember some 100
steps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stylegan_cli import importers, modelfile, store
from stylegan_cli.assets import Progress, no_progress
from stylegan_cli.errors import StyleganError, UsageError
from stylegan_cli.importers import Checkpoint, Network
from stylegan_cli.training import asked, checkpoints
from stylegan_cli.training.folder import OPTIONS, RunFolder
from stylegan_cli.training.networks import cfg_of
from stylegan_cli.training.options import Options
from stylegan_cli.training.state import below
from stylegan_cli.tuning import BUILT_IN, built_in

# The options that choose the pictures and their classes, and their types; `seed` says which a `subset` takes.
CHOOSING = {"data": str, "cond": bool, "mirror": bool, "subset": int, "seed": int}


def open_resumed(name: str, outdir: Path, progress: Progress = no_progress) -> Checkpoint:
    """Networks to start from: a StyleGAN 1, 2 or 3, from a file, a URL, a named model, or a run's newest checkpoint.

    Raises `UsageError` if they cannot be trained, or `name` is probably a mistake.
    """
    path = Path(name)
    if not name:
        raise UsageError("--resume is empty; give a model or a run's folder, or leave it out")
    if path.is_dir() and path.resolve() == outdir.resolve():
        raise UsageError(f"--resume {name} is the --outdir, which is continued anyway; leave out --resume")
    if path.parent.name == "checkpoints" and (run := path.parent.parent / OPTIONS).is_file():
        raise UsageError(f"--resume {name} is a run's checkpoint; use --resume {run.parent} to start from the newest")
    checkpoint = _of_run(path) if (path / OPTIONS).is_file() else _of_file(store.source(name).fetch(progress))
    if cfg_of(checkpoint.generator) is None:
        family = checkpoint.generator.family
        raise UsageError(
            f"--resume {name} is a {family} model, which cannot be trained; resume from a StyleGAN 1, 2 or 3"
        )
    if tuple(checkpoint.generator.config.get("start", (4, 4))) != (4, 4):
        raise UsageError(
            f"--resume {name} makes pictures that are not square, and cannot be trained; use another model"
        )
    if checkpoint.generator.config.get("class_features"):
        raise UsageError(
            f"--resume {name} is a StyleGAN-XL with classes, which cannot be trained; resume from one without classes, "
            "or from another model"
        )
    return checkpoint


def anywhere(name: str) -> str | Path:
    """`name` in a form that is valid from any folder: files and runs as absolute paths."""
    path = Path(name)
    return path.resolve() if (path / OPTIONS).is_file() or store.is_file(name) else name


def kept_notes(name: str, told: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What the notes of a model, or of a run's, tell that is true of models trained from it: the licence, if it is
    known, and the tunings that it was made with. Of other layouts than ours, they are `told` by whoever read it."""
    folder = Path(name)
    if (folder / OPTIONS).is_file():
        notes = modelfile.notes(folder / store.SNAPSHOT)
        licence = str(notes.get("licence", ""))
    else:
        source = store.source(name)
        notes = modelfile.notes(source.path) | dict(told or {})
        licence = source.licence or str(notes.get("licence", ""))
    known = built_in(notes)
    return ({"licence": licence} if licence else {}) | ({BUILT_IN: known} if known else {})


def pictures_of(name: str) -> dict[str, Any]:
    """What chose the pictures that the model learned from, those of CHOOSING that were given, if it is a run, or a file
    in a run's folder, that recorded its `data`; else nothing."""
    path = Path(name)
    given = asked.load(path if path.is_dir() else path.parent) if path.exists() else {}
    found = {option: given[option] for option, kind in CHOOSING.items() if isinstance(given.get(option), kind)}
    return found | {"data": Path(found["data"])} if "data" in found else {}


def _of_run(folder: Path) -> Checkpoint:
    """The networks in a run's newest checkpoint, even while it is being trained: they are identified by the run,
    because it may have continued by the time that a run started from it is continued."""
    options, content = RunFolder(folder).options(), checkpoints.newest(folder / "checkpoints")
    if options is None or content is None:
        if (folder / store.SNAPSHOT).is_file():
            raise StyleganError(f"the checkpoints of {folder} are gone; use --resume {folder / store.SNAPSHOT}")
        raise StyleganError(f"{folder} is a run that has no checkpoint yet; wait for its first one")
    tensors, progress = content
    generator = dict(options.generator)
    if options.cfg == "stylegan1":
        generator["lod"] = options.growth.lod(progress["nimg"] / 1000)
    average = Network(options.family, generator, below(tensors, "average"))
    return _complete(average, tensors, options, options.identity)


def _of_file(path: Path) -> Checkpoint:
    """A model file. If it is in its run's folder, it has the other networks, too, as long as there is the checkpoint
    that was written with it: that of the newest model, or the best."""
    model, run = importers.read(path), RunFolder(path.parent)
    options = run.options() if (run.path / OPTIONS).is_file() else None
    if options is None:
        return model
    for written in (*reversed(checkpoints.found(run.checkpoints)), run.checkpoints / checkpoints.BEST):
        content = checkpoints.read(written)
        if content and _equal(below(content[0], "average"), model.generator.tensors):
            return _complete(model.generator, content[0], options, model.identity)
    return model


def _complete(average: Network, tensors: Mapping[str, Tensor], options: Options, identity: str) -> Checkpoint:
    """A running average with the other networks from the tensors of the checkpoint that it is from."""
    training = Network(options.family, average.config, below(tensors, "g"))
    judge = Network(options.family, options.discriminator, below(tensors, "d"))
    return Checkpoint("run", average, judge, training, sha256=identity)


def _equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
