"""Checkpoints: the whole state of a run in one file, written beside the last good one, and read back before that is
removed."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from torch import Tensor

from stylegan_cli import tensorfile
from stylegan_cli.errors import StyleganError
from stylegan_cli.files import replacing
from stylegan_cli.modelfile import digest
from stylegan_cli.training.state import State

KEPT = 2
ENDING = ".safetensors"
BEST = f"best{ENDING}"  # a copy of the one that belongs to the best model, to start another run from


def save(state: State, folder: Path) -> Path:
    """Writes a checkpoint and checks it; only then removes all but the last two, and any from later in the run: those
    were damaged, and the run continued from before them. Raises StyleganError, and removes none, if it cannot be
    written."""
    tensors, progress = state.tensors(), json.dumps(asdict(state.progress))
    path = path_of(folder, state.progress.nimg)
    metadata = {"progress": progress, "sha256": digest("training", progress, tensors)}
    with replacing(path) as part:
        tensorfile.save(tensors, part, metadata)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
    if read(path) is None:
        raise StyleganError(f"{path} was not written correctly; check the disk")
    others = found(folder)
    kept = [other for other in others if other <= path][-KEPT:]
    for other in others:
        if other not in kept:
            with suppress(PermissionError):  # Windows keeps what another run is reading; the next call removes it
                other.unlink()
    return path


def newest(folder: Path) -> tuple[dict[str, Tensor], dict[str, float]] | None:
    """Tensors and progress of the newest undamaged checkpoint; None if there are no checkpoints. Raises StyleganError
    if all are damaged."""
    paths = found(folder)
    for path in reversed(paths):
        if (content := read(path)) is not None:
            return content
    if paths:
        raise StyleganError(
            f"all checkpoints in {folder} are damaged; choose another --outdir, with --resume and the model's file in "
            f"{folder.parent} to start from what it has learned"
        )
    return None


def path_of(folder: Path, nimg: int) -> Path:
    """The file of the checkpoint after `nimg` pictures."""
    return folder / f"{nimg:012d}{ENDING}"


def found(folder: Path) -> list[Path]:
    """Checkpoint files to continue from, oldest first."""
    return sorted(path for path in folder.glob(f"*{ENDING}") if path.stem.isdecimal())


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, float]] | None:
    """Tensors and progress, or None if the file is damaged."""
    try:
        metadata, tensors = tensorfile.read(path)
        progress = metadata["progress"]
        if digest("training", progress, tensors) != metadata["sha256"]:
            return None
        return tensors, json.loads(progress)
    except (OSError, KeyError, ValueError):
        return None
