"""`stylegan directions ...`: list, show, find and discover directions, or take one between two people."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stylegan_cli.cli import places
from stylegan_cli.cli.console import escaped, print_data, tell
from stylegan_cli.cli.edits import (
    FARTHEST,
    check_name,
    check_visible,
    lengths,
    moved_layers,
    much_of,
    open_direction,
    split_names,
)
from stylegan_cli.cli.options import (
    Force,
    Generation,
    ModelChoice,
    Output,
    Seed,
    check_unused,
    check_word,
    command,
    command_line,
    optional,
    out_option,
)
from stylegan_cli.errors import StyleganError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stylegan_cli.cli.finding import Sample
    from stylegan_cli.cli.studio import Studio
    from stylegan_cli.datasets.sampled import SampledFaces
    from stylegan_cli.generator import Generator
    from stylegan_cli.latents.directions import Direction

app = typer.Typer(
    help="List, show, find and discover directions for editing, or take one between two people.", no_args_is_help=True
)

METHODS = ("sefa", "pca")
PEOPLE, SAMPLES = 2000, 10_000  # that find and pca use

On = Annotated[str, typer.Option("--on", metavar="PEOPLE", help="The people to show it on.")]
Steps = Annotated[int, typer.Option(min=2, max=100, help="Faces per row.")]
DirectionOut = Annotated[
    Path | None,
    out_option("A .npz file, or a folder; by default your own folder, where --direction NAME finds it."),
]


@app.command("list")
@command
def list_directions(
    model: Annotated[str, typer.Option("--model", "--network", help="A model's name or a model file.")] = "ffhq",
) -> None:
    """List the directions of a model: those that come with it and those that you have found, also for other models with
    the same W."""
    from stylegan_cli import store
    from stylegan_cli.cli.opened import open_generator
    from stylegan_cli.latents.directions import title

    chosen = store.source(model)
    origin = chosen.model.origin if chosen.model else open_generator(ModelChoice(model))[0].origin
    known = store.directions(chosen, origin)
    if not known:
        tell(f"{model} has no directions yet; make some with stylegan directions find or discover.")
    for name, path in known.items():
        try:
            print_data(f"{name}\t{escaped(title(path))}")
        except StyleganError as error:
            tell(f"{error}.")


@app.command()
@command
def show(
    generation: Generation,
    output: Output,
    name: Annotated[str, typer.Argument(metavar="DIRECTION", help="A direction's name or file.")],
    on: On = "0-2",
    amount: Annotated[
        float | None,
        optional("How far to move them, both ways (default 3; if long, 1).", min=0, max=FARTHEST),
    ] = None,
    steps: Steps = 7,
) -> None:
    """Show a direction: what is known about it, and a sheet of people moved along it.

    Example: stylegan directions show age --on jon,dany
    """
    from stylegan_cli.cli import casting
    from stylegan_cli.cli.studio import Studio
    from stylegan_cli.latents.directions import located
    from stylegan_cli.latents.references import split
    from stylegan_cli.operations import editing, ways

    # Named as the user called it: the name in the file is not trusted, and could lead out of this folder.
    path, number = located(name)
    title = path.stem if number is None else f"{path.stem}#{number}"
    studio = Studio(generation, output)
    studio.check_results([title])
    direction = open_direction(studio, name)
    for line in _facts(direction):
        tell(line)
    if amount is None:
        amount = max(float(much_of(direction)), 1)  # of long vectors, which are differences, all
    edits = [editing.Edit(direction, amount, -amount)]
    people = casting.several(studio, split(on))
    strips = [ways.strip(studio.generator, person, edits, steps) for person in people]
    names = [person.label for person in people] if len(people) > 1 else []
    studio.save_sheet(title, ways.sheet(strips, names), [])


@dataclass(frozen=True)
class Lesson:
    """What to find, and whom to learn it from."""

    scorer: Annotated[
        str | None,
        optional("Find what these scorers measure: age, or age,gender,smile.", metavar="NAMES"),
    ] = None
    having: Annotated[Path | None, optional("People who have the attribute.", "--with", metavar="FOLDER")] = None
    lacking: Annotated[Path | None, optional("People who do not.", "--without", metavar="FOLDER")] = None
    scores: Annotated[
        Path | None,
        optional(
            "Find what your own scores measure: a .npy with a number for each person in --data, NaN if not known.",
            metavar="FILE",
            exists=True,
        ),
    ] = None
    data: Annotated[
        Path | None,
        optional(
            "Learn from these pictures, made by stylegan sample --dataset, or from a file of many w.", exists=True
        ),
    ] = None
    count: Annotated[
        int | None,
        optional(f"Number of people to learn from (default {PEOPLE}; with --scores, all).", "--count", "-n", min=100),
    ] = None

    def check(self) -> None:
        if self.having:
            unused = {"--data": self.data, "--count": self.count}
            check_unused("--with and --without already name the people", unused)
        ways = (self.scorer, self.having, self.scores)
        if sum(way is not None for way in ways) != 1 or (self.having is None) != (self.lacking is None):
            raise UsageError(
                "say what to find: --scorer NAMES, --with FOLDER --without FOLDER, or --scores FILE --data PEOPLE"
            )
        if self.scores and not self.data:
            raise UsageError("--scores needs --data: the people whom the scores are of")

    @property
    def label(self) -> str:
        """What labels are called: unlike any scorer, whatever the direction's name is."""
        return f"--with {self.having}" if self.having else f"--scores {self.scores}"

    def faces(self, generator: Generator) -> SampledFaces | None:
        """The data set that --data names, unless it holds only latents."""
        from stylegan_cli.datasets.sampled import SampledFaces
        from stylegan_cli.latents import files

        if self.data is None or self.data.suffix.lower() in files.ENDINGS + files.TORCH:
            return None
        return SampledFaces(self.data, generator)

    def sample(self, studio: Studio, faces: SampledFaces | None, seeds: range) -> Sample:
        """The people to learn from: labelled, or to be drawn and scored."""
        from stylegan_cli.cli import finding

        if self.having and self.lacking:
            return finding.in_folders(studio, self.having, self.lacking, self.label)
        if faces:
            sample = finding.in_data(studio, faces)
        elif self.data:
            sample = finding.of_latents(studio, self.data)
        else:
            sample = finding.of_seeds(studio, seeds)
        if self.scores:
            sample = finding.labelled(sample, self.label, self.scores)
        return sample if self.scores and self.count is None else sample.first(len(seeds))


