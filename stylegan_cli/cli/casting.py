"""From what users call people to people, photos included."""

from __future__ import annotations

from collections.abc import Sequence

from stylegan_cli.cli.console import tell
from stylegan_cli.cli.studio import Studio
from stylegan_cli.latents import files, references
from stylegan_cli.latents.named import numbered
from stylegan_cli.latents.people import Person

NOBODY = 2.0  # typical distances from the average face: a z in place of a w is at 2.3 in ffhq, and its people below 1.8


def one(studio: Studio, text: str) -> Person:
    """The person a reference means; a person in a photo is first found in the model."""
    if photo := references.photo(text):
        from stylegan_cli.cli import darkroom

        return darkroom.person(studio, photo)
    person = references.resolve(text, studio.generator, studio.psi, studio.cast)
    if numbered(text)[0].lower().endswith(files.ENDINGS + files.TORCH) and not studio.output.quiet:
        _doubt(studio, person)
    return person


def _doubt(studio: Studio, person: Person) -> None:
    """Tells the user if latents from a file are where the model knows nobody."""
    if (drift := studio.ruler.drift(person.ws)) > NOBODY:
        tell(
            f"{person.label} is {drift:.1f} typical distances from the average face, farther than anybody this model "
            "makes. Is it a z? Latents in files are taken as w; for the z of a seed, give the seed."
        )


def several(studio: Studio, texts: Sequence[str]) -> list[Person]:
    """Several people. Photos come last: errors in the others are reported before minutes are spent."""
    others = {text: one(studio, text) for text in texts if not references.photo(text)}
    return [others.get(text) or one(studio, text) for text in texts]


def listed(studio: Studio, text: str) -> list[Person]:
    """Everybody in a comma-separated list."""
    return several(studio, references.split(text))
