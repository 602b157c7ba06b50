"""`stylegan interpolate`: films between people."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stylegan_cli.cli.filming import FILM_LENGTH, RATE, FilmOutput, Rate, film_ending, save_film, tell_of_noise
from stylegan_cli.cli.options import (
    Generation,
    NoiseMode,
    check_unused,
    check_word,
    command,
    given,
    optional,
    parse_numbers,
)
from stylegan_cli.errors import UsageError
from stylegan_cli.latents.named import MAX_SEED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from stylegan_cli.cli.studio import Studio
    from stylegan_cli.generator import Generator
    from stylegan_cli.latents.people import Person
    from stylegan_cli.noise import Noise
    from stylegan_cli.operations.dancing import Danced
    from stylegan_cli.operations.interpolation import Circle, Film, Moved, Track
    from stylegan_cli.operations.music import Music

PULSE = 0.3


@dataclass(frozen=True)
class Motion:
    """How films lead through people, and where in the picture."""

    frames: Annotated[
        int | None,
        optional(
            f"Frames from one person to the next (default {FILM_LENGTH}); of a circle, all; with --audio, the "
            "film's at most.",
            "--frames",
            "--w-frames",
            min=1,
            max=100_000,
        ),
    ] = None
    method: Annotated[
        str,
        typer.Option(
            help="linear or cubic (in W), spherical, or circle: one full turn through two people (both in Z, only for "
            "people from seeds)."
        ),
    ] = "linear"
    easing: Annotated[str, typer.Option(help="linear, smooth, ease-in or ease-out, from person to person.")] = "linear"
    loop: Annotated[bool, typer.Option("--loop", help="Return smoothly to the first person.")] = False
    translate: Annotated[
        str, typer.Option(metavar="X,Y[..X,Y]", help="StyleGAN3: move faces, in picture widths, from..to.")
    ] = "0,0"
    rotate: Annotated[
        str, typer.Option(metavar="DEG[..DEG]", help="StyleGAN3: turn faces counter-clockwise, from..to.")
    ] = "0"

    def check(self) -> None:
        """Checks what can be checked without a model."""
        from stylegan_cli.operations.interpolation import CIRCLE, EASINGS, METHODS

        check_word("--method", self.method, (*METHODS, CIRCLE))
        check_word("--easing", self.easing, EASINGS)
        _ = self.shifts, self.turns

    @cached_property
    def shifts(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Where faces are moved, in the first frame and in the last."""
        like = "two numbers like 0.1,-0.2, or a range like 0,0..0.1,0"
        (x, y), (to_x, to_y) = _range("--translate", self.translate, 2, like)
        return (x, y), (to_x, to_y)

    @cached_property
    def turns(self) -> tuple[float, float]:
        """By how many degrees faces are turned, in the first frame and in the last."""
        (first,), (last,) = _range("--rotate", self.rotate, 1, "a number like 15, or a range like 0..360")
        return first, last

    def check_drawing(self, generator: Generator) -> None:
        """Checks that the model can draw faces there, before minutes are spent on a photo."""
        for translate, rotate in zip(self.shifts, self.turns, strict=True):
            with generator.moved(translate, rotate):
                pass

    def film(
        self, generator: Generator, shown: Sequence[Person], noise: Noise, moving: Sequence[int], bands: Sequence[Track]
    ) -> Film | Circle:
        """The film in which the layers `moving` lead through the people `shown`, and others as the `bands` say."""
        from stylegan_cli.operations.interpolation import CIRCLE, Circle, Film, Track

        start, indices, frames = replace(shown[0], noise=noise), tuple(moving), self.frames or FILM_LENGTH
        if self.method == CIRCLE:
            return Circle(generator, start, (shown[0], shown[1]), indices, frames)
        tracks = (*bands, Track(indices, tuple(shown))) if len(shown) > 1 else tuple(bands)
        return Film(generator, start, tracks, frames, self.method, self.easing, self.loop)

    def moved(self, film: Film | Circle | Danced) -> Film | Circle | Danced | Moved:
        """The film with its faces moved and turned."""
        from stylegan_cli.operations.interpolation import Moved

        still = not any((*self.shifts[0], *self.shifts[1], *self.turns))
        return film if still else Moved(film, self.shifts, self.turns)


@dataclass(frozen=True)
class Targets:
    """Bands with people of their own."""

    coarse: Annotated[str | None, optional("People that the coarse band goes through: 3,jon.", metavar="PEOPLE")] = None
    middle: Annotated[str | None, optional("People that the middle band goes through.", metavar="PEOPLE")] = None
    fine: Annotated[str | None, optional("People that the fine band goes through.", metavar="PEOPLE")] = None


