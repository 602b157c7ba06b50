"""Where the pictures of an unfinished data set are: in files, or in zips that grow, one for each process.

Both can tell which pictures are whole, also after a process was killed while it wrote one.
"""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from operator import itemgetter
from pathlib import Path

import numpy as np

from stylegan_cli.datasets.layout import FOLDER_SIZE, picture_name
from stylegan_cli.datasets.zips import complete, cut, end_of, growing_zip, grown, read_grown, writing_zip
from stylegan_cli.files import is_leftover, names_in, rename_alone, telling_why, write_bytes
from stylegan_cli.media.encode import FORMATS

Add = Callable[[int, bytes], object]
_PICTURE = re.compile(rf"img(\d{{8,}})\.({'|'.join(FORMATS)})")


class PictureFiles:
    """Pictures in NVIDIA's layout, each of which gets its name once it is whole. Other files are left alone."""

    def __init__(self, folder: Path, count: int, format: str) -> None:
        self.folder, self.count, self.format = folder, count, format

    def there(self) -> np.ndarray:
        """Which pictures are whole, `[count]` bool."""
        found: list[int] = []
        for number in range(-(-self.count // FOLDER_SIZE)):
            with suppress(FileNotFoundError), os.scandir(self.folder / f"{number:05d}") as entries:
                for entry in entries:
                    name = _PICTURE.fullmatch(entry.name)
                    if name and name[2] == self.format and entry.is_file() and entry.stat().st_size:
                        found.append(int(name[1]))
        return _among(self.count, found)

    @contextmanager
    def adding(self, _rank: int) -> Iterator[Add]:
        """Yields what writes a picture, given its number."""
        yield lambda index, encoded: write_bytes(self.folder / picture_name(index, self.format), encoded)

    def sweep(self) -> None:
        """Removes the half-written files of killed processes."""
        self._remove(is_leftover)

    def clear(self) -> None:
        """Removes all pictures, also those of other formats."""
        self.sweep()
        self._remove(_PICTURE.fullmatch)
        for folder in self._folders():
            with suppress(OSError):
                folder.rmdir()

    def finish(self, _path: Path, files: Mapping[str, bytes], _on_picture: Callable[[int], None]) -> None:
        """Adds the `files`, by their names, to the pictures, which are where they belong."""
        for name, content in files.items():
            write_bytes(self.folder / name, content)

    def _remove(self, is_ours: Callable[[str], object]) -> None:
        for folder in self._folders():
            for name in filter(is_ours, names_in(folder)):
                (folder / name).unlink(missing_ok=True)

    def _folders(self) -> list[Path]:
        return [self.folder / name for name in names_in(self.folder) if re.fullmatch(r"\d{5,}", name)]


class ZipShards:
    """Pictures in growing zips, `shard0.zip`, `shard1.zip` and so on, one for each process."""

    def __init__(self, folder: Path, count: int, format: str) -> None:
        self.folder, self.count, self.format = folder, count, format

    def there(self) -> np.ndarray:
        """Which pictures are whole, `[count]` bool."""
        return _among(self.count, (index for shard in self._shards() for index, _ in _pictures(shard)))

    @contextmanager
    def adding(self, rank: int) -> Iterator[Add]:
        """Yields what appends a picture, given its number, to the zip of process `rank`."""
        shard = self.folder / f"shard{rank}.zip"
        with telling_why(shard), growing_zip(shard) as write:
            yield lambda index, encoded: write(picture_name(index, self.format), encoded)

    def sweep(self) -> None:
        """Cuts off what follows the pictures: a half-written one, or what would have completed the zip."""
        for shard in self._shards():
            cut(shard, max((end_of(about) for _, about in _pictures(shard)), default=0))

    def clear(self) -> None:
        """Removes all pictures."""
        for shard in self._shards():
            shard.unlink()

    def finish(self, path: Path, files: Mapping[str, bytes], on_picture: Callable[[int], None]) -> None:
        """Makes one zip of all pictures, in order, and then the `files`, by their names. Calls `on_picture` with the
        number of pictures in it so far."""
        every = [(index, shard, about) for shard in self._shards() for index, about in _pictures(shard)]
        pictures = list({index: (index, shard, about) for index, shard, about in every}.values())  # the newest
        shards, numbers = {shard for _, shard, _ in pictures}, [index for index, _, _ in every]
        # In order and each only once, one shard can become the zip: nothing needs to be copied.
        if len(shards) == 1 and len(pictures) == len(every) and numbers == sorted(numbers):
            shard = shards.pop()
            with telling_why(shard):
                complete(shard, [about for _, _, about in pictures], files)
            rename_alone(shard, path)
            return
        with ExitStack() as opened:
            read = {shard: partial(read_grown, opened.enter_context(shard.open("rb"))) for shard in shards}
            write = opened.enter_context(writing_zip(path))
            for done, (_, shard, about) in enumerate(sorted(pictures, key=itemgetter(0)), start=1):
                write(about.filename, read[shard](about))
                on_picture(done)
            for name, content in files.items():
                write(name, content)

    def _shards(self) -> list[Path]:
        return sorted(self.folder / name for name in names_in(self.folder) if re.fullmatch(r"shard\d+\.zip", name))


def _pictures(shard: Path) -> Iterator[tuple[int, zipfile.ZipInfo]]:
    """The number and the description of each whole picture in a growing zip."""
    for about in grown(shard):
        if match := _PICTURE.fullmatch(Path(about.filename).name):
            yield int(match[1]), about


def _among(count: int, found: Iterable[int]) -> np.ndarray:
    """`[count]` bool, true at the numbers found. Larger ones belong to somebody else's pictures."""
    there = np.zeros(count, bool)
    there[[index for index in found if index < count]] = True
    return there
