"""Looking at what commands made: pictures, and folders."""

from pathlib import Path

import numpy as np
from PIL import Image

from stylegan_cli import recipes
from stylegan_cli.datasets.zips import grown


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


def whole_pictures(folder):
    """Those of an unfinished data set in a folder, and which file each is; or in the zips of a zip, and where."""
    found = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.rglob("img*.png")}
    for shard in folder.glob("shard*.zip"):
        found |= {about.filename: (shard, about.header_offset) for about in grown(shard)}
    return found