@dataclass(frozen=True)
class Sound:
    """What films move to."""

    audio: Annotated[
        Path | None,
        optional(
            "Music, or a film that has some: the film lasts as long, moves with it, and has it as its sound.",
            metavar="FILE",
            exists=True,
            dir_okay=False,
        ),
    ] = None
    pulse: Annotated[
        float | None,
        optional(
            f"With --audio, how far beats push faces: 0 is not at all, 1 as far as another person (default {PULSE}).",
            min=0,
            max=1,
        ),
    ] = None

    def check(self, frames: int | None) -> None:
        """Checks that a film of at most so many `frames` can move to it."""
        if self.audio is None:
            check_unused("only films with --audio have beats", {"--pulse": self.pulse})
            return
        if frames == 1:
            raise UsageError("films with --audio have two frames or more, but --frames is 1; use a larger one")
        if not self.audio.is_file():
            raise UsageError(f"{self.audio} is no ordinary file, but music is read twice; save it in one")

    def music(self, fps: float, frames: int | None) -> Music | None:
        """What a film of at most so many `frames` makes of it."""
        if self.audio is None:
            return None
        from stylegan_cli.cli.console import progress, tell
        from stylegan_cli.media.audio import SAMPLE_RATE, sound
        from stylegan_cli.operations.music import listen

        with progress(f"listening to {self.audio.name}", 1), sound(self.audio, frames and frames / fps) as blocks:
            music = listen(blocks, SAMPLE_RATE, fps)
        if music.is_silent:
            tell(f"Nothing is to be heard in {self.audio}, so the film moves evenly.")
        return music

    def dance(self, studio: Studio, music: Music, seed: int) -> Callable[[Circle | Film], Danced]:
        """Makes films dance to the music, with a partner whom the seed chooses."""
        from stylegan_cli.operations.dancing import Danced, partner

        other = partner(studio.generator, seed, studio.psi)
        return partial(Danced, music=music, partner=other, pulse=PULSE if self.pulse is None else self.pulse)


