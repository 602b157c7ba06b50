"""The people found in photos and films, kept in the cache: finding them takes minutes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from stylegan_cli.cli.opened import OpenedModel
from stylegan_cli.errors import StyleganError
from stylegan_cli.folders import cache_folder
from stylegan_cli.generator import Generator
from stylegan_cli.latents import references
from stylegan_cli.latents.people import Person


def file_for(opened: OpenedModel, folder: str, digest: str, face: int, version: int, *search: Any) -> Path:
    """The file in the cache for whom a search finds as this face in a photo or film. Its name covers everything that
    the result depends on: the photo's SHA-256 (`digest`), the face, the model and the `search`."""
    generator = opened.generator
    key = [
        *(version, digest, face, *search),
        *(opened.precision, generator.origin.sha256, generator.chosen_class, opened.encoder_digest),
    ]
    name = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]
    return cache_folder() / folder / f"{name}.npz"


def people_in(generator: Generator, path: Path) -> list[Person]:
    """Those who are kept there; nobody if nobody is yet, or if the file is damaged."""
    try:
        return references.from_file(path, generator)
    except StyleganError:
        return []
