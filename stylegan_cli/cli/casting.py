"""From what users call people to people, photos included."""

from __future__ import annotations

from collections.abc import Sequence

from stylegan_cli.cli.studio import Studio
from stylegan_cli.latents import references
from stylegan_cli.latents.people import Person


def one(studio: Studio, text: str) -> Person:
    """The person a reference means; a person in a photo is first found in the model."""
    if photo := references.photo(text):
        from stylegan_cli.cli import darkroom

        return darkroom.person(studio, photo)
    return references.resolve(text, studio.generator, studio.psi, studio.cast)


def several(studio: Studio, texts: Sequence[str]) -> list[Person]:
    """Several people. Photos come last: errors in the others are reported before minutes are spent."""
    others = {text: one(studio, text) for text in texts if not references.photo(text)}
    return [others.get(text) or one(studio, text) for text in texts]


def listed(studio: Studio, text: str) -> list[Person]:
    """Everybody in a comma-separated list."""
    return several(studio, references.split(text))
