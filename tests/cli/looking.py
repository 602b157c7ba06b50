"""Looking at what commands made: pictures, and folders."""

from pathlib import Path

import numpy as np
from PIL import Image

from stylegan_cli import recipes


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def size_of(path):
    with Image.open(path) as image:
        return image.size


def ws_of(path):
    """What a picture made here of one person was made from."""
    return recipes.read(Path(path)).picture.ws


def names(folder):
    """All files in a folder and below."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def contents(folder):
    """The same files with their bytes, but for manifests, which tell how they came about."""
    return {name: (folder / name).read_bytes() for name in names(folder) if Path(name).name != "manifest.json"}
