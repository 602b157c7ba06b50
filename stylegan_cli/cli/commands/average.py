"""`stylegan average`: the face between many."""

from __future__ import annotations

from typing import Annotated

import typer

from stylegan_cli.cli.options import OUTPUT, Generation, PictureOutput, command
from stylegan_cli.errors import UsageError


@command
def average(
    generation: Generation,
    output: PictureOutput,
    people: Annotated[list[str], typer.Argument(metavar="PERSON", help="Seeds, latents, pictures, photos or names.")],
    grid: Annotated[
        bool, typer.Option("--grid", help="One sheet: everybody, and their average.", rich_help_panel=OUTPUT)
    ] = False,
) -> None:
    """Draw the average of people: of friends, of a family, or of several photos of the same person.

    Every layer is the mean of theirs. The more people, the closer to the model's average face. With --grid, a sheet
    shows them all and the average below them.

    Examples: stylegan average jon dany arya; stylegan average me.jpg you.jpg --grid; stylegan average 'friends.npz#0-4'
    """
    from stylegan_cli.cli import casting
    from stylegan_cli.cli.studio import Studio, portrait
    from stylegan_cli.latents.references import split
    from stylegan_cli.operations import blending

    texts = split(*people)
    if len(texts) < 2:
        raise UsageError(
            f"an average is of several people; name more than {texts[0]}, like jon dany or friends.npz#0-4"
        )
    studio = Studio(generation, output)
    studio.check_results(["average"])
    everybody = casting.several(studio, texts)
    between = blending.average(everybody)
    if grid:
        studio.save_sheet("average", blending.gathering(everybody, between), [between])
    else:
        studio.save(["average"], [portrait(between)])
