"""What every picture command needs: an opened model, and results written with their recipes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from stylegan_cli.cli import places
from stylegan_cli.cli.console import print_data, progress, prose, tell
from stylegan_cli.cli.opened import OpenedModel
from stylegan_cli.cli.options import OfClass, Output, PictureOutput, command_line
from stylegan_cli.errors import UsageError
from stylegan_cli.files import write_bytes
from stylegan_cli.latents import files
from stylegan_cli.latents.people import Person, is_one_w, photos_of, truncation
from stylegan_cli.media.background import Background
from stylegan_cli.media.decoding import Original
from stylegan_cli.media.encode import FORMATS, TRANSPARENT, check_edges, encode, has_room
from stylegan_cli.media.render import face_shape, page_size, render
from stylegan_cli.noise import Noise
from stylegan_cli.pictures import Face, Picture, Sheet, cells_of, faces_to_compute
from stylegan_cli.processors import processors
from stylegan_cli.recipes import Recipe, dumps, fits

CELL = 256
MAX_PICTURES = 100_000
# Pillow takes pictures of more than 89 million pixels for an attack: replay could not open them.
MAX_SHEET_PIXELS = 80_000_000


@dataclass(frozen=True)
class Work:
    """A picture to make, and the people whose latents are saved with it."""

    picture: Picture
    people: Sequence[Person] = ()


def check_count(pictures: int) -> None:
    """Nobody wants more than a certain number of single files, or of faces on a sheet."""
    if pictures > MAX_PICTURES:
        raise UsageError(f"{pictures:,} pictures are too many; use --dataset with a folder or a .zip")


def _set_threads(wanted: int) -> int:
    """Makes torch use this many threads, or as many as are of use on this machine, and returns how many; 0 leaves it
    as it is."""
    most = max(processors(), torch.get_num_threads())
    if wanted > most:
        tell(
            f"This picture was made by {wanted} threads, more than the {most} that are of use here; pixels may differ "
            "in the last bit."
        )
    if (number := min(wanted, most)) > 0:
        torch.set_num_threads(number)
    return number


class Studio(OpenedModel):
    """One run of a picture command: a model, and where its results go."""

    def __init__(self, choice: OfClass, output: Output) -> None:
        self.output, self.shows = output, output.show
        self.check_out(1)
        super().__init__(choice)

    def check_out(self, pictures: int) -> None:
        """Checks that --out and --format can take this many pictures, before minutes are spent on a photo."""
        out = self.output.out
        known = (*FORMATS, *self.output.films)
        places.file_ending(out, self.output.format, known, "png")
        if not places.is_file_name(out, known):
            places.check_folder(out or Path())
        if not places.is_file_name(out, FORMATS):
            return
        if pictures > 1:
            raise UsageError(f"--out {out} is one file, but these are {pictures} pictures; name a folder")
        self._check_place(out)

    def check_results(self, names: Sequence[str]) -> None:
        """Checks that results of these names can be written where --out says, as `check_out` does."""
        self.check_out(len(names))
        out = self.output.out
        if out is not None and not places.is_file_name(out, FORMATS):
            for name in names:
                self._check_place(out / f"{name}.{self.format}")

    @cached_property
    def format(self) -> str:
        return places.file_ending(self.output.out, self.output.format, FORMATS, "png")

    def background(self) -> Background:
        """Encodes pictures while, or before, this generator draws the next."""
        return Background(beside=self.generator.device.type != "cpu")

    def save(self, names: Sequence[str], works: Iterable[Work], folder: str = "out", faces: int | None = None) -> None:
        """Makes and writes pictures, one after the other: memory does not grow with their number.

        Several go into a folder, called `folder` if the user named none. `faces` is how many will be computed in total,
        if not one per picture.
        """
        paths = self.paths(names, folder)
        self.speed_up(faces or len(names))
        with progress("drawing", faces or len(names)) as on_face, self.background() as background:
            for path, work in zip(paths, works, strict=True):
                size = self._face_size(work.picture)
                image = render(self.generator, work.picture, size, on_face)
                text = self._text(path, self.recipe(work, size))
                make = partial(encode, image, places.ending(path), text)
                background.submit(make, partial(self._write, path, work.people))
                self.preview(image)

    def save_as(self, path: Path, work: Work) -> None:
        """Makes and writes one picture under a checked name."""
        size = self._face_size(work.picture)
        self.write(path, render(self.generator, work.picture, size), self.recipe(work, size))

    def save_sheet(self, name: str, sheet: Sheet, people: Sequence[Person]) -> None:
        """Makes and writes one sheet."""
        self.save([name], [Work(sheet, people)], faces=faces_to_compute(sheet))

    def replay(self, name: str, recipe: Recipe) -> None:
        """Makes and writes the picture of a recipe, with that recipe; if it was made by other means this time, on
        another device, by fewer threads or without a compiler, the new one says so."""
        (path,) = self.paths([name], "out")
        if isinstance(recipe.picture, Sheet):
            self._check_page(recipe.picture, recipe.size)
        recipe = replace(recipe, threads=_set_threads(recipe.threads))
        self.speed_up(faces_to_compute(recipe.picture))
        with progress("drawing", faces_to_compute(recipe.picture)) as on_face:
            image = render(self.generator, recipe.picture, recipe.size, on_face)
        self.write(path, image, replace(recipe, device=self.generator.device.type, compiled=self.is_compiled))

    def recipe(self, work: Work, size: int | None) -> Recipe:
        threads, photo = torch.get_num_threads(), photos_of(work.people)
        if isinstance(photo, list) and len(photo) != sum(isinstance(cell, Face) for cell in cells_of(work.picture)):
            photo = None  # the picture shows others, too
        return Recipe(work.picture, size=size, threads=threads, photo=photo, **self.circumstances())

    def save_latents(self, path: Path, people: Sequence[Person], **more: object) -> None:
        """Writes people's `w` as `.npz`, with `more` facts about them; a single person keeps the z they came from."""
        ws = np.stack([person.ws.numpy() for person in people])
        space, model = "W" if is_one_w(ws) else "W+", self.generator.origin.to_plain()
        about = {"space": space, "model": model, "command": command_line(), "photo": photos_of(people), **more}
        if any(person.noise != Noise() for person in people):
            about["noise"] = [asdict(person.noise) for person in people]
        z = people[0].z if len(people) == 1 else None
        if z is not None:  # how it leads to the w
            about["truncation"] = truncation(self.generator)
        tuned = [person.tuned for person in people]
        files.write_npz(path, ws, about, None if z is None else z.numpy(), people[0].psi, tuned)

    @property
    def saves_latents(self) -> bool:
        """Whether latents are written beside the pictures."""
        return isinstance(self.output, PictureOutput) and self.output.save_latents

    def paths(self, names: Sequence[str], folder: str) -> list[Path]:
        """Every result's path, checked; several results go into a folder, called `folder` if the user named none."""
        out, ending = self.output.out, self.format
        self.check_out(len(names))
        if places.is_file_name(out, FORMATS):
            return [out]
        if out is None and len(names) == 1:
            beside = (".npz",) if self.saves_latents else ()
            paths = [places.fresh(Path(f"{names[0]}.{ending}"), *beside)]
        else:
            into = out or places.fresh(Path(folder))
            paths = [into / f"{name}.{ending}" for name in names]
        for path in paths:
            self._check_place(path)
        return paths

    def _check_place(self, path: Path) -> None:
        """Checks that a picture can be written there, and its latents if they are saved."""
        places.check_file(path, self.output.force)
        if self.saves_latents:
            places.check_file(path.with_suffix(".npz"), self.output.force)

    def check_sheet(self, sheet: Sheet) -> None:
        """Checks that a sheet is not too large, before other files are written."""
        self._face_size(sheet)

    def check_photo(self, width: int, height: int) -> None:
        """Checks that a photo of this size can be written."""
        check_edges(self.format, width, height)

    def _face_size(self, picture: Picture) -> int | None:
        """The width of a face: on sheets, 256 pixels unless --size is given."""
        if not isinstance(picture, Sheet):
            return self.output.size
        self._check_page(picture, self.cell)
        return self.cell

    @property
    def cell(self) -> int:
        """The width of a face on a sheet."""
        return self.output.size or min(CELL, self.generator.size[1])

    def _check_page(self, sheet: Sheet, size: int | None) -> None:
        """Checks that a sheet of faces of this width can be written, and opened again."""
        shape = face_shape(self.generator, size)
        width, height = page_size(sheet, shape)
        if width * height > MAX_SHEET_PIXELS:
            sheet_of = f"a sheet of {max(map(len, sheet.rows))} x {len(sheet.rows)} faces"
            raise UsageError(f"{sheet_of} of {shape[0]} pixels is too large; use a smaller --size")
        check_edges(self.format, width, height)

    def write(
        self,
        path: Path,
        image: Image.Image,
        recipe: Recipe | None = None,
        people: Sequence[Person] = (),
        photo: Original | None = None,
        exif: bytes = b"",
    ) -> None:
        """Writes a finished picture under a checked name, with its recipe if one can make it again; or one made from a
        `photo`, with its profile, its transparency if the format can hold it, and what is kept of its `exif`."""
        ending, profile = places.ending(path), photo.profile if photo else b""
        shown = photo.with_alpha(image) if photo and ending in TRANSPARENT else image
        self._write(path, people, encode(shown, ending, self._text(path, recipe), exif, profile))
        self.preview(image)

    def _text(self, path: Path, recipe: Recipe | None) -> str:
        """The recipe as the picture at this path will hold it."""
        text = dumps(recipe) if recipe and fits(recipe.picture) else ""
        if recipe and not (text and has_room(places.ending(path), text)):
            tell(f"{path} is written without its recipe, which is too long for its format; PNG can hold the longest.")
        return text

    def _write(self, path: Path, people: Sequence[Person], content: bytes) -> None:
        write_bytes(path, content)
        if self.saves_latents and people:
            self.save_latents(path.with_suffix(".npz"), people)
        print_data(path)

    def preview(self, image: Image.Image) -> None:
        """Shows the picture in the terminal, if --show asks for it."""
        if not self.shows:
            return
        from textual_image.renderable import Image as Preview

        try:
            prose().print(Preview(image, width="auto", height="auto"))
        except ZeroDivisionError:  # in textual-image, which divides by the terminal's size
            self.shows = False
            tell("This terminal does not report its size, so --show cannot draw there.")


def portrait(person: Person) -> Work:
    """The plain picture of one person."""
    return Work(person.face(), (person,))
