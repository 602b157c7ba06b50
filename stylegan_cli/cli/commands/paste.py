"""`stylegan paste`: faces into a photo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from stylegan_cli.cli import places
from stylegan_cli.cli.console import tell
from stylegan_cli.cli.edits import check_paste
from stylegan_cli.cli.options import Generation, PictureOutput, command, named_photo
from stylegan_cli.latents.photo import Photo

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class PasteOutput(PictureOutput):
    """Output of `paste`: a photo keeps its size."""

    size: Annotated[int | None, typer.Option(hidden=True)] = None  # refused with a reason


@command
def paste(
    generation: Generation,
    output: PasteOutput,
    people: Annotated[list[str], typer.Argument(metavar="PERSON", help="Seeds, latents, pictures, photos or names.")],
    photo: Annotated[
        Photo,
        typer.Argument(
            metavar="PHOTO",
            parser=named_photo,
            is_eager=True,  # who names one thing is told first if it is no photo
            help="The photo comes last: me.jpg, or party.jpg#2 for another face.",
        ),
    ],
    own_skin: Annotated[
        bool,
        typer.Option("--own-skin", help="Somebody else keeps their own skin colour, whatever the light in the photo."),
    ] = False,
) -> None:
    """Put people into a photo: children, mixtures, anybody.

    A person who was found in this photo goes back to their own place. Anybody else, if alone, takes the place of the
    face that the photo names, or of the largest, and most of its skin colour, as if in the same light. If you named the
    photo itself when you edited somebody in it, or gave them others' eyes or hair, only what changed is pasted.

    Examples: stylegan paste mix.png me.jpg; stylegan paste dany party.jpg#2
    """
    from stylegan_cli.cli import casting
    from stylegan_cli.cli.photos import pasted
    from stylegan_cli.cli.studio import Studio
    from stylegan_cli.latents.references import split

    texts = split(*people)
    check_paste(photo, output, texts)
    _tell_of_order(photo, texts)
    studio = Studio(generation, output)
    studio.check_results([places.pasted_name(photo)])
    canvas = pasted.open_canvas(photo, len(texts), studio.check_photo)
    faces = casting.several(studio, texts)
    before = [pasted.as_found(studio, face) for face in faces]
    pasted.save_pasted(studio, canvas, before, faces, own_skin)


def _tell_of_order(photo: Photo, people: Sequence[str]) -> None:
    """Tells users who may have named the photo first that it comes last, before minutes are spent on finding who is in
    it."""
    from stylegan_cli import recipes
    from stylegan_cli.latents import references

    if recipes.has_recipe(photo.path) and (first := next(filter(references.photo, people), None)):
        tell(
            f"{first} goes into {photo.path}, which was made by this tool; if you mean the reverse, name {first} last."
        )
