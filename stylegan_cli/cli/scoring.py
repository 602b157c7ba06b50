"""Scores of faces, kept in the cache: drawing and scoring thousands takes minutes, and the next search for a direction
needs the same ones."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from PIL import Image

from stylegan_cli import __version__, recipes
from stylegan_cli.cli.studio import CELL, Studio, Work
from stylegan_cli.errors import MALFORMED
from stylegan_cli.folders import cache_folder
from stylegan_cli.media.render import render
from stylegan_cli.pictures import Face
from stylegan_cli.scorers.scores import Scorers

Scores = Mapping[str, float]
Shown = Face | Image.Image  # somebody to be drawn, or a picture of them


class Scoring:
    """Scores faces, each once, also in several runs. What is known is in a file for each model and set of networks."""

    def __init__(self, studio: Studio, scorers: Scorers) -> None:
        self._studio, self._scorers = studio, scorers
        about = _digest(json.dumps([studio.generator.origin.sha256, __version__, scorers.versions]).encode())
        self._file = cache_folder() / "scores" / f"{about[:16]}.jsonl"
        self._known = _read(self._file, scorers.names)

    def __call__(self, shown: Shown) -> Scores:
        """The scores of a face."""
        key = self._key(shown)
        if key not in self._known:
            image = shown if isinstance(shown, Image.Image) else render(self._studio.generator, shown, CELL)
            self._known[key] = {name: float(score) for name, score in self._scorers(image).items()}
            _add(self._file, key, self._known[key])
        return self._known[key]

    def _key(self, shown: Shown) -> str:
        """A digest of the pixels, or of all that they depend on."""
        if isinstance(shown, Image.Image):
            return _digest(f"{shown.mode} {shown.size} ".encode() + shown.tobytes())
        recipe = self._studio.recipe(Work(shown), CELL)
        return _digest(recipes.dumps(replace(recipe, command="", model="")).encode())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _read(path: Path, names: Sequence[str]) -> dict[str, Scores]:
    """The scores in a file, without lines that were not written to their end."""
    known: dict[str, Scores] = {}
    with suppress(OSError), path.open(encoding="ascii", errors="replace") as lines:
        for line in lines:
            with suppress(*MALFORMED):
                key, scores = json.loads(line)
                known[key] = {name: float(scores[name]) for name in names}
    return known


def _add(path: Path, key: str, scores: Scores) -> None:
    """Adds a line to a file of scores, if the cache can be written; if not, they can be computed again. Lines begin
    with a line break: one that was not written to its end spoils no other."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="ascii") as file:
            file.write(f"\n{json.dumps([key, scores])}")
