"""From what users call people to people, photos included."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, islice

from stylegan_cli.cli.console import is_silent, tell
from stylegan_cli.cli.options import check_unused
from stylegan_cli.cli.studio import Studio
from stylegan_cli.latents import files, references
from stylegan_cli.latents.named import numbered
from stylegan_cli.latents.people import Person

NOBODY = 2.0  # typical distances from the average face: a z in place of a w is at 2.3 in ffhq, and its people below 1.8


def person(studio: Studio, text: str) -> Person:
    """The person a reference means; a person in a photo is first found in the model."""
    if photo := references.photo(text):
        from stylegan_cli.cli.photos import projecting

        return projecting.person(studio, photo)
    return _known(studio, text)


def _known(studio: Studio, text: str) -> Person:
    """The person a reference means that is no photo."""
    found = references.resolve(text, studio.generator, studio.psi, studio.cast)
    _doubt(studio, numbered(text)[0], [found])
    return found


def everybody(studio: Studio, name: str) -> list[Person]:
    """All people in the file `name`."""
    found = references.from_file(references.find(name, studio.cast), studio.generator)
    _doubt(studio, name, found)
    return found


def _doubt(studio: Studio, name: str, people: Sequence[Person]) -> None:
    """Tells the user if latents from the file `name` are where the model knows nobody: of many people, the first."""
    if is_silent() or not name.lower().endswith(files.ENDINGS + files.TORCH):
        return
    for person in people:
        if (drift := studio.ruler.drift(person.ws)) > NOBODY:
            tell(
                f"{person.label} is {drift:.1f} typical distances from the average face, farther than anybody this "
                "model makes. Is it a z? Latents in files are taken as w; for the z of a seed, give the seed."
            )
            return


def check_for_seeds(studio: Studio, texts: Sequence[str], in_z: bool = False) -> None:
    """Checks that there is a seed among these people if truncation or a class is asked for. If they move `in_z`, a
    cutoff and a new centre also tell whether the z of latents is still theirs, and the class where they move; photos
    are searched for in a class."""
    if any(map(references.is_seed, texts)):
        return
    given = {name: value for name, value in studio.truncating.items() if not (in_z and name != "--psi")}
    check_unused("only seeds are truncated, and latents are used unchanged", given)
    if studio.class_index is not None and not in_z and not any(map(references.photo, texts)):
        check_unused("only seeds have a class, and latents are used unchanged", {"--class": studio.class_index})


Prepare = Callable[[list[str]], object]
"""What to do once everybody is known to be there, before minutes are spent on photos; it is given their labels."""


def several(
    studio: Studio, texts: Sequence[str], in_z: bool = False, prepare: Prepare = lambda _labels: None
) -> list[Person]:
    """Several people. Photos come last, and are all looked at first: errors are reported before minutes are spent, as
    are those of `prepare`."""
    check_for_seeds(studio, texts, in_z)
    photos = {text: photo for text in texts if (photo := references.photo(text))}
    found = {text: _known(studio, text) for text in texts if text not in photos}
    if photos:
        from stylegan_cli.cli.photos import projecting

        shots = {text: projecting.prepared(studio, photo) for text, photo in photos.items()}
    prepare([(found.get(text) or photos[text]).label for text in texts])
    for text, photo in photos.items():
        found[text] = projecting.person(studio, photo, shots[text])
    return [found[text] for text in texts]


def groups(
    studio: Studio, lists: Sequence[Sequence[str]], in_z: bool = False, prepare: Prepare = lambda _labels: None
) -> list[list[Person]]:
    """The same for several lists of people, whose labels `prepare` is given in one."""
    everybody = iter(several(studio, [*chain(*lists)], in_z, prepare))
    return [[*islice(everybody, len(texts))] for texts in lists]
