"""The user's own models: adds and removes them."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from stylegan_cli.assets import Progress, no_progress
from stylegan_cli.errors import StyleganError, UsageError
from stylegan_cli.files import copy, file_digest, replacing, write_bytes
from stylegan_cli.store.named import NATIVE, Model, bundled_folder, directions_in, models, own_folder
from stylegan_cli.store.sources import (
    ENCODER,
    SNAPSHOT,
    UNKNOWN_LICENCE,
    Source,
    directions_folder,
    file_at,
    is_url,
    model_in,
    source,
)

if TYPE_CHECKING:
    from stylegan_cli.generator import Generator
    from stylegan_cli.importers import Checkpoint


def add(text: str, name: str = "", force: bool = False, progress: Progress = no_progress) -> Model:
    """Stores the generator of a model file, of a URL or of a training run's folder under a name (by default the file's
    or the folder's), as a native file in the user's folder, with its encoder if that is beside it or in the same file,
    and the directions that the user found for it. Raises `StyleganError` if the name is taken or reading fails."""
    from stylegan_cli import importers, modelfile

    if text in models():
        raise UsageError(f"{text} is a model's name already; give a file, a URL or a training run's folder")
    folder = _new_folder(name or _name_for(text), force)
    path = source(text).fetch(progress) if is_url(text) else model_in(Path(text))
    file = file_at(text) if is_url(text) else path.name
    checkpoint = importers.read(path)
    generator = importers.generator(checkpoint, folder.name)
    weights, origin, described = folder / f"weights{NATIVE}", generator.origin, folder / "model.json"
    # Both are written before either is replaced.
    with replacing(weights) as new_weights, _replacing_encoder(path, folder / ENCODER, checkpoint, generator):
        if modelfile.is_native(path):
            copy(path, new_weights)  # even in half precision: the model must stay the same
        else:
            modelfile.save(generator, new_weights, origin.notes)
        described.unlink(missing_ok=True)  # of the model that was here before: its licence is not this one's
    _keep_directions(source(text), directions_folder(folder.name))
    kind = origin.notes.get("format", "model file")
    about = {
        "title": f"{generator.family}, {generator.size[1]}x{generator.size[0]} ({kind} {file})",
        "licence": str(origin.notes.get("licence", UNKNOWN_LICENCE)),
        "source": {"file": file},
        "fingerprint": origin.fingerprint.hex(),
    }
    # Last, because it is what makes the folder a model.
    write_bytes(described, json.dumps(about, indent=2).encode())
    return Model(folder.name, folder)


def _name_for(text: str) -> str:
    """What a model is called that is added without a name."""
    here = Path(file_at(text)) if is_url(text) else Path(text).resolve()
    return here.name if here.is_dir() else here.stem


def _new_folder(name: str, force: bool) -> Path:
    """The folder for a new model. Raises `StyleganError` if the name is no name, or taken."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
        raise UsageError(f"{name!r} cannot be a model's name; choose one with --name, of letters, digits, - and _")
    if (Path(name) / SNAPSHOT).is_file():
        raise UsageError(f"{name} is also the folder of a training run here; give the model another name with --name")
    folder = own_folder() / name
    if (bundled_folder() / name).exists():
        raise StyleganError(f"there is already a model called {name}, which came with this tool; choose another --name")
    if (folder / "model.json").is_file() and not force:
        raise StyleganError(f"there is already a model called {name}; choose another --name, or --force to replace it")
    return folder


@contextmanager
def _replacing_encoder(model: Path, kept: Path, checkpoint: Checkpoint, generator: Generator) -> Iterator[None]:
    """Prepares the encoder beside a model's file or in it, which is `kept` if the block succeeds. One that was there
    before stays if it is for this model and there is none beside it; others are put aside."""
    import torch

    from stylegan_cli import encoders

    def is_for_this(file: Path) -> bool:
        return bool((its := encoders.about(file)) and its.fits(generator))

    beside, new, is_known = model.with_name(ENCODER), None, is_for_this(kept)
    with ExitStack() as stack:
        if is_for_this(beside):
            new = stack.enter_context(replacing(kept))
            copy(beside, new)
        elif not is_known and checkpoint.encoder:
            new = stack.enter_context(replacing(kept))
            found = encoders.from_checkpoint(checkpoint.encoder, generator, model)
            encoders.save(found, new, {"file": model.name}, torch.float32)
        yield
        if kept.is_file() and not (is_known if new is None else file_digest(kept) == file_digest(new)):
            kept.replace(kept.with_stem(f"{kept.stem}-{file_digest(kept)[:8]}"))


def _keep_directions(found: Source, kept: Path) -> None:
    """Copies the directions that the user has found for a file, except those whose names are taken."""
    for name, path in directions_in(found.own_directions).items():
        if not (target := kept / f"{name}{path.suffix}").exists():
            copy(path, target)


def put_aside(folder: Path) -> list[Path]:
    """The encoders of models that had the name of the one in this folder before."""
    return sorted(folder.glob(f"{Path(ENCODER).stem}-*{NATIVE}"))


def remove(name: str) -> Path:
    """Deletes a model that the user added, but not what `put_aside` finds: hours may have gone into it. Raises
    `UsageError` if there is none of this name."""
    folder = own_folder() / name
    if name not in (known := models()) or known[name].folder != folder:
        raise UsageError(f"{name!r} is not a model that was added here; added models are in {own_folder()}")
    if folder.is_symlink():
        folder.unlink()  # its target is somewhere else, and stays
        return folder
    kept = put_aside(folder)
    for path in set(folder.iterdir()) - set(kept):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    if not kept:
        folder.rmdir()
    return folder
