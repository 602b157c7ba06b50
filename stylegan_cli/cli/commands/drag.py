"""`stylegan drag`: points of a face to other places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from stylegan_cli.cli import places
from stylegan_cli.cli.console import tell
from stylegan_cli.cli.edits import check_paste
from stylegan_cli.cli.options import Generation, Paste, PictureOutput, command, optional, parse_numbers
from stylegan_cli.errors import UsageError

if TYPE_CHECKING:
    from stylegan_cli.operations.dragging import Move


@command
def drag(
    generation: Generation,
    output: PictureOutput,
    person: Annotated[str, typer.Argument(metavar="PERSON", help="Seed, latents, picture, photo or name.")],
    move: Annotated[
        list[str] | None,
        optional(
            "A point of the picture, in pixels from its top left corner, and where it is to be. Repeatable.",
            metavar="X,Y..X,Y",
        ),
    ] = None,
    hold: Annotated[
        list[str] | None,
        optional("A point that stays where it is. Repeatable.", metavar="X,Y"),
    ] = None,
    paste: Paste = None,
) -> None:
    """Drag points of a face to other places: the corners of the mouth, the chin, the hairline.

    The rest of the face follows as faces do, and changes as little as it can. Points are pixels of the picture that
    stylegan sample PERSON draws. In stylegan explore, you can draw them with the mouse.

    Examples: stylegan drag jon --move 516,183..516,110; stylegan drag jon --move 420,761..395,735 --move
    601,761..626,735; stylegan drag me.jpg --move 510,940..510,910 --hold 510,640 --paste me.jpg
    """
    if not move:
        raise UsageError("say what to drag: --move 516,183..516,110 moves the point at 516,183 to 516,110")

    from stylegan_cli.cli import casting
    from stylegan_cli.cli.console import progress
    from stylegan_cli.cli.photos import pasted
    from stylegan_cli.cli.price import tell_change
    from stylegan_cli.cli.studio import Studio, portrait
    from stylegan_cli.operations import dragging

    moves = [*map(_move, move), *map(_held, hold or [])]
    check_paste(paste, output, [person])
    studio = Studio(generation, output)
    generator = studio.generator
    dragging.check(generator, moves)
    studio.check_results([places.pasted_name(paste) if paste else "drag"])
    canvas = pasted.open_canvas(paste, 1, studio.check_photo) if paste else None
    (before,) = casting.several(studio, [person])
    with progress("dragging", dragging.most_steps(generator, moves), "steps") as advance:
        dragged = dragging.drag(generator, before, moves, advance)
    if canvas:
        pasted.save_pasted(studio, canvas, [before], [dragged.person])
    else:
        studio.save(["drag"], [portrait(dragged.person)])
    for remark in dragging.remarks(generator, moves, dragged):
        tell(remark)
    tell_change(studio, before, dragged.person)


def _move(text: str) -> Move:
    """`516,183..516,110`: from where to where."""
    from stylegan_cli.operations.dragging import Move

    start, _, end = text.partition("..")
    try:
        return Move(_point(start), _point(end))
    except ValueError:
        raise UsageError(f"--move takes X,Y..X,Y, like 516,183..516,110, not {text!r}") from None


def _held(text: str) -> Move:
    """`516,183`: from there to there."""
    from stylegan_cli.operations.dragging import Move

    try:
        return Move(_point(text), _point(text))
    except ValueError:
        raise UsageError(f"--hold takes X,Y, like 516,183, not {text!r}") from None


def _point(text: str) -> tuple[float, float]:
    """Raises ValueError unless it is two numbers with digits before any point: of `1,2...3,4`, nobody knows what it
    means."""
    if text.startswith("."):
        raise ValueError(text)
    x, y = parse_numbers(text, 2)
    return x, y