@command
def interpolate(
    generation: Generation,
    output: FilmOutput,
    people: Annotated[
        list[str] | None, typer.Argument(metavar="PERSON", help="Seeds, latents, pictures, photos or names, in order.")
    ] = None,
    seeds: Annotated[str | None, optional("Seeds and ranges instead of people: 0,3,5-9.")] = None,
    *,
    motion: Motion,
    fps: Rate = None,
    sound: Sound,
    grid: Annotated[
        str | None,
        optional("Films side by side, like 4x2. Each gets the same number of people, in order.", metavar="WxH"),
    ] = None,
    layers: Annotated[
        str | None,
        optional("Layers that move: coarse, middle, fine, several of these, all (the default), or 0-3."),
    ] = None,
    targets: Targets,
    noise: NoiseMode = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, max=MAX_SEED, help="The seed for --noise random, and for where --audio pushes faces (0 by default)."
        ),
    ] = None,
) -> None:
    """Make a film that moves from person to person, in all bands or in some.

    --layers coarse moves one band, while the others stay with the first person. --coarse, --middle and --fine give a
    band its own targets, reached over the same time. --out takes film.mp4, .webm, .gif or .webp; a folder, or
    --format png, gives numbered frames. All frames have the same noise.

    --method circle makes a closed film of the faces around two seeds, with --grid of two for each film. Ranges of
    --translate and --rotate are evenly spread over the film; a loop closes with --rotate 0..360.

    With --audio, films move on with the music: faster where it is loud and on its beats, slowly where it is silent.
    Beats of the bass push the coarse layers that move, those of voices the middle ones, those of cymbals the fine ones,
    towards a person whom --seed chooses. A single person dances on the spot.

    Examples: stylegan interpolate jon dany arya --loop --out film.mp4; stylegan interpolate 1 --coarse 2,3 --fine 4;
    stylegan interpolate --seeds 0-31 --grid 4x2 --loop; stylegan interpolate 1 2 --method circle --frames 300;
    stylegan interpolate --seeds 0-7 --loop --audio song.mp3 --out song.mp4
    """
    if bool(people) == (seeds is not None):
        raise UsageError("name people in order (jon 3 5-9), or use --seeds without people")
    if noise != "random" and sound.audio is None:
        check_unused("--seed is for --noise random and --audio", {"--seed": seed})
    sound.check(motion.frames)
    motion.check()

    from stylegan_cli.cli import casting
    from stylegan_cli.cli.studio import Studio
    from stylegan_cli.latents.references import photo, split, split_seeds
    from stylegan_cli.latents.selection import parse_layers
    from stylegan_cli.media.render import face_shape
    from stylegan_cli.noise import MODES, Noise
    from stylegan_cli.operations.interpolation import CIRCLE, IN_Z, Track, Wall

    check_word("--noise", noise, MODES)
    names = split(*people or ()) if seeds is None else split_seeds(seeds)
    others = given(targets)
    ending = film_ending(output, fps, is_timed=sound.audio is not None)
    music = sound.music(fps or RATE, motion.frames)
    studio = Studio(generation, output)
    studio.check_noise(noise)
    motion.check_drawing(studio.generator)
    columns, rows = (1, 1) if grid is None else _grid(grid, len(names), face_shape(studio.generator, studio.cell))
    if grid is not None:
        check_unused("--grid shows people in order", {f"--{band}": who for band, who in others.items()})
        check_unused("films side by side have no latents of their own", {"--save-latents": output.save_latents})
    if motion.method == CIRCLE:
        _check_circle(len(names), columns * rows, motion.easing, others)
    if sound.audio is not None and len(names) == 1 and not others:
        names = names * 2  # who dances on the spot
    if len(names) == 1 and not others:
        raise UsageError(
            "a film needs at least two people (many.npz#0-4 are five in one file), targets for a band (--coarse, "
            "--middle, --fine), or --audio"
        )
    if len(names) == 1:
        check_unused("with one person, only the bands of the given targets move", {"--layers": layers})
    order = studio.generator.layers
    own = {band: parse_layers(band, order) for band in others}
    rest = set(parse_layers("all" if layers is None else layers, order)).difference(*own.values())
    moving = tuple(sorted(rest))
    if len(names) > 1 and not moving:
        raise UsageError(
            "no layer moves from person to person, because --layers and the bands with targets leave none; leave out "
            "one of them, or name only one person"
        )
    lists = [names, *map(split, others.values())]
    is_in_z = motion.method in IN_Z
    if is_in_z and (found := next(filter(photo, chain(*lists)), None)):
        raise UsageError(
            f"--method {motion.method} needs the z of seeds, and a photo like {found} has only a w; leave out --method"
        )
    main, *there = casting.groups(studio, lists, in_z=is_in_z)
    if noise is None:
        tell_of_noise([*chain(main, *there)])
    bands = [Track(own[band], (main[0], *goals)) for band, goals in zip(others, there, strict=True)]
    each = len(main) // (columns * rows)
    parts = [main[first : first + each] for first in range(0, len(main), each)]
    noises = [part[0].noise if noise is None else Noise(noise, seed or 0) for part in parts]
    films = [motion.film(studio.generator, *one, moving, bands) for one in zip(parts, noises, strict=True)]
    danced = map(sound.dance(studio, music, seed or 0), films) if music else films
    shown = [motion.moved(film) for film in danced]
    save_film(studio, shown[0] if grid is None else Wall(tuple(shown), columns), fps, ending, sound=sound.audio)


def _range(option: str, text: str, count: int, like: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Where a range `A..B` of `count` numbers each starts and ends; a single value is both."""
    first, dots, last = text.partition("..")
    try:
        return parse_numbers(first, count), parse_numbers(last if dots else first, count)
    except ValueError:
        raise UsageError(f"{option} takes {like}, not {text!r}") from None


def _check_circle(people: int, films: int, easing: str, targets: Mapping[str, str]) -> None:
    """Checks that each circle has its two people, and nothing that only other films have."""
    given = {"--easing": easing != "linear", **{f"--{band}": who for band, who in targets.items()}}
    check_unused("a circle is one even turn through two people", given)
    if people != 2 * films:
        raise UsageError(
            f"--method circle needs two people, with --grid for each of its films, but these are {people}; name "
            f"{2 * films}"
        )


def _grid(text: str, people: int, face: tuple[int, int]) -> tuple[int, int]:
    """Columns and rows of `4x2`, which must share this many people, with faces of this width and height."""
    from stylegan_cli.media.film import LARGEST

    match = re.fullmatch(r"(\d{1,2})[x,](\d{1,2})", text.lower())
    if match is None or not (int(match[1]) and int(match[2])):
        raise UsageError(f"--grid takes columns and rows like 4x2, not {text!r}")
    columns, rows = int(match[1]), int(match[2])
    if people % (columns * rows) or people < 2 * columns * rows:
        raise UsageError(
            f"--grid {text} needs the same number of people, two or more, for each of its films; these are {people}"
        )
    if (edge := max(columns * face[0], rows * face[1])) > LARGEST:
        raise UsageError(
            f"--grid {text} makes films of {edge:,} pixels, but the limit is {LARGEST:,}; use a smaller --size"
        )
    return columns, rows
