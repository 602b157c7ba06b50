"""Directions: vectors that an edit adds to `w`, with a name, a unit and the model that they belong to.

Our own files are `.npz`. Vectors from other projects (`.pt`, `.npy`) are read too, and so are files with several of
them: rosinality's factors, GANSpace's components. Those do not say their model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from stylegan_cli import importers
from stylegan_cli.errors import StyleganError, UsageError
from stylegan_cli.files import replacing
from stylegan_cli.generator import Generator, Origin
from stylegan_cli.latents import files, people
from stylegan_cli.latents.named import numbered, suggestion
from stylegan_cli.latents.selection import parse_layers

ENDINGS = (".npz", ".npy", *files.TORCH)
UNIT = "1 adds the vector to w"
GANSPACE = {"lat_comp", "lat_stdev"}  # keys of its files
MOST_DIGITS = 9  # in a direction's number


@dataclass(frozen=True, eq=False)
class Direction:
    """`vector` `[num_ws, w_dim]` float32 is what amount 1 adds; its rows are equal in W, and differ in W+.

    `layers` are those that it is applied to by default. `response` `[w_dim]` is how an attribute's score depends on `w`
    (its gradient, in the score's standard deviations); None if there was no score. `found` says how the direction was
    found, `scores` how good it is; `origin` is None if the model is not known.
    """

    name: str
    vector: Tensor
    layers: str = "all"
    title: str = ""
    response: Tensor | None = None
    origin: Origin | None = None
    found: Mapping[str, Any] = field(default_factory=dict)
    scores: Mapping[str, Any] = field(default_factory=dict)

    @property
    def space(self) -> str:
        return "W" if bool((self.vector == self.vector[:1]).all()) else "W+"


def resolve(text: str, generator: Generator, known: Mapping[str, Path]) -> Direction:
    """The direction that `text` names: a file, one of several in a file (`factor.pt#3`), or one of the `known` ones.
    Raises UsageError if there is none."""
    path, number = located(text)
    if path.suffix.lower() in ENDINGS:
        if not path.is_file():
            ours = f"; {path.stem} is one of the model's own directions" if path.stem in known else ""
            raise UsageError(f"there is no direction file {path}{ours}")
        return read(path, generator, number)
    name = text if text in known else text.replace("_", "-")  # as options may be written
    if name not in known:
        have = f"has {', '.join(known)}" if known else "has none yet"
        raise UsageError(
            f"there is no direction {text!r}{suggestion(text, known)}: {generator.origin.name} {have}; find more with "
            "'stylegan directions', or give a file"
        )
    return read(known[name], generator)


def located(text: str) -> tuple[Path, int | None]:
    """The file that `text` would be, and which of several directions in it, counted from 0. Raises UsageError if that
    is no number."""
    name, number = numbered(text)
    if not (number and name.lower().endswith(ENDINGS)):
        return Path(text), None
    if not (number.isdecimal() and len(number) <= MOST_DIGITS):
        raise UsageError(f"there is no {text}: directions in a file are numbered from 0, like {name}#3")
    return Path(name), int(number)


def read(path: Path, generator: Generator, number: int | None = None) -> Direction:
    """The direction in one of our files, or the only vector in a `.npy`, a `.npz` or a `.pt` written by torch.save:
    `[w_dim]` or `[num_ws, w_dim]`, perhaps with leading dimensions of size 1. In a file with several, the one with this
    `number`. Raises StyleganError if it does not fit the generator, and UsageError if there is no such number."""
    if path.suffix.lower() == ".npz":
        return _read_npz(path, generator, number)
    if path.suffix.lower() == ".npy":
        with files.reading(path, "a direction"):
            array = files.read_npy(path)
    else:
        array = importers.read_directions(path).float().numpy()
    return _foreign(generator, array, path, number)


def title(path: Path) -> str:
    """The title in one of our direction files."""
    with files.reading(path, "a direction"), files.open_npz(path) as arrays:
        return str(json.loads(str(arrays["about"]))["title"])


def write(path: Path, direction: Direction, origin: Origin) -> None:
    """Writes a direction of the model `origin`: the vector (`[w_dim]` in W), the response, and the rest as JSON."""
    about = {
        "name": direction.name,
        "title": direction.title,
        "space": direction.space,
        "layers": direction.layers,
        "unit": UNIT,
        "model": origin.to_plain(),
        "found": dict(direction.found),
        "scores": dict(direction.scores),
    }
    vector = direction.vector[0] if direction.space == "W" else direction.vector
    arrays: dict[str, Any] = {"direction": vector.numpy(), "about": np.array(json.dumps(about))}
    if direction.response is not None:
        arrays["response"] = direction.response.numpy()
    with replacing(path) as part, part.open("wb") as file:
        np.savez(file, **arrays)


def _read_npz(path: Path, generator: Generator, number: int | None) -> Direction:
    with files.reading(path, "a direction"), files.open_npz(path) as arrays:
        if set(arrays) >= GANSPACE:
            return _foreign(generator, _components(arrays, path), path, number)
        if len(arrays) == 1 and not set(arrays) & set(importers.LATENT_KEYS):  # a lone w is a person
            (alone,) = arrays.values()
            return _foreign(generator, alone, path, number)
        if "direction" not in arrays or "about" not in arrays:
            raise StyleganError(f"{path} contains no direction; its keys are {', '.join(arrays) or 'none'}")
        _check_alone(path, number)
        about = json.loads(str(arrays["about"]))
        origin = Origin.from_plain(about["model"])
        origin.check_kin(generator.origin, f"{path} is a direction of")
        vector = _vector(generator, arrays["direction"], path)
        response = _vector(generator, arrays["response"], path)[0] if "response" in arrays else None
        layers = _layers(about["layers"], generator, path)
        return Direction(
            str(about["name"]), vector, layers, str(about["title"]), response, origin,
            _found(about["found"]), dict(about["scores"]),
        )  # fmt: skip


def _found(about: Any) -> dict[str, Any]:
    """What a file says about how it was found, after checking that the directions kept are names."""
    found = dict(about)
    kept = found.get("kept", [])
    if not isinstance(kept, list) or not all(isinstance(name, str) for name in kept):
        raise ValueError("the directions it keeps are not a list of names")
    return found


def _layers(words: object, generator: Generator, path: Path) -> str:
    """The layers that a file names, after checking that the model has them."""
    if not isinstance(words, str):
        raise ValueError(f"its layers are {words!r}")
    try:
        parse_layers(words, generator.layers)
    except UsageError as error:
        raise StyleganError(f"{path} moves layers that the model does not have: {error}") from None
    return words


@np.errstate(over="ignore", invalid="ignore")  # what is not finite is refused later
def _components(arrays: Mapping[str, np.ndarray], path: Path) -> np.ndarray:
    """GANSpace's principal components of W, `[n, 1, w_dim]`, each as long as a standard deviation: the unit that its
    notebooks move w by (Harkonen et al. 2020, arXiv:2004.02546)."""
    components, deviations = (np.asarray(arrays[key]) for key in ("lat_comp", "lat_stdev"))
    if components.ndim != 3 or deviations.shape != components.shape[:1]:
        raise ValueError("its components and their deviations do not match")
    if len(deviations) and (deviations == 1).all():  # GANSpace measures them only in W
        raise StyleganError(
            f"{path} holds components of Z, but edits move w; use those that GANSpace finds with --use_w"
        )
    return components * deviations[:, None, None]


def _foreign(generator: Generator, array: np.ndarray, path: Path, number: int | None) -> Direction:
    """The direction in another project's array, or the one of several with this number."""
    array = np.asarray(array)
    _check_type(array, path)
    if array.ndim == 3 and len(array) == 1:
        array = array[0]
    are_several = _are_several(array) if array.ndim == 2 else array.ndim == 3 and len(array) > 0
    if not are_several:
        vector = _vector(generator, array, path)
        _check_alone(path, number)
        return Direction(path.stem, vector)
    if number is None or number >= len(array):
        last = len(array) - 1
        raise UsageError(f"{path} holds {len(array)} directions; name one, from {path.name}#0 to {path.name}#{last}")
    return Direction(f"{path.stem}#{number}", _vector(generator, array[number], path))


def _check_alone(path: Path, number: int | None) -> None:
    """Checks that nobody chooses among several directions where there is only one."""
    if number is not None:
        raise UsageError(f"{path} holds one direction; leave out #{number}")


def _check_type(array: np.ndarray, path: Path) -> None:
    if array.dtype.kind != "f":
        raise StyleganError(f"{path} holds {array.dtype} values; directions are floating-point numbers")


def _vector(generator: Generator, array: np.ndarray, path: Path) -> Tensor:
    array = np.asarray(array)
    _check_type(array, path)
    (one,) = people.from_array(generator, array, str(path))
    return one.ws


@np.errstate(over="ignore", invalid="ignore")  # what is not finite is refused later
def _are_several(rows: np.ndarray) -> bool:
    """Whether rows `[k, w_dim]` are directions, as SeFa and GANSpace find them, and not the layers of one: eigenvectors
    are at right angles to each other."""
    rows = rows.astype(np.float64)
    units = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return len(rows) > 1 and bool(np.abs(units @ units.T - np.eye(len(rows))).max() < 1e-3)
