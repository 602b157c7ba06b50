"""`stylegan interpolate`: films between people."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stylegan_cli.cli.options import Generation, PictureOutput, command
from stylegan_cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from stylegan_cli.cli.studio import Studio
    from stylegan_cli.operations.interpolation import Film

FILMS = ("mp4", "webm", "gif", "webp")
FRAMES = ("png", "jpg")


@dataclass(frozen=True)
class FilmOutput(PictureOutput):
    """Output of films."""

    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "--outdir", "-o", rich_help_panel="Output",
            help="A film where the name has a film's ending, else a folder of frames. By default a new name here.",
        ),
    ] = None  # fmt: skip
    format: Annotated[
        str | None,
        typer.Option(
            help="mp4, webm, gif or webp; png or jpg for frames. By default as --out says, or mp4.",
            rich_help_panel="Output",
        ),
    ] = None


@command
def interpolate(
    generation: Generation,
    output: FilmOutput,
    people: Annotated[list[str], typer.Argument(metavar="PERSON", help="Seeds, latents, pictures or names, in order.")],
    frames: Annotated[
        int, typer.Option("--frames", "--w-frames", min=1, max=100_000, help="Frames from one person to the next.")
    ] = 60,
    fps: Annotated[float, typer.Option(min=1, max=240, help="Frames a second.")] = 30,
    method: Annotated[
        str, typer.Option(help="linear or cubic (in W), or spherical (in Z, for people who come from seeds).")
    ] = "linear",
    easing: Annotated[str, typer.Option(help="linear, smooth, ease-in or ease-out, from person to person.")] = "linear",
    loop: Annotated[bool, typer.Option("--loop", help="Return to the first person without a seam.")] = False,
    layers: Annotated[
        str, typer.Option(help="The layers that move: coarse, middle, fine, several, all, or 0-3; the others rest.")
    ] = "all",
    coarse: Annotated[
        str | None,
        typer.Option(metavar="PEOPLE", help="The coarse band goes through these instead: 3,jon.", show_default=False),
    ] = None,
    middle: Annotated[str | None, typer.Option(metavar="PEOPLE", help="The middle band.", show_default=False)] = None,
    fine: Annotated[str | None, typer.Option(metavar="PEOPLE", help="The fine band.", show_default=False)] = None,
) -> None:
    """Make a film that moves from person to person, in all bands or in some.

    --layers coarse moves one band while the others rest at the first person. --coarse, --middle and --fine give a band
    targets of its own, all reached over the same time. --out film.mp4, .webm, .gif or .webp; a folder, or --format png,
    gives numbered frames.

    Examples: stylegan interpolate jon dany arya --loop --out film.mp4; stylegan interpolate 1 --coarse 2,3 --fine 4
    """
    from stylegan_cli.bands import BANDS
    from stylegan_cli.cli import places
    from stylegan_cli.cli.studio import Studio, Work
    from stylegan_cli.latents.people import Person
    from stylegan_cli.latents.references import split
    from stylegan_cli.latents.selection import in_bands, parse_layers
    from stylegan_cli.operations.interpolation import EASINGS, METHODS, Film, Track

    _check_word("--method", method, METHODS)
    _check_word("--easing", easing, tuple(EASINGS))
    ending = _ending(output)
    studio = Studio(generation, output)
    main = [studio.person(one) for text in people for one in split(text)]
    targets = {band: given for band, given in zip(BANDS, (coarse, middle, fine), strict=True) if given}
    if len(main) == 1 and not targets:
        raise UsageError("a film needs at least two people, or targets for a band (--coarse, --middle, --fine)")
    order = studio.generator.layers
    own = set(in_bands(order, targets))
    tracks = [Track(in_bands(order, (band,)), (main[0], *studio.people(given))) for band, given in targets.items()]
    moving = tuple(index for index in parse_layers(layers, order) if index not in own)
    if len(main) > 1:
        tracks.append(Track(moving, tuple(main)))
    if method == "spherical":
        for person in (person for track in tracks for person in track.people):
            person.needs_z("spherical interpolation")
    film = Film(studio.generator, main[0], tuple(tracks), frames, method, easing, loop)
    if ending in FILMS:
        _write_film(studio, film, output.out or places.fresh(Path(f"film.{ending}")), fps, ending)
    else:
        names = [f"frame{i:05d}" for i in range(len(film))]
        studio.save(
            names, (Work(face, (Person(name, face.ws),)) for name, face in zip(names, film, strict=True)), "film"
        )


def _ending(output: FilmOutput) -> str:
    """mp4 unless said otherwise; a folder means frames."""
    from stylegan_cli.cli import places

    ending = places.file_ending(output.out, output.format, FILMS + FRAMES, "png" if output.out else "mp4")
    if output.out and ending in FILMS and not places.is_file_name(output.out, FILMS):
        raise UsageError(f"a film is one file: say --out {output.out}.{ending}; a folder takes --format png or jpg")
    return ending


def _write_film(studio: "Studio", film: "Film", path: Path, fps: float, ending: str) -> None:
    """Streams frames to the encoder and, if asked, their `ws` `[frames, num_ws, w_dim]` to a `.npy`."""
    import numpy as np

    from stylegan_cli.cli import places
    from stylegan_cli.cli.console import progress
    from stylegan_cli.latents.files import writing_npy
    from stylegan_cli.media.film import write_film
    from stylegan_cli.media.render import render

    force, latents = studio.output.force, path.with_suffix(".npy")
    places.check_file(path, force)
    with ExitStack() as stack:
        add_ws = None
        if studio.saves_latents:
            shape = (len(film), studio.generator.num_ws, studio.generator.w_dim)
            add_ws = stack.enter_context(writing_npy(places.check_file(latents, force), shape))
        advance = stack.enter_context(progress("filming", len(film), studio.output.quiet, "frames"))

        def draw() -> "Iterator[np.ndarray]":
            for i, face in enumerate(film):
                image = render(studio.generator, face, studio.output.size)
                if i == 0:
                    studio.preview(image)
                if add_ws is not None:
                    add_ws(face.ws.numpy())
                advance(i + 1)
                yield np.asarray(image)

        write_film(path, draw(), fps, ending)
    studio.report(path)


def _check_word(option: str, word: str, known: tuple[str, ...]) -> None:
    if word not in known:
        raise UsageError(f"{option} is one of {', '.join(known)}, not {word!r}")
