"""`stylegan sample`: faces from seeds, contact sheets, data sets."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stylegan_cli.cli.options import (
    Generation,
    Grid,
    NoiseMode,
    PictureOutput,
    check_unused,
    check_word,
    command,
    optional,
    parse_numbers,
)
from stylegan_cli.cli.places import place, result_names
from stylegan_cli.cli.sampling.columns import columns_of
from stylegan_cli.errors import UsageError
from stylegan_cli.latents.named import MAX_SEED, numbered

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stylegan_cli.cli.casting import Prepare
    from stylegan_cli.cli.sampling.columns import Column
    from stylegan_cli.cli.studio import Studio
    from stylegan_cli.latents.people import Person
    from stylegan_cli.pictures import Face

    Everybody = tuple[Sequence[str], Iterable[tuple[int, Person]]]  # their labels, and they with numbers for noise


@dataclass(frozen=True)
class Drawing:
    """How everybody is drawn: with which mode of `noise` (None means their own), from which `seed` if it is random, and
    where in the picture."""

    noise: str | None
    seed: int
    translate: tuple[float, float]
    rotate: float

    def noisy(self, person: Person, number: int) -> Person:
        """Random noise depends on the `number`, and not on who else is drawn."""
        from stylegan_cli.noise import Noise

        return person if self.noise is None else replace(person, noise=Noise(self.noise, self.seed + number))

    def face(self, person: Person) -> Face:
        return replace(person.face(), translate=self.translate, rotate=self.rotate)


@command
def sample(
    generation: Generation,
    output: PictureOutput,
    persons: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PERSON",
            help="Seeds, latents, pictures, photos or names. 50 is the face of seed 50; for 50 faces use --count 50.",
            show_default=False,
        ),
    ] = None,
    seeds: Annotated[str | None, optional("Seeds and ranges: 0,3,5-9.")] = None,
    count: Annotated[int | None, optional("This many seeds, from --seed on.", "--count", "-n", min=1)] = None,
    latents: Annotated[
        Path | None,
        optional(
            "Render every latent in this .npy, .npz or .pt, unchanged; many.npz#0-4,7 are six of them.",
            "--latents",
            "--projected-w",
        ),
    ] = None,
    noise: NoiseMode = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=MAX_SEED, help="The first seed (0 by default), and that of --noise random."),
    ] = None,
    translate: Annotated[str, typer.Option(metavar="X,Y", help="StyleGAN3: move faces, in picture widths.")] = "0,0",
    rotate: Annotated[float, typer.Option(metavar="DEG", help="StyleGAN3: turn faces counter-clockwise.")] = 0.0,
    psis: Annotated[
        str | None,
        optional("A sheet with a column for each psi: -1,0,0.5,1.", metavar="PSI,..."),
    ] = None,
    classes: Annotated[
        str | None,
        optional("A sheet with a column for each class: 0-4,7.", metavar="N,..."),
    ] = None,
    grid: Grid = False,
    columns: Annotated[
        int | None,
        optional("Columns of --grid; by default, a number that leaves no gaps.", min=1),
    ] = None,
    dataset: Annotated[
        Path | None,
        optional("Write a data set into this folder or .zip, with latents beside it.", parser=place, metavar="PATH"),
    ] = None,
) -> None:
    """Make faces from seeds, or of people you have.

    A seed means the same z as in NVIDIA's tools: 50 is the face of seed 50. For 50 faces use --count 50. --dataset
    writes any number of pictures in NVIDIA's data-set layout, ready for training; --latents takes [w_dim],
    [num_ws, w_dim] or [n, num_ws, w_dim] and renders it unchanged. Without any of these, it makes one face, from
    --seed. A PERSON can be anything that other commands take as a person.

    --psis and --classes make a sheet on which every seed has a row: less and more truncated, or as other classes.

    A data set of a model with classes has all of them in turn, unless --class names one. To resume an interrupted data
    set, run the same command again; the result is identical to the byte. Several processes can share the work:
    torchrun --nproc-per-node 2 -m stylegan_cli sample -n 1000000 --dataset faces.zip

    Examples: stylegan sample --seeds 0-15,42 --grid; stylegan sample jon dany me.npz --grid;
    stylegan sample --seeds 3,9 --psis -1,-0.5,0,0.5,1; stylegan sample -n 10000 --dataset faces.zip --size 128
    """
    _check_one({"PERSON": persons, "--seeds": seeds, "--count": count, "--latents (--projected-w)": latents})
    if dataset and (persons or latents or grid or output.out or output.save_latents or output.show):
        raise UsageError(
            "--dataset makes single pictures from --seeds or --count, with their latents beside them, and says where "
            "they go; leave out --out, --latents, --save-latents, --show, --grid and people"
        )
    if latents and (chosen := numbered(str(latents)))[1]:
        persons, latents = [f"{chosen[0]}#{number.strip()}" for number in chosen[1].split(",")], None
    ways = columns_of(psis, classes, generation)
    if ways:
        others = {"PERSON": persons, "--latents": latents, "--dataset": dataset, "--columns": columns}
        check_unused("--psis and --classes make a sheet of seeds", others)
        grid, columns = True, len(ways)
    elif not grid:
        check_unused("--columns is for --grid", {"--columns": columns})
    if (persons or seeds is not None or latents) and noise != "random":
        check_unused("--seed is for --count, and for --noise random", {"--seed": seed})
    seed = seed or 0

    from stylegan_cli.cli.studio import Studio, Work
    from stylegan_cli.latents import references
    from stylegan_cli.noise import MODES
    from stylegan_cli.pictures import contact_sheet

    check_word("--noise", noise, MODES)
    drawing = Drawing(noise, seed, _pair(translate), rotate)
    ranges = references.parse_seeds(f"{seed}-{seed + (count or 1) - 1}" if seeds is None else seeds)
    if dataset:
        _write_dataset(dataset, generation, output, ranges, drawing)
        return
    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise UsageError("several processes can only make a data set; name one with --dataset")
    studio = Studio(generation, output)
    studio.check_noise(noise)
    with studio.generator.moved(drawing.translate, rotate):
        pass  # fails before minutes are spent on a photo

    def check(labels: Sequence[str]) -> None:
        studio.check_results(["sheet"] if grid else result_names(labels))

    if persons or latents:
        labels, everybody = _known(studio, persons, latents, check)
    else:
        labels, everybody = _of_seeds(studio, ranges, ways)
    shown = (drawing.noisy(person, number) for number, person in everybody)
    if grid:
        people = list(shown)
        studio.save_sheet("sheet", contact_sheet(list(map(drawing.face, people)), columns), people)
    else:
        studio.save(result_names(labels), (Work(drawing.face(person), (person,)) for person in shown), "faces")


def _check_one(sources: dict[str, object]) -> None:
    """Checks that at most one option says who is drawn."""
    given = [name for name, value in sources.items() if value]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} exclude each other; give one of them")


def _write_dataset(
    path: Path, generation: Generation, output: PictureOutput, ranges: list[range], drawing: Drawing
) -> None:
    """Writes a data set of these seeds, which remembers how they were drawn."""
    from stylegan_cli.cli.sampling.dataset import sample_dataset

    def face(person: Person, number: int) -> Face:
        return drawing.face(drawing.noisy(person, number))

    drawn_from = {"seed": drawing.seed} if drawing.noise == "random" else {}
    moved = {"translate": list(drawing.translate), "rotate": drawing.rotate}
    sample_dataset(path, generation, output, ranges, face, {"noise": drawing.noise or "const", **drawn_from, **moved})


def _of_seeds(studio: Studio, ranges: list[range], ways: list[Column]) -> Everybody:
    """People of seeds, whose noise the seed numbers. They are made one at a time, in one way or in all of `ways`:
    memory does not grow with their number."""
    from stylegan_cli.cli.studio import check_count
    from stylegan_cli.latents.people import from_seed

    check_count(sum(map(len, ranges)) * max(len(ways), 1))
    if ways:
        return [], ((seed, way.person(studio, seed)) for seed in chain(*ranges) for way in ways)
    labels = [f"seed{seed:04d}" for seed in chain(*ranges)]
    return labels, ((seed, from_seed(studio.generator, seed, studio.psi)) for seed in chain(*ranges))


def _known(studio: Studio, persons: list[str] | None, latents: Path | None, prepare: Prepare) -> Everybody:
    """People by their references, or all in a file; their noise is numbered by a seed, the place in the file, or 0."""
    from stylegan_cli.cli import casting
    from stylegan_cli.cli.studio import check_count
    from stylegan_cli.latents import references

    if persons:
        texts = references.split(*persons)
        found = casting.several(studio, texts, prepare=prepare)
        numbers = [text if references.is_seed(text) else numbered(text)[1] for text in texts]
        known = [*zip([int(one) if one.isdecimal() else 0 for one in numbers], found, strict=True)]
    else:
        casting.check_for_seeds(studio, [])
        known = [*enumerate(casting.everybody(studio, str(latents)))]
    check_count(len(known))
    return [person.label for _, person in known], known


def _pair(text: str) -> tuple[float, float]:
    try:
        x, y = parse_numbers(text, 2)
    except ValueError:
        raise UsageError(f"--translate takes two numbers like 0.1,-0.2, not {text!r}") from None
    return x, y