@app.command()
@command
def find(
    generation: Generation,
    lesson: Lesson,
    keep: Annotated[
        str | None,
        optional("Leave these scores unchanged: gender,smile.", metavar="NAMES"),
    ] = None,
    seed: Seed = 0,
    layers: Annotated[str, typer.Option(help="Layers that the direction moves: all, coarse,middle, or 0-9.")] = "all",
    amount: Annotated[
        float, typer.Option(min=0.1, max=FARTHEST, help="How far to move people to measure it, both ways.")
    ] = 3,
    people: Annotated[int, typer.Option(min=2, help="How many other people (with --psi) to measure it on.")] = 40,
    rounds: Annotated[int, typer.Option(min=0, max=10, help="How often to correct it by what was measured.")] = 1,
    name: Annotated[
        str | None,
        optional("Its name; by default the scorer's, that of the file of scores, or 'direction'."),
    ] = None,
    out: DirectionOut = None,
    force: Force = False,
) -> None:
    """Find the direction of an attribute: from scores of sampled people, yours or the tool's, or from two folders of
    people.

    A linear function is fitted to each score, and the part that would change the scores in --keep is removed. Then
    other people are moved along it; what else changes is measured, corrected and reported, in standard deviations.
    Scores are kept in the cache, for the next direction.

    Examples: stylegan directions find --scorer age --keep gender,smile --name years; stylegan directions find --with
    hats --without plain --name hats; stylegan directions find --scores freckles.npy --data faces.zip
    """
    lesson.check()
    others = {"--cutoff": generation.cutoff, "--new-center": generation.new_center}
    check_unused("directions are found among people around the average face, whose layers share one w", others)
    targets, kept = split_names(lesson.scorer), split_names(keep)
    if lesson.scorer is not None and not targets:
        raise UsageError(f"--scorer {lesson.scorer!r} names nothing to find; use age, or age,gender,smile")
    if lesson.scores and name is None:
        name = lesson.scores.stem
    if name is not None:
        if len(targets) > 1:
            raise UsageError("--name is for one direction; leave it out, and several get their scorers' names")
        check_name(name)

    from stylegan_cli.cli import finding
    from stylegan_cli.cli.price import open_scorers
    from stylegan_cli.cli.scoring import Scoring
    from stylegan_cli.cli.studio import Studio
    from stylegan_cli.latents import directions

    drawn = range(seed, seed + (lesson.count or PEOPLE))
    finding.check_seeds(range(seed, drawn.stop + people))
    names = targets or ["direction"] if name is None else [name]
    paths = finding.destinations(generation.model, names, out, force)
    finding.check_scorers([*targets, *kept])
    studio = Studio(generation, Output())
    chosen = moved_layers(layers, studio.generator)
    faces = lesson.faces(studio.generator)
    if targets or kept:
        instead = "name folders of people with --with and --without, and leave out --keep"
        check_visible(studio.generator, "scorers need", instead)
    sample = lesson.sample(studio, faces, drawn)
    # Edits are made on people drawn with --psi, whatever the direction was learned from: never from these.
    first = seed + max(len(drawn), len(sample.w))
    walkers = range(first, first + people)
    finding.check_seeds(walkers)
    search = finding.Search(targets or [lesson.label], kept, chosen, amount, rounds, walkers)
    scorers = open_scorers(studio.generator)
    if scorers:
        studio.speed_up((0 if faces else len(sample.w)) + search.faces)
    score = Scoring(studio, scorers) if scorers else None
    about = {"command": command_line(), "people": len(sample.w)}
    found = [
        replace(direction, name=own, layers=layers, found={**about, **direction.found})
        for own, direction in zip(names, finding.find(studio, search, sample, score), strict=True)
    ]
    for path, direction in zip(paths, found, strict=True):
        directions.write(path, direction, studio.generator.origin)
        print_data(path)
    finding.tell_of_hidden(generation.model, paths)
    finding.report(found, amount)
    finding.tell_of_use(paths[0], out, amount)


