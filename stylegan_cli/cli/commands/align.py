"""`stylegan align`: cuts faces out of photos the way the model knows faces."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stylegan_cli.cli import places
from stylegan_cli.cli.boundary import each_photo
from stylegan_cli.cli.console import fetch, print_data, progress, tell
from stylegan_cli.cli.options import OUTPUT, Force, command, out_option
from stylegan_cli.errors import UsageError
from stylegan_cli.files import file_digest, write_bytes

if TYPE_CHECKING:
    from stylegan_cli.latents.photo import Photo


@dataclass(frozen=True)
class AlignOutput:
    """Where aligned faces go. They are PNG files, which record their place in the photo."""

    out: Annotated[
        Path | None,
        out_option("A .png file, or a folder. By default, a new file here; for several faces, a new folder."),
    ] = None
    size: Annotated[
        int, typer.Option(min=16, max=4096, help="Width of an aligned face in pixels.", rich_help_panel=OUTPUT)
    ] = 1024
    force: Force = False


@dataclass(frozen=True)
class Destination:
    """Where pictures go: the aligned face to `file`, or all to `folder`, or all to new names here."""

    file: Path | None
    folder: Path | None
    force: bool

    def path(self, name: str) -> Path:
        """The path of the aligned face called `name`, checked."""
        return places.check_file(self.file, self.force) if self.file else self.beside(name)

    def beside(self, name: str) -> Path:
        """The path of another picture, checked."""
        folder = self.file.parent if self.file else self.folder
        if folder is None:
            return places.fresh(Path(f"{name}.png"))
        return places.check_file(folder / f"{name}.png", self.force)


@dataclass(frozen=True)
class Wanted:
    """What to make from each photo: its largest face or the one it names, or `every` face; and the `overview`."""

    every: bool
    overview: bool


@command
def align(
    output: AlignOutput,
    photos: Annotated[
        list[str],
        typer.Argument(metavar="PHOTO", help="Photos with faces; party.jpg#2 is the second-largest face."),
    ],
    every: Annotated[bool, typer.Option("--all", help="Align all faces in each photo.")] = False,
    overview: Annotated[
        bool, typer.Option("--overview", help="Also write the photo with its faces framed and numbered.")
    ] = False,
) -> None:
    """Cut faces out of photos: upright, centred and as large as in the pictures the model learned from.

    Writes NAME-aligned.png, which records the photo and the face's place in it, so that an edited face can be put back.
    Where the crop goes beyond the edge of the photo, it is filled with the photo's mirror image.

    Examples: stylegan align me.jpg; stylegan align party.jpg --overview; stylegan align party.jpg --all -o guests
    """
    from stylegan_cli.faces.detection import DETECTOR
    from stylegan_cli.latents import references

    named = references.photos(photos)
    if every and (single := next((photo for photo in named if photo.face), None)):
        raise UsageError(f"{single.path}#{single.face} is one face, and --all takes every face; leave out one of them")
    wanted = Wanted(every, overview)
    destination = _destination(output, several=every or len(named) > 1)
    names = places.result_names([photo.label for photo in named], named[0].path.stem)
    for photo, name in zip(named, names, strict=True):
        if overview:
            destination.beside(f"{name}-overview")
        if not every:
            destination.path(_crop_name(photo, name))
    fetch(DETECTOR)
    with progress("aligning", len(named), "photos") as advance:

        def one(pair: tuple[Photo, str]) -> None:
            try:
                _align(*pair, wanted, destination, output)
            finally:
                advance()

        each_photo(list(zip(named, names, strict=True)), one, "aligned")


def _destination(output: AlignOutput, several: bool) -> Destination:
    places.file_ending(output.out, None, ("png",), "png")
    if places.is_file_name(output.out, ("png",)):
        if several:
            raise UsageError(f"--out {output.out} is one file, but there may be several faces; name a folder")
        return Destination(output.out, None, output.force)
    if output.out is None and not several:
        return Destination(None, None, output.force)
    return Destination(None, places.check_folder(output.out or places.fresh(Path("aligned"))), output.force)


def _crop_name(photo: Photo, name: str) -> str:
    """What the crop of one face is called, if what is made of the photo has this name."""
    number = f"-{photo.face}" if photo.face and name == photo.path.stem else ""
    return f"{name}{number}-aligned"


def _align(named: Photo, name: str, wanted: Wanted, destination: Destination, output: AlignOutput) -> None:
    """Writes one photo's faces; `name` is what they are called."""
    from stylegan_cli.faces import alignment
    from stylegan_cli.faces.detection import detect
    from stylegan_cli.faces.overview import overview
    from stylegan_cli.media import photos
    from stylegan_cli.media.encode import encode

    path = named.path
    photo = photos.read(path)
    found = detect(photo)
    numbered = "--overview numbers them"
    if found and wanted.overview:
        target = destination.beside(f"{name}-overview")
        _write(target, encode(overview(photo, found), "png"))
        numbered = f"{target} numbers them"
    large = [number for number, face in enumerate(found, start=1) if not alignment.is_tiny(face)]
    if wanted.every and large:
        targets = {number: destination.path(f"{name}-{number}-aligned") for number in large}
    else:
        number = alignment.choose(found, named.face, str(path), numbered)
        targets = {number: destination.path(_crop_name(named, name))}
    if wanted.every and len(targets) < len(found):
        tell(f"{path}: {len(found) - len(targets)} of {len(found)} faces left out as too small.")
    elif not (wanted.every or named.face) and len(found) > 1:
        tell(
            f"{path} shows {len(found)} faces, and this is the largest; {path}#2 is the next, --all takes all, "
            f"{numbered}."
        )
    sha256 = file_digest(path)
    for number, target in targets.items():
        face = found[number - 1]
        cut = alignment.alignment(face, photo.size, number, sha256)
        _write(target, alignment.to_png(alignment.crop(photo, cut, output.size), cut, path.name))
        for remark in alignment.remarks(face, cut):
            tell(f"{path}: face {number} {remark}.")


def _write(path: Path, content: bytes) -> None:
    write_bytes(path, content)
    print_data(path)
