"""`stylegan interpolate`: films between people."""

from __future__ import annotations

import re
from itertools import chain
from typing import Annotated

import typer

from stylegan_cli.cli.console import tell
from stylegan_cli.cli.filming import RATE, FilmOutput, film_ending, save_film
from stylegan_cli.cli.options import Generation, check_unused, check_word, command
from stylegan_cli.errors import UsageError


@command
def interpolate(
    generation: Generation,
    output: FilmOutput,
    people: Annotated[
        list[str] | None, typer.Argument(metavar="PERSON", help="Seeds, latents, pictures or names, in order.")
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(help="Seeds and ranges instead of people: 0,3,5-9.", show_default=False)
    ] = None,
    frames: Annotated[
        int, typer.Option("--frames", "--w-frames", min=1, max=100_000, help="Frames from one person to the next.")
    ] = 60,
    fps: Annotated[
        float | None, typer.Option(min=1, max=240, help=f"Frames per second (default {RATE}).", show_default=False)
    ] = None,
    method: Annotated[
        str, typer.Option(help="linear or cubic (in W), or spherical (in Z, only for people from seeds).")
    ] = "linear",
    easing: Annotated[str, typer.Option(help="linear, smooth, ease-in or ease-out, from person to person.")] = "linear",
    loop: Annotated[bool, typer.Option("--loop", help="Return smoothly to the first person.")] = False,
    grid: Annotated[
        str | None,
        typer.Option(
            metavar="WxH",
            help="Films side by side, like 4x2. Each gets the same number of people, in order.",
            show_default=False,
        ),
    ] = None,
    layers: Annotated[
        str | None,
        typer.Option(
            help="Layers that move: coarse, middle, fine, several of these, all (the default), or 0-3.",
            show_default=False,
        ),
    ] = None,
    coarse: Annotated[
        str | None,
        typer.Option(metavar="PEOPLE", help="People that the coarse band goes through: 3,jon.", show_default=False),
    ] = None,
    middle: Annotated[
        str | None, typer.Option(metavar="PEOPLE", help="People that the middle band goes through.", show_default=False)
    ] = None,
    fine: Annotated[
        str | None, typer.Option(metavar="PEOPLE", help="People that the fine band goes through.", show_default=False)
    ] = None,
) -> None:
    """Make a film that moves from person to person, in all bands or in some.

    --layers coarse moves one band, while the others stay with the first person. --coarse, --middle and --fine give a
    band its own targets, reached over the same time. --out takes film.mp4, .webm, .gif or .webp; a folder, or
    --format png, gives numbered frames.

    Examples: stylegan interpolate jon dany arya --loop --out film.mp4; stylegan interpolate 1 --coarse 2,3 --fine 4;
    stylegan interpolate --seeds 0-31 --grid 4x2 --loop
    """
    if bool(people) == (seeds is not None):
        raise UsageError("name people in order (jon 3 5-9), or use --seeds without people")

    from stylegan_cli.bands import BANDS
    from stylegan_cli.cli import casting
    from stylegan_cli.cli.studio import Studio
    from stylegan_cli.latents.references import photo, split, split_seeds
    from stylegan_cli.latents.selection import parse_layers
    from stylegan_cli.operations.interpolation import EASINGS, METHODS, Film, Track, Wall

    check_word("--method", method, METHODS)
    check_word("--easing", easing, EASINGS)
    names = split(*people or ()) if seeds is None else split_seeds(seeds)
    ending = film_ending(output, fps)
    studio = Studio(generation, output)
    targets = {band: given for band, given in zip(BANDS, (coarse, middle, fine), strict=True) if given is not None}
    columns, rows = (1, 1) if grid is None else _grid(grid, len(names), studio.cell)
    if grid is not None:
        check_unused("--grid shows people in order", {f"--{band}": given for band, given in targets.items()})
        check_unused("films side by side have no latents of their own", {"--save-latents": output.save_latents})
    if len(names) == 1 and not targets:
        raise UsageError("a film needs at least two people, or targets for a band (--coarse, --middle, --fine)")
    if len(names) == 1:
        check_unused("with one person, only the bands of the given targets move", {"--layers": layers})
    order = studio.generator.layers
    own = {band: parse_layers(band, order) for band in targets}
    rest = set(parse_layers("all" if layers is None else layers, order)).difference(*own.values())
    moving = tuple(sorted(rest))
    if len(names) > 1 and not moving:
        raise UsageError("no layer is left to move from person to person; leave out --layers, a band, or all but one")
    lists = [names, *map(split, targets.values())]
    if method == "spherical" and (found := next(filter(photo, chain(*lists)), None)):
        raise UsageError(
            f"spherical interpolation moves in Z, but of a photo like {found} only w can be found; leave out --method"
        )
    main, *others = casting.groups(studio, lists, in_z=method == "spherical")
    if any(person.noise != main[0].noise for person in chain(main, *others)):
        tell("Films keep the noise of their first person; that of the others is not shown.")
    bands = [Track(own[band], (main[0], *there)) for band, there in zip(targets, others, strict=True)]
    each, films = len(main) // (columns * rows), []
    for first in range(0, len(main), each):
        shown = tuple(main[first : first + each])
        tracks = (*bands, Track(moving, shown)) if len(shown) > 1 else tuple(bands)
        films.append(Film(studio.generator, shown[0], tracks, frames, method, easing, loop))
    save_film(studio, films[0] if grid is None else Wall(tuple(films), columns), fps, ending)


def _grid(text: str, people: int, cell: int) -> tuple[int, int]:
    """Columns and rows of `4x2`, which must share this many people, with faces of `cell` pixels."""
    from stylegan_cli.media.film import LARGEST

    match = re.fullmatch(r"(\d{1,2})[x,](\d{1,2})", text.lower())
    if match is None or not (int(match[1]) and int(match[2])):
        raise UsageError(f"--grid takes columns and rows like 4x2, not {text!r}")
    columns, rows = int(match[1]), int(match[2])
    if people % (columns * rows) or people < 2 * columns * rows:
        raise UsageError(
            f"--grid {text} needs the same number of people, two or more, for each of its films; these are {people}"
        )
    if (edge := max(columns, rows) * cell) > LARGEST:
        raise UsageError(
            f"--grid {text} makes films of {edge:,} pixels, but the limit is {LARGEST:,}; use a smaller --size"
        )
    return columns, rows
