"""What `--resume` names: a model file, or the folder of another run, which has its discriminator too."""

from __future__ import annotations

import hashlib
from pathlib import Path

from stylegan_cli import importers, store
from stylegan_cli.errors import StyleganError, UsageError
from stylegan_cli.importers import Checkpoint, Network
from stylegan_cli.training import checkpoints
from stylegan_cli.training.folder import OPTIONS, RunFolder
from stylegan_cli.training.options import CFGS
from stylegan_cli.training.state import below


def open_resumed(name: str, outdir: Path) -> Checkpoint:
    """Networks to begin from: a StyleGAN or StyleGAN2, from a file, by a model's name, or of a run's newest checkpoint.

    Raises `UsageError` where they cannot be trained, or `name` is not what was meant.
    """
    path = Path(name)
    if not name:
        raise UsageError("--resume names nothing; name a model or a run's folder, or leave it out")
    if path.is_dir() and path.resolve() == outdir.resolve():
        raise UsageError(f"--resume {name} is the --outdir, which goes on by itself; leave out --resume")
    if path.parent.name == "checkpoints" and (run := path.parent.parent / OPTIONS).is_file():
        raise UsageError(f"--resume {name} is a run's checkpoint; say --resume {run.parent} to begin from the newest")
    checkpoint = _of_run(path) if (path / OPTIONS).is_file() else importers.read(store.locate(name))
    if (family := checkpoint.generator.family) not in CFGS:
        raise UsageError(f"--resume {name} is a {family}, which is not trained here; resume from a {' or '.join(CFGS)}")
    return checkpoint


def anywhere(name: str) -> str | Path:
    """What `name` means here, for whoever is elsewhere."""
    path = Path(name)
    return path.resolve() if (path / OPTIONS).is_file() or store.is_file(name) else name


def _of_run(folder: Path) -> Checkpoint:
    """The networks of a run as its newest checkpoint has them, also while it is being trained: what identifies them is
    the run, which may have gone on when a run that began from it does."""
    options, content = RunFolder(folder).options(), checkpoints.newest(folder / "checkpoints")
    if options is None or content is None:
        raise StyleganError(f"{folder} is a run without a checkpoint yet; wait for its first one")
    tensors, progress = content
    generator = dict(options.generator)
    if options.cfg == "stylegan1":
        generator["lod"] = options.growth.lod(progress["nimg"] / 1000)
    average, training, judge = (
        Network(options.cfg, config, below(tensors, part))
        for part, config in (("average", generator), ("g", generator), ("d", options.discriminator))
    )
    identity = hashlib.sha256(options.dumps().encode()).hexdigest()
    return Checkpoint("run", average, judge, training, sha256=identity)
