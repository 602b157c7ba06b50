"""Films, for the commands that make them: which kind is asked for, and writing it frame by frame."""

from __future__ import annotations

import json
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stylegan_cli.cli import places
from stylegan_cli.cli.console import print_data, progress, tell
from stylegan_cli.cli.options import OUTPUT, PictureOutput, check_unused, optional, out_option
from stylegan_cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    from PIL.Image import Image

    from stylegan_cli.cli.studio import Studio
    from stylegan_cli.latents.people import Person
    from stylegan_cli.media.audio import Soundtrack
    from stylegan_cli.operations.interpolation import Frames
    from stylegan_cli.pictures import Face, Sheet

    AddFrame = Callable[[Callable[[], np.ndarray], bool], None]

FILMS = ("mp4", "webm", "gif")  # and webp, which is also a picture format
FRAMES = ("png", "jpg")
RATE = 30  # frames per second by default
FILM_LENGTH = 60  # in frames, by default
Rate = Annotated[float | None, optional(f"Frames per second (default {RATE}).", "--fps", min=1, max=240)]


@dataclass(frozen=True)
class FilmOutput(PictureOutput):
    """Output of films."""

    films = FILMS
    out: Annotated[
        Path | None,
        out_option("A film if the name has a film's ending, else a folder of frames. By default, a new file here."),
    ] = None
    format: Annotated[
        str | None,
        typer.Option(
            help="mp4, webm, gif or webp; png or jpg for frames. By default from --out, or mp4.",
            rich_help_panel=OUTPUT,
        ),
    ] = None


@dataclass(frozen=True)
class PictureOrFilm(PictureOutput):
    """Output of commands that make pictures or films."""

    films = FILMS
    out: Annotated[
        Path | None,
        out_option(
            "A file if the name has a picture's or a film's ending, else a folder. By default, a new file here."
        ),
    ] = None
    format: Annotated[
        str | None,
        typer.Option(
            help="png, webp or jpg; mp4, webm or gif for a film. By default from --out, or png.",
            rich_help_panel=OUTPUT,
        ),
    ] = None


def asked_film(output: PictureOrFilm, frames: int | None, fps: float | None) -> str | None:
    """The film's ending, if a film is asked for: by the number of its frames, or by its name or format."""
    from stylegan_cli.media.encode import FORMATS

    ending = places.file_ending(output.out, output.format, (*FORMATS, *FILMS), "mp4" if frames else "png")
    if frames is None and ending not in FILMS:  # a webp is a film only with a number of frames
        return None
    return film_ending(output, fps)


def film_ending(output: PictureOutput, fps: float | None, is_timed: bool = False) -> str:
    """mp4 by default; a folder means frames, which have no rate unless what they show does (`is_timed`)."""
    from stylegan_cli.media.film import CODECS, check_rate

    ending = places.file_ending(output.out, output.format, (*CODECS, *FRAMES), "png" if output.out else "mp4")
    if output.out and ending in CODECS and not places.is_file_name(output.out, CODECS):
        raise UsageError(f"a film is one file; use --out {output.out}.{ending}, or --format png or jpg for frames")
    if output.out and ending in CODECS:
        places.check_file(output.out, output.force)
        if output.save_latents:
            places.check_file(output.out.with_suffix(".npy"), output.force)
    if ending in FRAMES:
        if not is_timed:
            check_unused("frames are single pictures", {"--fps": fps})
        if output.out and places.is_file_name(output.out, FRAMES):
            raise UsageError(f"--out {output.out} is one picture; name a folder for the frames, or a film")
        if output.out:
            places.check_file(output.out / f"{frame_name(0)}.{ending}", output.force)
    else:
        check_rate(ending, RATE if fps is None else fps)
    return ending


def save_film(
    studio: Studio,
    film: Frames,
    fps: float | None,
    ending: str,
    finish: Callable[[Image], Image] | None = None,
    of: Sequence[Person] = (),
    sound: Path | None = None,
) -> None:
    """Writes a film, or its frames as pictures. `finish` turns a face into a film's frame; `of` is whom each face
    shows, if these stay the same people: their places in photos belong to the frames, too. The film gets the `sound` in
    a file, if its format can have some."""
    from stylegan_cli.cli.studio import Work
    from stylegan_cli.latents.people import Person
    from stylegan_cli.media.film import CODECS
    from stylegan_cli.pictures import Sheet, cells_of

    track = soundtrack(sound, ending, len(film) / (fps or RATE), "the music")
    if ending in CODECS:
        beside = (".npy",) if studio.saves_latents else ()
        path = studio.output.out or places.fresh(Path(f"film.{ending}"), *beside)
        _write_film(studio, film, path, fps or RATE, finish, track)
        return

    def work(name: str, picture: Face | Sheet) -> Work:
        if of:
            return Work(picture, [one.moved(cell.ws, name) for one, cell in zip(of, cells_of(picture), strict=True)])
        if isinstance(picture, Sheet):
            return Work(picture)
        return Work(picture, (Person(name, picture.ws, noise=picture.noise, tuned=picture.tuned),))

    names = frame_names(film)
    studio.save(names, map(work, names, film), "film", len(film) * film.cells)
    tell_of_older(studio, names)


