"""The people found in photos and films, kept in the cache: finding them takes minutes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from stylegan_cli.cli.opened import OpenedModel
from stylegan_cli.errors import StyleganError
from stylegan_cli.files import file_digest
from stylegan_cli.folders import cache_folder
from stylegan_cli.generator import Generator
from stylegan_cli.latents import references
from stylegan_cli.latents.named import Photo
from stylegan_cli.latents.people import Person


def page(opened: OpenedModel, folder: str, photo: Photo, version: int, *search: Any) -> Path:
    """Where those are kept whom a search finds in a photo or a film: a name for everything that its result depends
    on."""
    generator = opened.generator
    key = [
        *(version, file_digest(photo.path), photo.face or 1, *search),
        *(opened.precision, generator.origin.sha256, generator.chosen_class, opened.encoder_digest),
    ]
    name = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]
    return cache_folder() / folder / f"{name}.npz"


def kept(generator: Generator, path: Path) -> list[Person]:
    """Those who are kept there; nobody if nobody is yet, or if the file is damaged."""
    try:
        return references.from_file(path, generator)
    except StyleganError:
        return []
