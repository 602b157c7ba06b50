"""`stylegan edit`: older, smiling, turned to the left; by directions in the latent space."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stylegan_cli.cli import places
from stylegan_cli.cli.console import fetch, is_silent
from stylegan_cli.cli.edits import (
    ATTRIBUTES,
    Amounts,
    Attributes,
    check_paste,
    check_visible,
    open_edits,
    parse_amounts,
    split_names,
)
from stylegan_cli.cli.filming import FILM_LENGTH, FRAMES, RATE, PictureOrFilm, asked_film, film_ending, save_film
from stylegan_cli.cli.options import Generation, Paste, check_unused, command, optional
from stylegan_cli.errors import UsageError
from stylegan_cli.latents.photo import Photo, is_film

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stylegan_cli.cli.photos.pasted import Canvas
    from stylegan_cli.cli.studio import Studio
    from stylegan_cli.latents.people import Person
    from stylegan_cli.operations.editing import Edit

WAY = "Strips and films"


@dataclass(frozen=True)
class Moving:
    """What else to move, and what not."""

    direction: Annotated[
        list[str] | None,
        optional(
            "Any direction, by name or file (.npz, .npy, .pt): glasses.pt=2. Repeatable.",
            metavar="NAME=AMOUNT",
            panel=ATTRIBUTES,
        ),
    ] = None
    layers: Annotated[
        str | None,
        optional(
            "Change only these layers: coarse, middle, fine, several, or 0-3. By default, each direction's own.",
            panel=ATTRIBUTES,
        ),
    ] = None
    keep: Annotated[
        str | None,
        optional("Leave these attributes unchanged: gender,smile.", metavar="NAMES", panel=ATTRIBUTES),
    ] = None
    max_drift: Annotated[
        float | None,
        optional(
            "Largest distance from the average face: 1 is the average of the model's own people.",
            min=0,
            panel=ATTRIBUTES,
        ),
    ] = None


@dataclass(frozen=True)
class Way:
    """What to show of the way to the amounts, if not only its end."""

    steps: Annotated[
        int | None,
        optional(
            "Make a strip of this many faces up to the amounts (default for ranges: 5 to 11, at round amounts).",
            min=2,
            max=100,
            panel=WAY,
        ),
    ] = None
    frames: Annotated[
        int | None,
        optional(
            f"Make a film: frames after the first, up to the last (default {FILM_LENGTH}).",
            min=1,
            max=100_000,
            panel=WAY,
        ),
    ] = None
    fps: Annotated[
        float | None,
        optional(f"Frames per second (default {RATE}).", min=1, max=240, panel=WAY),
    ] = None
    loop: Annotated[bool, typer.Option("--loop", help="Make the film go there and back.", rich_help_panel=WAY)] = False


@command
def edit(
    attributes: Attributes,
    moving: Moving,
    way: Way,
    generation: Generation,
    output: PictureOrFilm,
    people: Annotated[
        list[str], typer.Argument(metavar="PERSON", help="Seeds, latents, pictures, photos, names; a film.")
    ],
    identity: Annotated[
        bool, typer.Option("--identity", help="Report whether it is still the same person. Fetches 100 MB, once.")
    ] = False,
    paste: Paste = None,
) -> None:
    """Edit people: age, gender, smile, pose, hair, beard, light, and any directions you have.

    Amounts are lengths in the latent space: 1 is visible, 3 is a lot, and they can be negative. Those of a --direction
    multiply its vector: stylegan directions show tells how long that is. With a unit, an amount is what to reach, as
    far as scorers can tell: --age 60y, --yaw 0deg, --hair 80%. Several edits add up. A range like -4..4 makes a strip
    of --steps faces, or a film if --out names one, or a film's --frames as pictures if --out is a folder; an attribute
    with a single amount stays the same throughout. Films show several people side by side. Every edit reports its cost:
    how far the person now is from the average face and, if scorers are installed, what else changed.

    If PERSON is a film, its largest face is followed and edited in every frame, which takes minutes; ranges grow from
    its start to its end.

    Examples: stylegan edit dany --age 3 --smile -1; stylegan edit tyrion --hairline 4 --beard -2; stylegan edit tyrion
    --age -4..4 --out years.mp4; stylegan edit dany arya --direction smile.pt=2 --keep gender --steps 5; stylegan edit
    me.jpg --smile 2 --paste me.jpg; stylegan edit party.jpg#1-3 --age 2 --paste party.jpg; stylegan edit talk.mp4
    --age 4
    """
    amounts = attributes.amounts() + [_assignment(text) for text in moving.direction or []]
    if not amounts:
        raise UsageError("say what to edit: --age 3, --smile -1, or --direction NAME=AMOUNT")
    if any(amount.start is not None for _, amount in amounts):  # the others hold meanwhile
        amounts = [(name, amount.held()) for name, amount in amounts]
    if any(map(is_film, people)):
        _edit_film(people, amounts, moving, way, generation, output, {"--identity": identity, "--paste": paste})
        return
    film = asked_film(output, way.frames, way.fps)
    if film and way.steps:
        raise UsageError("--steps draws a strip, but a film uses --frames; leave out --steps")
    is_strip = not film and (way.steps is not None or any(amount.start is not None for _, amount in amounts))
    _check_kind(film, is_strip, way, paste)
    if is_silent():
        check_unused("--quiet reports nothing", {"--identity": identity})

    from stylegan_cli.cli import casting
    from stylegan_cli.cli.photos import pasted
    from stylegan_cli.cli.plan import Plan
    from stylegan_cli.cli.price import limiting, tell_prices
    from stylegan_cli.cli.studio import Studio
    from stylegan_cli.latents import references
    from stylegan_cli.media.film import CODECS, check_frame
    from stylegan_cli.operations import ways
    from stylegan_cli.scorers.identity import ASSETS

    studio = Studio(generation, output)
    generator = studio.generator
    if identity:
        check_visible(generator, "--identity needs", "leave it out")
    texts = references.split(*people)
    if len(texts) > 1 and film:
        check_unused("films side by side have no latents of their own", {"--save-latents": output.save_latents})
        if paste:
            raise UsageError("a film of a photo shows one person; edit the others separately, or leave out --paste")
    check_paste(paste, output, texts)
    edits = open_edits(studio, amounts, moving.layers, split_names(moving.keep))
    plan = Plan(studio, edits, moving.max_drift, whole=bool(film or is_strip))
    check_size = check_frame if film in CODECS else studio.check_photo
    canvas = pasted.open_canvas(paste, len(texts), check_size) if paste else None

    def prepare(labels: Sequence[str]) -> None:
        only = places.pasted_name(paste) if paste else "edit"
        if not film:
            studio.check_results([only] if paste or is_strip else places.result_names(labels, only))
        fetch(ASSETS if identity else ())

    before = casting.several(studio, texts, prepare=prepare)
    own = plan.edits_for_all(before)
    if film:
        _save_film(studio, before, own, way, film, canvas)
    elif is_strip:
        _save_strips(studio, before, own, way.steps or ways.round_steps(edits))
    else:
        names = places.result_names([person.label for person in before], "edit")
        pasted.save_edited(studio, before, own, names, canvas)
    tell_prices(studio, before, own, limiting(moving.max_drift))


def _edit_film(
    people: Sequence[str],
    amounts: Sequence[tuple[str, Amounts]],
    moving: Moving,
    way: Way,
    generation: Generation,
    output: PictureOrFilm,
    others: Mapping[str, object],
) -> None:
    """Edits somebody in a film of them."""
    from stylegan_cli.cli.photos import films
    from stylegan_cli.cli.plan import Plan
    from stylegan_cli.cli.price import limiting, tell_prices
    from stylegan_cli.cli.studio import Studio
    from stylegan_cli.media.film import CODECS, FASTEST

    if len(people) > 1:
        raise UsageError("a film is edited alone: give it as the only person")
    is_range = any(amount.start is not None for _, amount in amounts)
    unused = {"--steps": way.steps, "--frames": way.frames, "--fps": way.fps, "--size": output.size, **others}
    unused |= {"--save-latents": output.save_latents, "--psi": generation.psi, "--cutoff": generation.cutoff}
    unused["--new-center"] = generation.new_center
    check_unused("a film is edited frame by frame, and keeps its size and rate", unused)
    check_unused("only ranges go there and back: --age 0..3", {"--loop": way.loop and not is_range})
    ending = film_ending(output, None)
    if ending not in CODECS:
        raise UsageError(
            f"an edited film is written as a film; end --out with {', '.join(f'.{one}' for one in CODECS)}"
        )
    film = films.open_film(people[0])
    if film.footage.fps > FASTEST.get(ending, film.footage.fps):
        raise UsageError(f"a {ending} has at most {FASTEST[ending]} frames per second; use --out with another ending")
    path = output.out or places.fresh(Path(f"{places.pasted_name(film.photo)}.{ending}"))
    places.check_file(path, output.force)
    studio = Studio(generation, output)
    edits = open_edits(studio, amounts, moving.layers, split_names(moving.keep))
    plan = Plan(studio, edits, moving.max_drift, whole=is_range)
    cast = films.people(studio, film)
    someone = cast[min(cast)]
    own = plan.edits_for(someone)
    films.save(studio, film, cast, own, path, is_range, way.loop)
    tell_prices(studio, [someone], [own], limiting(moving.max_drift))


def _save_film(
    studio: Studio,
    people: Sequence[Person],
    edits: Sequence[Sequence[Edit]],
    way: Way,
    ending: str,
    canvas: Canvas | None,
) -> None:
    """Writes the film of people who are edited, side by side, or its frames; with a photo, the film of that."""
    from stylegan_cli.operations.interpolation import Wall
    from stylegan_cli.operations.ways import Walk

    length = way.frames or FILM_LENGTH
    walks = [Walk(studio.generator, *one, length, way.loop) for one in zip(people, edits, strict=True)]
    (shots, person), *others = zip(walks, people, strict=True)
    if not canvas:
        save_film(studio, Wall(tuple(walks)) if others else shots, way.fps, ending, of=people)
        return
    from stylegan_cli.cli.photos import pasted

    if ending in FRAMES:
        pasted.save_frames(studio, canvas, person, shots)
    else:
        save_film(studio, shots, way.fps, ending, pasted.finish_frames(studio, canvas, person))


def _save_strips(studio: Studio, people: Sequence[Person], edits: Sequence[Sequence[Edit]], number: int) -> None:
    """Writes a strip of faces for each person, below each other."""
    from stylegan_cli.operations import ways

    strips = [ways.strip(studio.generator, *one, number) for one in zip(people, edits, strict=True)]
    names = [person.label for person in people] if len(people) > 1 else []
    studio.save_sheet("edit", ways.sheet(strips, names), [person for strip in strips for person in strip])


def _check_kind(film: str | None, is_strip: bool, way: Way, paste: Photo | None) -> None:
    """Checks the options that only one kind of result has."""
    if not film:
        unused = {"--fps": way.fps, "--loop": way.loop}
        check_unused("this is not a film, which needs --frames or --out film.mp4", unused)
    if paste and is_strip:
        raise UsageError(
            "--paste makes no strips; name one amount, a film (--out film.mp4), or a folder of frames (--frames 4 "
            "--out frames/)"
        )


def _assignment(text: str) -> tuple[str, Amounts]:
    name, equals, amount = text.rpartition("=")
    if not (name and equals):
        raise UsageError(f"--direction takes NAME=AMOUNT, like glasses.pt=2, not {text!r}")
    return name, parse_amounts(name, amount)