@app.command()
@command
def between(
    generation: Generation,
    before: Annotated[str, typer.Argument(metavar="PERSON", help="Seed, latents, picture, photo or name.")],
    after: Annotated[str, typer.Argument(metavar="PERSON", help="Somebody else, or the same person after a change.")],
    name: Annotated[str, typer.Option(help="Its name.")] = "difference",
    out: DirectionOut = None,
    force: Force = False,
) -> None:
    """Take the direction from one person to another: from a face before to that after stylegan drag, for example.

    An amount of 1 changes anybody as the second differs from the first.

    Examples: stylegan directions between jon drag.png --name receding; stylegan edit tyrion --direction receding=1
    """
    check_name(name)

    from stylegan_cli.cli import casting, finding
    from stylegan_cli.cli.studio import Studio
    from stylegan_cli.latents import directions
    from stylegan_cli.operations import editing

    (path,) = finding.destinations(generation.model, [name], out, force)
    studio = Studio(generation, Output())
    one, other = casting.several(studio, [before, after])
    direction = editing.difference(one, other, name)
    directions.write(path, replace(direction, found={"command": command_line()}), studio.generator.origin)
    print_data(path)
    finding.tell_of_hidden(generation.model, [path])
    finding.tell_of_use(path, out, 1)


@dataclass(frozen=True)
class DiscoverOutput(Output):
    """Output of discoveries: a folder."""

    out: Annotated[
        Path | None,
        out_option("A folder for the directions and their sheet; by default, a new one here, named like --method."),
    ] = None


