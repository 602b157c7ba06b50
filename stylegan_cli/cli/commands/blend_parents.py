"""`stylegan blend-parents`: what would their child look like?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from stylegan_cli.cli import places
from stylegan_cli.cli.edits import Amounts, open_edits, parse_amounts
from stylegan_cli.cli.options import OUTPUT, Generation, Grid, PictureOutput, check_unused, command, given, optional
from stylegan_cli.errors import UsageError
from stylegan_cli.latents.named import MAX_SEED

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class ChildOutput(PictureOutput):
    """Children are also saved as latents, unless --no-save-latents is given."""

    save_latents: Annotated[
        bool,
        typer.Option("--save-latents/--no-save-latents", help="Write the children's latents.", rich_help_panel=OUTPUT),
    ] = True


Share = Annotated[float | None, optional("The first parent's share in this band.", min=0, max=1)]


@dataclass(frozen=True)
class Shares:
    """The first parent's shares in bands."""

    coarse: Share = None
    middle: Share = None
    fine: Share = None


@command
def blend_parents(
    generation: Generation,
    output: ChildOutput,
    parents: Annotated[
        list[str], typer.Argument(metavar="PARENT", help="Two people: seeds, latents, pictures, photos or names.")
    ],
    children: Annotated[int, typer.Option("--children", "-n", min=1, max=1000, help="Number of siblings.")] = 1,
    weight: Annotated[
        float | None,
        optional("The first parent's share in other bands (default 0.5).", min=0, max=1),
    ] = None,
    *,
    shares: Shares,
    layers: Annotated[
        list[str] | None,
        optional("Share in single layers: 4-6=0.9. Repeatable.", metavar="LAYERS=SHARE"),
    ] = None,
    seed: Annotated[
        int | None,
        optional("Draw the other shares from this seed.", min=0, max=MAX_SEED),
    ] = None,
    age: Annotated[
        str | None,
        optional(
            "Make the children younger or older, as stylegan edit does: 8y is eight years old, -3 much younger.",
            metavar="AMOUNT",
        ),
    ] = None,
    grid: Grid = False,
) -> None:
    """Blend two parents into a child: pictures, the child's latents, and a family sheet (if --out is one file, the
    child alone).

    Every layer of the child lies between its parents. Shares that you give apply to every child; the others are half
    and half (or --weight) for an only child, and drawn from --seed for siblings. Children are also saved as latents,
    which every other command takes. With --grid, only the family sheet is drawn.

    Examples: stylegan blend-parents jon.npy dany.npy; stylegan blend-parents jon dany --children 6 --coarse 0.7;
    stylegan blend-parents jon dany --age 8y
    """
    first, second = _both(parents)
    _check_shares(weight, seed, children)
    years = None if age is None else _years(age)

    from stylegan_cli.bands import BANDS
    from stylegan_cli.cli import casting
    from stylegan_cli.cli.plan import Plan
    from stylegan_cli.cli.price import tell_prices
    from stylegan_cli.cli.studio import Studio, Work, portrait
    from stylegan_cli.latents.selection import parse_layers
    from stylegan_cli.media.encode import FORMATS
    from stylegan_cli.operations import blending
    from stylegan_cli.operations.editing import edited
    from stylegan_cli.pictures import faces_to_compute

    studio = Studio(generation, output)
    order = studio.generator.layers
    extra = [(parse_layers(which, order), share) for which, share in map(_assignment, layers or [])]
    own = given(shares)
    single = {layer for indices, _ in extra for layer in indices}
    shared = {band: set(parse_layers(band, order)) for band in own}
    idle: dict[str, object] = {f"--{band}": which <= single for band, which in shared.items()}
    if single.union(*shared.values()) >= set(range(len(order))):
        idle |= {"--weight": weight, "--seed": seed, "--children": children > 1}
    check_unused("all these layers have their shares already", idle)
    is_alone = children == 1 and places.is_file_name(output.out, FORMATS)
    labels = [f"child {i + 1}" for i in range(children)] if children > 1 else ["child"]
    names = [label.replace(" ", "-") for label in labels]
    studio.check_results(["family"] if grid else names if is_alone else [*names, "family"])
    # All layers are moved: children have other proportions.
    plan = Plan(studio, open_edits(studio, [("age", years)], "all", ())) if years else None
    one, other = casting.several(studio, [first, second])
    by_chance = weight is None and (seed is not None or children > 1)

    siblings = []
    for i, label in enumerate(labels):
        rest = (
            blending.draw_shares(seed or 0, i) if by_chance else dict.fromkeys(BANDS, 0.5 if weight is None else weight)
        )
        by_layer = blending.share_by_layer(order, rest | own, extra)
        siblings.append(blending.blend(one, other, by_layer, label))
    before, edits = siblings, plan.edits_for_all(siblings) if plan else []
    if plan:
        aged = map(partial(edited, studio.generator), before, edits)
        siblings = [replace(grown, label=child.label) for child, grown in zip(before, aged, strict=True)]
    sheet = blending.family(one, other, siblings)
    if grid:
        studio.save_sheet("family", sheet, siblings)
    elif is_alone:
        studio.save(names, [portrait(siblings[0])])
    else:
        studio.check_sheet(sheet)
        works = [*map(portrait, siblings), Work(sheet)]
        studio.save([*names, "family"], works, "family", children + faces_to_compute(sheet))
    if plan:
        tell_prices(studio, before, edits)


def _both(parents: Sequence[str]) -> tuple[str, str]:
    """The two that a child has."""
    from stylegan_cli.latents.references import split

    first, *others = split(*parents)
    if not others:
        raise UsageError(f"a child has two parents; name another beside {first}")
    second, *more = others
    if more:
        raise UsageError(
            f"a child has two parents, so {' '.join(more)} is too much; a child can be a parent in turn: "
            f"stylegan blend-parents family/child.png {more[0]}"
        )
    return first, second


def _check_shares(weight: float | None, seed: int | None, children: int) -> None:
    """Checks what needs no model."""
    if weight is not None and seed is not None:
        raise UsageError("--weight sets the shares that --seed would draw; leave out one of them")
    if children > 1 and weight is not None:
        raise UsageError("with --weight, all siblings would be the same; leave out --children")


def _years(age: str) -> Amounts:
    """The one age of all children."""
    years = parse_amounts("age", age)
    if years.start is not None:
        from stylegan_cli.operations.reaching import MOST

        unit = "y" if years.unit or years.stop > MOST else ""  # 4..28 are years, too
        ages = f"{years.start:g}{unit}..{years.stop:g}{unit}"
        raise UsageError(
            f"--age {age}: children have one age here, like 8y; to see one grow up: stylegan edit family/child.png "
            f"--age {ages} --layers all"
        )
    return years


def _assignment(text: str) -> tuple[str, float]:
    which, _, share = text.partition("=")
    try:
        value = float(share)
    except ValueError:
        value = -1
    if not (which and 0 <= value <= 1):
        raise UsageError(f"--layers takes LAYERS=SHARE with a share from 0 to 1, like 4-6=0.9, not {text!r}")
    return which, value