def tell_of_older(studio: Studio, names: Sequence[str]) -> None:
    """Tells of frames that a longer film has left in the folder of this one."""
    if studio.output.out is None:
        return
    written = {f"{name}.{studio.format}" for name in names}
    there = {path.name for path in studio.output.out.glob(f"frame?????.{studio.format}")}
    if older := sorted(there - written):
        tell(f"{studio.output.out} also holds {len(older)} frames of a longer film, from {older[0]} on.")


def tell_of_noise(people: Sequence[Person]) -> None:
    """Tells if people through whom a film moves have different noise."""
    if any(person.noise != people[0].noise for person in people):
        tell("Films keep the noise of their first person; that of the others is not shown.")


def frame_names(film: Frames) -> list[str]:
    """What the pictures of a film's frames are called."""
    return [frame_name(i) for i in range(len(film))]


def frame_name(i: int) -> str:
    return f"frame{i:05d}"


def soundtrack(sound: Path | None, ending: str, seconds: float, what: str) -> Soundtrack | None:
    """The sound in a file, for a film of this length; if its format has none, the user is told that `what` is left
    out."""
    from stylegan_cli.media.audio import SOUNDED, Soundtrack

    if sound and ending not in SOUNDED:
        tell(f"{'Frames have' if ending in FRAMES else f'A {ending} has'} no sound, so {what} is left out.")
        return None
    return Soundtrack(sound, seconds) if sound else None


@contextmanager
def rolling(studio: Studio, path: Path, fps: float, length: int, track: Soundtrack | None) -> Iterator[AddFrame]:
    """A film of so many frames. Yields the function that adds the next one: it is given a function that makes the
    frame, `[h, w, 3]` uint8, on another thread, and whether that one is the preview."""
    from PIL.Image import fromarray

    from stylegan_cli.media.film import filming

    places.check_file(path, studio.output.force)  # again: what came before can have taken an hour
    text = json.dumps(studio.circumstances())
    with (
        progress("filming", length, "frames") as advance,
        filming(path, fps, places.ending(path), text, track) as encode,
        studio.background() as turns,
    ):

        def show(frame: np.ndarray) -> None:
            studio.preview(fromarray(frame))
            encode(frame)

        def add(make: Callable[[], np.ndarray], is_preview: bool) -> None:
            turns.submit(make, show if is_preview else encode)
            advance()

        yield add


def _write_film(
    studio: Studio,
    film: Frames,
    path: Path,
    fps: float,
    finish: Callable[[Image], Image] | None,
    track: Soundtrack | None,
) -> None:
    """Draws the frames of a film and, if asked, writes their `ws` `[frames, num_ws, w_dim]` into a `.npy`; tunings are
    left out."""
    import numpy as np

    from stylegan_cli.latents.files import writing_npy
    from stylegan_cli.media.film import check_frame
    from stylegan_cli.media.render import Drawn, face_shape, page_size, pixels, render
    from stylegan_cli.pictures import Sheet

    latents = path.with_suffix(".npy")
    studio.speed_up(len(film) * film.cells)
    with ExitStack() as stack:
        add_ws = None  # these are complete only if the film is
        if studio.saves_latents:
            shape = (len(film), studio.generator.num_ws, studio.generator.w_dim)
            add_ws = stack.enter_context(writing_npy(places.check_file(latents, studio.output.force), shape))
        add = stack.enter_context(rolling(studio, path, fps, len(film), track))
        size = studio.output.size if film.cells == 1 else studio.cell
        drawn: Drawn = {}
        for i, picture in enumerate(_telling_of_tunings(film, latents) if add_ws else film):
            if i == 0 and isinstance(picture, Sheet):
                check_frame(*page_size(picture, face_shape(studio.generator, studio.cell)))
            if finish:
                frame = np.asarray(finish(render(studio.generator, picture, size)))
            else:
                frame = pixels(studio.generator, picture, size, drawn)
            if add_ws and not isinstance(picture, Sheet):
                add_ws(picture.ws.numpy())
            add(partial(np.ascontiguousarray, frame), i == 0)
    print_data(path)


def _telling_of_tunings(film: Frames, latents: Path) -> Iterator[Face | Sheet]:
    """The pictures of a film whose latents are saved; tells the user as soon as one is of a person with a tuning."""
    from stylegan_cli.pictures import Face

    is_told = False
    for picture in film:
        if not is_told and isinstance(picture, Face) and picture.tuned:
            tell(
                f"{latents} stores the latents alone, without the tuning to a photo: drawn from it, people are less "
                "like the photo. The .npz files of --save-latents with frames (--format png) store the tuning, too."
            )
            is_told = True
        yield picture