@app.command()
@command
def discover(
    generation: Generation,
    output: DiscoverOutput,
    method: Annotated[
        str, typer.Option(help="sefa (from the network's weights) or pca (from many sampled people).")
    ] = "sefa",
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=512, help="Number of directions.")] = 10,
    layers: Annotated[
        str, typer.Option(help="Layers to change: coarse, middle, fine, several of these, all, or 0-3.")
    ] = "all",
    samples: Annotated[
        int | None,
        optional(f"Number of people that pca samples (default {SAMPLES}).", min=100, max=1_000_000),
    ] = None,
    on: Annotated[str, typer.Option("--on", metavar="PERSON", help="The person to show them on.")] = "0",
    amount: Annotated[
        float | None,
        optional(
            "How far to move the person (default: two standard deviations of people along each).", min=0, max=FARTHEST
        ),
    ] = None,
    steps: Steps = 5,
) -> None:
    """Discover directions that have no names yet: for any model, without pictures or scorers.

    sefa (Shen and Zhou 2021) takes the vectors that change the styles of --layers most; pca (Harkonen et al. 2020)
    those along which people differ most. Each is written to a file, and a sheet shows one per row, so that you can
    name them.

    Example: stylegan directions discover --method sefa --layers coarse --out found
    """
    check_word("--method", method, METHODS)
    if method == "sefa":
        check_unused("sefa samples no people", {"--samples": samples})

    from stylegan_cli.cli import casting, finding
    from stylegan_cli.cli.studio import Studio
    from stylegan_cli.latents import directions
    from stylegan_cli.latents.directions import Direction
    from stylegan_cli.media.encode import FORMATS
    from stylegan_cli.operations import discovery, drift, editing, ways

    folder = output.out or places.fresh(Path(method))
    if places.is_file_name(folder, (*FORMATS, finding.ENDING)):
        raise UsageError(f"--out {folder}: directions and their sheet go into a folder; name one")
    paths = finding.destinations(generation.model, [f"{method}-{i}" for i in range(count)], folder, output.force)
    ending = places.file_ending(folder, output.format, FORMATS, "png")
    places.check_file(folder / f"sheet.{ending}", output.force)
    studio = Studio(generation, replace(output, out=folder))
    generator = studio.generator
    found: dict[str, object] = {"command": command_line(), "method": method}
    chosen = moved_layers(layers, generator)
    if method == "sefa":
        vectors, strengths = discovery.sefa(generator, chosen, count)
        kind = "change of styles"
    else:
        samples = SAMPLES if samples is None else samples
        vectors, strengths = discovery.pca(generator, samples, count)
        kind, found = "standard deviation of w", found | {"samples": samples}
    usual = [float(f"{2 * one:.1g}") for one in drift.deviations(generator, vectors).tolist()]  # round amounts
    reaches = usual if amount is None else [amount] * count
    (person,) = casting.several(studio, [on])
    made = []
    for path, vector, strength in zip(paths, vectors, strengths.tolist(), strict=True):
        title = f"{path.stem}: not named yet"
        everywhere = vector.expand(generator.num_ws, -1)
        made.append(Direction(path.stem, everywhere, layers, title, found=found, scores={kind: strength}))
    edits = [editing.Edit(one, reach, -reach) for one, reach in zip(made, reaches, strict=True)]
    strips = [ways.strip(generator, person, [one], steps) for one in edits]
    sheet = ways.sheet(strips)
    studio.check_sheet(sheet)
    for path, direction in zip(paths, made, strict=True):
        directions.write(path, direction, generator.origin)
        print_data(path)
    studio.save_sheet("sheet", sheet, [])


def _facts(direction: Direction) -> Iterator[str]:
    """What is known about a direction, as lines."""
    yield f"{direction.name}: {direction.title or 'no title'}"
    model = direction.origin.name if direction.origin else "not known"
    yield f"model: {model}, space: {direction.space}, layers: {direction.layers}"
    yield lengths(direction)
    for key, value in {**direction.found, **direction.scores}.items():
        if key not in ("amount", "ahead", "behind"):
            yield f"{key}: {_said(value)}"
    amount = direction.scores.get("amount")
    for side, sign in (("ahead", 1), ("behind", -1)):
        if amount and (moved := direction.scores.get(side)):
            changes = ", ".join(f"{name} {sign * change:+.2f}" for name, change in moved.items())
            yield f"moving by {sign * amount:+g} changes, in standard deviations: {changes}"


def _said(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_said(one)}" for key, one in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "nothing"
    return f"{value:.2f}" if isinstance(value, float) else str(value)
