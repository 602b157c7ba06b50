"""`stylegan mix`: style mixing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from stylegan_cli.cli import places
from stylegan_cli.cli.filming import FILM_LENGTH, PictureOrFilm, Rate, asked_film, save_film, tell_of_noise
from stylegan_cli.cli.options import Generation, NoiseMode, check_unused, check_word, command, given, optional
from stylegan_cli.errors import UsageError
from stylegan_cli.latents.named import MAX_SEED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stylegan_cli.cli.studio import Studio
    from stylegan_cli.latents.people import Person


_part = partial(optional, metavar="PERSON", panel="Parts of faces")


@dataclass(frozen=True)
class Parts:
    """The people who give parts of their faces."""

    eyes: Annotated[str | None, _part("Eyes, brows and glasses from this person.")] = None
    nose: Annotated[str | None, _part("The nose from this one.")] = None
    mouth: Annotated[str | None, _part("The mouth, sometimes with the beard.")] = None
    hair: Annotated[str | None, _part("The hair, with what is behind it.")] = None


_band = partial(optional, metavar="PERSON")


@dataclass(frozen=True)
class Bands:
    """The people who give bands of layers."""

    coarse: Annotated[str | None, _band("Pose, face shape, hair (4-8 pixels) from this person.")] = None
    middle: Annotated[str | None, _band("Features, eyes, expression (16-32) from this one.")] = None
    fine: Annotated[str | None, _band("Colours and texture (64 and up) from this one.")] = None


@command
def mix(
    generation: Generation,
    output: PictureOrFilm,
    bands: Bands,
    parts: Parts,
    person: Annotated[
        list[str] | None,
        typer.Argument(metavar="PERSON", help="Who gets --eyes, --nose, --mouth or --hair.", show_default=False),
    ] = None,
    layers: Annotated[
        list[str] | None,
        optional("Single layers: 8-12=sansa. Repeatable.", metavar="LAYERS=PERSON"),
    ] = None,
    noise: NoiseMode = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=MAX_SEED, help="The seed for --noise random (0 by default).")
    ] = None,
    rows: Annotated[str | None, optional("Figure: people for the rows.", metavar="PEOPLE")] = None,
    cols: Annotated[str | None, optional("Figure: people for the columns.", metavar="PEOPLE")] = None,
    styles: Annotated[
        str | None,
        optional("Figure: layers from the columns' people: coarse (the default), middle, fine or numbers like 0-3."),
    ] = None,
    frames: Annotated[
        int | None,
        optional(f"Make a film: frames from one row's person to the next (default {FILM_LENGTH}).", min=1, max=100_000),
    ] = None,
    fps: Rate = None,
) -> None:
    """Mix people: each band of layers, or eyes, nose, mouth and hair, come from different people.

    Bands that you leave out come from the coarsest person you name: with --coarse A --fine B the middle is A's.
    Parts of faces take seconds each time: a face is looked for that has them; a band's mixture can get them, too.
    With --rows and --cols it draws the figure of the StyleGAN paper: the person of each row with the styles of the
    person of each column. If --out is a folder, it also writes each pair as a picture. With --frames or --out film.mp4,
    the figure is a film: its only row moves through the people of --rows, and back to the first.

    A PERSON is a seed (42), latents (jon.npy, projected_w.npz), a picture made by this tool (sheet.png#2), a photo
    (me.jpg), or a name from the model's cast (jon, dany, ...). PEOPLE are several of them, with commas: 3,5-9,jon.

    Examples: stylegan mix --coarse jon --fine dany; stylegan mix jon --eyes dany --hair sansa; stylegan mix --rows
    1,2,3 --cols jon,dany --styles middle; stylegan mix --rows 1,2,3 --cols jon,dany --out film.mp4
    """
    named, grafted = given(bands), given(parts)
    _check_unnamed(person or [], bool(rows or cols), bool(grafted), bool(named or layers))
    if person:
        named = {"coarse": person[0]}  # and so all layers, as nobody else gives any
    _check_figure(rows, cols, styles, bool(named or layers or grafted))
    film = asked_film(output, frames, fps)
    _check_film(film, fps, rows, output.save_latents)
    if noise != "random":
        check_unused("--seed is for --noise random", {"--seed": seed})

    from stylegan_cli.cli import casting
    from stylegan_cli.cli.console import progress
    from stylegan_cli.cli.studio import Studio, portrait
    from stylegan_cli.latents.references import split
    from stylegan_cli.latents.selection import parse_layers
    from stylegan_cli.noise import MODES, Noise
    from stylegan_cli.operations import grafting, mixing

    check_word("--noise", noise, MODES)
    studio = Studio(generation, output)
    studio.check_noise(noise)
    if not film:
        studio.check_results(["mix"])
    order = studio.generator.layers

    def cast(*lists: Sequence[str], prepare: casting.Prepare = lambda _labels: None) -> list[list[Person]]:
        groups = casting.groups(studio, lists, prepare=prepare)
        if noise is None:
            return groups
        return [[replace(one, noise=Noise(noise, seed or 0)) for one in group] for group in groups]

    if rows is not None and cols is not None:
        chosen = parse_layers("coarse" if styles is None else styles, order)
        lists = split(rows), split(cols)

        def check(labels: Sequence[str]) -> None:
            if not film and _has_pairs(studio):
                studio.check_results(_pairs(labels[: len(lists[0])], labels[len(lists[0]) :]))

        down, across = cast(*lists, prepare=check)
        if film:
            _save_film(studio, chosen, down, across, frames or FILM_LENGTH, fps, film)
        else:
            _save_figure(studio, chosen, down, across)
        return
    explicit = [(parse_layers(which, order), who) for which, who in map(_assignment, layers or [])]
    free = set(range(len(order))) - {index for indices, _ in explicit for index in indices}
    idle = {f"--{band}": not free.intersection(parse_layers(band, order)) for band in named}
    check_unused("--layers names people for all these layers already", idle)
    if free and not named:
        raise UsageError(
            f"--layers names nobody for {len(free)} of {len(order)} layers, such as layer {min(free)}; name a person "
            "with --coarse, --middle or --fine as well"
        )
    givers, others, owners = cast([*named.values()], [who for _, who in explicit], [*grafted.values()])
    extra = [(indices, other) for (indices, _), other in zip(explicit, others, strict=True)]
    mixed = mixing.mix(order, dict(zip(named, givers, strict=True)), extra)
    if owners:
        _tell_if_elsewhere(studio, mixed, [*grafted])
        with progress("grafting", grafting.STEPS, "steps") as advance:
            mixed = grafting.graft(studio.generator, mixed, dict(zip(grafted, owners, strict=True)), advance)
    studio.save(["mix"], [portrait(mixed)])


def _tell_if_elsewhere(studio: Studio, person: Person, parts: Sequence[str]) -> None:
    """Tells the user if a person's picture is no face like FFHQ's, whose parts' places are known."""
    from stylegan_cli.cli.console import is_silent, tell
    from stylegan_cli.cli.photos import spotting
    from stylegan_cli.cli.studio import CELL
    from stylegan_cli.errors import StyleganError
    from stylegan_cli.faces.alignment import is_aligned
    from stylegan_cli.media.render import render

    if is_silent():
        return
    image = render(studio.generator, person.face(), CELL)
    try:
        if not is_aligned(spotting.faces_on(image), image.size):
            tell(
                f"The picture of {person.label} shows no face in the place where FFHQ's are: what changes may not be "
                f"the {' and the '.join(parts)}."
            )
    except StyleganError as error:
        tell(f"Whether the eyes, noses and mouths of this model are where FFHQ's are could not be checked: {error}.")


def _check_unnamed(people: Sequence[str], is_figure: bool, has_parts: bool, has_layers: bool) -> None:
    """Refuses people without an option that says what they give, except one who gets parts."""
    if people and is_figure:
        raise UsageError("--rows and --cols take people as one list with commas: --rows 1,2,3 --cols jon,dany")
    if people and not (has_parts and len(people) == 1):
        one, other, *_ = [*people, "42"]
        raise UsageError(
            f"say what each person gives: stylegan mix --coarse {one} --fine {other}, or stylegan mix {one} --eyes "
            f"{other}"
        )
    if has_parts and not (people or has_layers or is_figure):
        raise UsageError("say who gets them: stylegan mix jon --eyes dany")
    if people and has_layers:
        raise UsageError(f"{people[0]} gets the parts, and so does the mixture of layers; leave out one of them")


def _check_figure(rows: str | None, cols: str | None, styles: str | None, is_mix: bool) -> None:
    """Checks that this is either the figure or a mix."""
    if (rows is None) != (cols is None):
        raise UsageError("the figure needs both --rows and --cols")
    if rows is not None and is_mix:
        raise UsageError(
            "--rows and --cols draw a figure with --styles; leave out --coarse, --middle, --fine, --layers, and parts"
        )
    if rows is None:
        check_unused("--styles is for the figure, which needs --rows and --cols", {"--styles": styles})
    if rows is None and not is_mix:
        raise UsageError(
            "name a person for at least one of --coarse, --middle, --fine; or somebody with --eyes, --nose, --mouth or "
            "--hair of others; or draw a figure with --rows and --cols"
        )


def _check_film(film: str | None, fps: float | None, rows: str | None, save_latents: bool) -> None:
    """Checks that a film, if one is asked for, is one of the figure and has no options of pictures."""
    from stylegan_cli.latents.references import split

    if not film:
        check_unused("this is not a film, which needs --frames or --out film.mp4", {"--fps": fps})
        return
    if rows is None or len(split(rows)) < 2:
        raise UsageError("a film of mixtures moves through the people of --rows; name two or more, and --cols")
    check_unused("films side by side have no latents of their own", {"--save-latents": save_latents})


def _save_film(
    studio: Studio,
    layers: Sequence[int],
    down: Sequence[Person],
    across: Sequence[Person],
    frames: int,
    fps: float | None,
    ending: str,
) -> None:
    """Writes the film in which the rows' people move and the columns' people give their styles."""
    from stylegan_cli.operations.interpolation import Film, Mixed, Track

    tell_of_noise(down)
    everything = tuple(range(studio.generator.num_ws))
    moving = Film(studio.generator, down[0], (Track(everything, tuple(down)),), frames, loop=True)
    save_film(studio, Mixed(moving, tuple(across), tuple(layers)), fps, ending)


def _save_figure(studio: Studio, layers: Sequence[int], down: Sequence[Person], across: Sequence[Person]) -> None:
    """Writes the figure and, if it goes into a folder, each of its pairs."""
    from stylegan_cli.cli.studio import Work, portrait
    from stylegan_cli.operations import mixing
    from stylegan_cli.pictures import faces_to_compute

    mixed = [mixing.swap(row, col, layers) for row in down for col in across]
    figure = mixing.figure(down, across, layers)
    if not _has_pairs(studio):
        studio.save_sheet("mix", figure, mixed)
        return
    studio.check_sheet(figure)
    names = _pairs([row.label for row in down], [col.label for col in across])
    works = [*map(portrait, mixed), Work(figure, mixed)]
    studio.save([*names, "mix"], works, faces=len(mixed) + faces_to_compute(figure))


def _has_pairs(studio: Studio) -> bool:
    """Whether the figure's pairs are written, too: into a folder."""
    from stylegan_cli.media.encode import FORMATS

    return studio.output.out is not None and not places.is_file_name(studio.output.out, FORMATS)


def _pairs(rows: Sequence[str], cols: Sequence[str]) -> list[str]:
    """What the pairs' pictures are called, from the labels of the people."""
    return places.result_names([f"{row}-{col}" for row in rows for col in cols])


def _assignment(text: str) -> tuple[str, str]:
    which, equals, who = text.partition("=")
    if not (which and equals and who):
        raise UsageError(f"--layers takes LAYERS=PERSON, like 8-12=sansa, not {text!r}")
    return which, who
