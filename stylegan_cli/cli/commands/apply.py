"""`stylegan apply`: a file of edits, applied to many people."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from reprlib import repr as short  # also of what is nested deeper than Python's stack
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stylegan_cli.cli import places
from stylegan_cli.cli.boundary import each
from stylegan_cli.cli.edits import (
    FARTHEST,
    Amounts,
    check_paste,
    open_edits,
    parse_amounts,
    split_names,
)
from stylegan_cli.cli.options import Generation, Paste, PictureOutput, command, optional
from stylegan_cli.errors import StyleganError, UsageError
from stylegan_cli.latents.named import suggestion

if TYPE_CHECKING:
    from stylegan_cli.cli.studio import Studio
    from stylegan_cli.latents.people import Person
    from stylegan_cli.operations.editing import Edit

KEYS = ("direction", "amount", "layers", "keep")  # of an edit, beside directions' names
MAX_BYTES = 1 << 14  # of a file; the memory that TOML's parser takes grows with the square of a key's length


@dataclass(frozen=True)
class Step:
    """One `[[edit]]`: directions by name or file with their amounts; `layers` and `keep` apply to all of them. Errors
    say `where` it is."""

    where: str
    amounts: Mapping[str, Amounts]
    layers: str | None = None
    keep: tuple[str, ...] = ()


@command
def apply(
    generation: Generation,
    output: PictureOutput,
    recipe: Annotated[
        Path, typer.Argument(metavar="RECIPE", exists=True, dir_okay=False, help="A .toml or .json file of edits.")
    ],
    people: Annotated[list[str], typer.Argument(metavar="PERSON", help="Seeds, latents, pictures, photos or names.")],
    max_drift: Annotated[
        float | None,
        optional("As in stylegan edit: the largest distance, for each person.", min=0),
    ] = None,
    paste: Paste = None,
) -> None:
    """Apply a file of edits to many people.

    In TOML, every [[edit]] holds directions with their amounts, like age = 3 or age = "60y", or direction =
    "glasses.npz" (a file beside the recipe) with amount = 2; it may also hold layers = "coarse,middle" and keep =
    ["gender"]. In JSON, it is {"edit": [{"age": 3}, ...]}. Edits are applied in order. If a person cannot be edited,
    the others still are.

    Examples: stylegan apply older.toml jon dany 3-9 me.npz; stylegan apply older.toml party.jpg#1-3 --paste party.jpg
    """
    steps = read_steps(recipe)

    from stylegan_cli.cli import casting
    from stylegan_cli.cli.photos import pasted
    from stylegan_cli.cli.plan import Plan
    from stylegan_cli.cli.price import limiting, tell_prices
    from stylegan_cli.cli.studio import Studio
    from stylegan_cli.latents.references import split

    texts = split(*people)
    check_paste(paste, output, texts)
    if output.out is None and len(texts) > 1 and not paste:  # even if only one of them can be edited
        output = replace(output, out=places.fresh(Path("edited")))
    studio = Studio(generation, output)
    if len(texts) > 1 and not paste:
        studio.check_out(len(texts))
    else:
        studio.check_results([places.pasted_name(paste) if paste else "edited"])
    casting.check_for_seeds(studio, texts)
    edits = [edit for step in steps for edit in _opened(studio, step)]
    plan = Plan(studio, edits, max_drift)
    canvas = pasted.open_canvas(paste, len(texts), studio.check_photo) if paste else None

    def planned(text: str) -> tuple[Person, list[Edit]]:
        person = casting.person(studio, text)
        return person, plan.edits_for(person)

    ready = each(texts, planned)
    if ready:
        before, own = zip(*ready.values(), strict=True)
        labels = [ready[i][0].label if i in ready else text for i, text in enumerate(texts)]
        names = places.result_names(labels, "edited")
        pasted.save_edited(studio, before, own, [names[i] for i in ready], canvas)
        tell_prices(studio, before, own, limiting(max_drift))
    if failed := [text for i, text in enumerate(texts) if i not in ready]:
        raise StyleganError(f"{len(failed)} of {len(texts)} people could not be edited: {', '.join(failed)}")


def _opened(studio: Studio, step: Step) -> list[Edit]:
    try:
        return open_edits(studio, step.amounts.items(), step.layers, step.keep)
    except StyleganError as error:
        raise StyleganError(f"{step.where}: {error}") from None


def read_steps(path: Path) -> list[Step]:
    """The steps in a file of edits. Files that it names may be beside it."""
    plain = _load(path)
    example = '{"edit": [{"age": 3}]}' if path.suffix.lower() == ".json" else "[[edit]] with age = 3"
    if not isinstance(plain, dict) or set(plain) != {"edit"}:
        raise StyleganError(f"{path} must hold edits and nothing else; write {example}")
    steps = plain["edit"]
    if not isinstance(steps, list) or not steps or not all(isinstance(step, dict) for step in steps):
        raise StyleganError(f"edit in {path} is not a list of tables; write {example}")
    return [_step(step, f"edit {i + 1} in {path}", path.parent) for i, step in enumerate(steps)]


def _load(path: Path) -> Any:
    if path.suffix.lower() not in (".toml", ".json"):
        raise UsageError(f"{path} is not a .toml or .json file; name one")
    if (size := path.stat().st_size) > MAX_BYTES:
        raise StyleganError(f"{path} has {size:,} bytes, and {MAX_BYTES:,} are the most for a file of edits; split it")
    try:
        text = path.read_text(encoding="utf-8-sig")  # Windows editors add a mark
        return tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
    except (ValueError, RecursionError) as error:
        raise StyleganError(f'{path} cannot be read: {error}; fix it, and put texts like "60y" in quotes') from None


def _step(plain: dict[str, Any], where: str, folder: Path) -> Step:
    rest = dict(plain)
    layers, keep = rest.pop("layers", None), rest.pop("keep", [])
    direction, amount = rest.pop("direction", None), rest.pop("amount", None)
    if not (layers is None or isinstance(layers, str)):
        raise StyleganError(f'layers of {where} are {short(layers)}; write them like "coarse,middle"')
    keep = split_names(keep) if isinstance(keep, str) else keep
    if not isinstance(keep, list) or not all(isinstance(name, str) for name in keep):
        raise StyleganError(f'keep of {where} is {short(keep)}; write it like ["gender", "smile"]')
    if (direction is None) != (amount is None):
        given, missing = ("a direction", "amount") if amount is None else ("an amount", "direction")
        like = "".join(f": {name}{near}" for name in rest if (near := suggestion(name, [missing])))
        raise StyleganError(f"{where} has {given}, but no {missing}{like}; give both")
    if direction is not None:
        if not isinstance(direction, str):
            raise StyleganError(f"the direction of {where} is {short(direction)}; give a name or a file in quotes")
        if direction in rest:
            raise StyleganError(f"{where} has two amounts of {direction}; give one")
        rest[direction] = amount
    if not rest:
        raise StyleganError(f"{where} moves nothing; write something like age = 3")
    return Step(
        where,
        {
            _beside(folder, name): _amount(value, f"{name}{suggestion(name, KEYS)} of {where}")
            for name, value in rest.items()
        },
        layers,
        tuple(_beside(folder, name) for name in keep),
    )


def _amount(value: object, what: str) -> Amounts:
    """An amount in a file: a number, or a text with a unit, like "60y"."""
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= FARTHEST:
        return Amounts(value)
    if isinstance(value, str):
        with suppress(UsageError):
            if (amount := parse_amounts(what, value)).unit and amount.start is None:
                return amount
    raise StyleganError(f'{what} is {short(value)}; an amount is a number like 3 or -1.5, or what to reach, like "60y"')


def _beside(folder: Path, name: str) -> str:
    from stylegan_cli.latents.directions import ENDINGS, located

    beside = str(folder / name)
    path, _ = located(beside)
    return beside if path.suffix.lower() in ENDINGS and path.is_file() else name
