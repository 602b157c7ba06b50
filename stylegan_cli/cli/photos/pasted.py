"""From people back to a photo: finds their places in it, and puts faces there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from PIL import Image

from stylegan_cli.cli import places
from stylegan_cli.cli.console import fetch, progress, tell
from stylegan_cli.cli.filming import frame_names, tell_of_older
from stylegan_cli.cli.photos import projecting, spotting
from stylegan_cli.cli.studio import Studio, portrait
from stylegan_cli.errors import MALFORMED, StyleganError, UsageError
from stylegan_cli.faces import alignment, clothes, details, pasting
from stylegan_cli.faces.alignment import Alignment
from stylegan_cli.faces.colours import lighting
from stylegan_cli.faces.detection import Detection
from stylegan_cli.files import file_digest
from stylegan_cli.latents.people import Person
from stylegan_cli.latents.photo import Photo
from stylegan_cli.media import photos
from stylegan_cli.media.decoding import Original
from stylegan_cli.media.render import render
from stylegan_cli.operations.editing import Edit, edited
from stylegan_cli.operations.ways import Walk
from stylegan_cli.scorers import mesh, runtime, silhouette

SMALL = 64  # pixels of a face that is only compared


@dataclass(frozen=True, eq=False)
class Canvas:
    """A photo that people are put into, with its EXIF data and the faces `found` in it. An only person (`is_only`) may
    take the place of the face that the photo names, or of the largest."""

    photo: Photo
    original: Original
    exif: bytes
    found: Sequence[Detection]
    is_only: bool


@dataclass(frozen=True, eq=False)
class _Spot:
    """A place in a photo, and the face there before an edit (`reference`): if its details are kept, as the photo shows
    it, and also as it is `drawn`; else only as drawn. For somebody else the curves that bring them into its `light`."""

    cut: Alignment
    reference: Image.Image | None = None
    drawn: Image.Image | None = None
    light: list[int] | None = None

    def fitted(self, face: Image.Image) -> tuple[Image.Image, np.ndarray | None]:
        """A face as it fits there, and where it has the photo's details."""
        if self.reference and self.drawn:
            return details.kept(face, self.drawn, self.reference)
        return face.point(self.light) if self.light else face, None


def open_canvas(photo: Photo, people: int, check_size: Callable[[int, int], None]) -> Canvas:
    """Reads a photo for so many people, and checks its width and height, and that the face that it names is there:
    people are found later, which may take minutes."""
    original, exif = photos.read_for_pasting(photo.path)
    check_size(*original.image.size)
    found = spotting.faces_on(original.in_srgb())
    if photo.face or not found:
        spotting.place_of_face(found, original.image, photo)  # raises an error if it is not there
    return Canvas(photo, original, exif, found, is_only=people == 1)


def save_edited(
    studio: Studio,
    people: Sequence[Person],
    edits: Sequence[Sequence[Edit]],
    names: Sequence[str],
    canvas: Canvas | None,
) -> None:
    """Writes people as they are after their edits, under these names; or a photo with them in it."""
    after = map(partial(edited, studio.generator), people, edits)
    if canvas:
        save_pasted(studio, canvas, people, list(after))
    else:
        studio.save(names, map(portrait, after), "edited")


def save_pasted(
    studio: Studio, canvas: Canvas, before: Sequence[Person], after: Sequence[Person], own_skin: bool = False
) -> None:
    """Writes the photo with people as they are `after` an edit, where they were `before`. Who takes somebody else's
    place keeps their `own_skin`, or takes most of that one's skin colour."""
    _save(studio, canvas, before, [places.pasted_name(canvas.photo)], [after], own_skin)


def as_found(studio: Studio, person: Person) -> Person:
    """The person before an edit, as they were found in a photo, if they are still in the cache. If not, the person
    unchanged, who is then pasted as somebody else, and the user is told."""
    found = _found_at(person)
    if not _is_edited(person) or found is None:
        return person
    before = projecting.remembered_as(studio, found.photo, found.face)
    # Other searches find others in the same photo, with other tunings.
    if before and _tunings(before) == _tunings(person):
        return before
    tell(
        f"Who {person.label} was before an edit is not known, so they are pasted as somebody else; stylegan edit "
        "--paste only pastes what it changes."
    )
    return person


def save_frames(studio: Studio, canvas: Canvas, person: Person, film: Walk) -> None:
    """Writes the photo as pictures, one for each frame of a film of a person who is edited in it."""
    names = frame_names(film)
    frames = ([person.moved(picture.ws, name)] for name, picture in zip(names, film, strict=True))
    _save(studio, canvas, [person], names, frames)
    tell_of_older(studio, names)


def finish_frames(studio: Studio, canvas: Canvas, person: Person) -> Callable[[Image.Image], Image.Image]:
    """A function that puts a person's edited face into the photo, in sRGB as films are."""
    return pasting_into(studio, replace(canvas, original=Original(canvas.original.in_srgb())), [person])


def _save(
    studio: Studio,
    canvas: Canvas,
    before: Sequence[Person],
    names: Sequence[str],
    frames: Iterable[Sequence[Person]],
    own_skin: bool = False,
) -> None:
    """Writes the photo under each name, with people as they are in that frame, where they were `before`."""
    paste = pasting_into(studio, canvas, before, own_skin)
    paths = studio.paths(names, "film")
    with progress("pasting", len(names), "frames") as advance:
        for path, people in zip(paths, frames, strict=True):
            image = paste(*(render(studio.generator, person.face()) for person in people))
            studio.write(path, image, people=people, photo=canvas.original, exif=canvas.exif)
            advance()


def pasting_into(
    studio: Studio, canvas: Canvas, before: Sequence[Person], own_skin: bool = False
) -> Callable[..., Image.Image]:
    """A function that puts edited faces, one for each person `before`, into the photo where these were found. Who takes
    somebody else's place also takes that one's skin colour, or keeps their `own_skin`."""
    photo, original, empty = canvas.photo, canvas.original, canvas.original.image
    cuts = [_place_of(person, canvas) for person in before]
    faces_there = [alignment.alignment(face, empty.size) for face in canvas.found]
    if len({cut.quad for cut in cuts}) < len(cuts):
        raise UsageError(f"two of these people are the same face in {photo.path}; name each person once")
    look = find_people()
    spots = []
    for cut, person in zip(cuts, before, strict=True):
        unedited = original.matched(render(studio.generator, person.face()))
        shown = alignment.crop(empty, cut, details.crop_size(cut.edge, unedited.width))
        if _is_seen_at(cut, person, canvas):
            _tell_of_likeness(person, photo)
            spots.append(_Spot(cut, shown, unedited) if _is_close(person) else _Spot(cut, unedited))
        else:  # what an edit does to skin is no light, so that comes from the face before it
            spots.append(_Spot(cut, light=None if own_skin else lighting(unedited, shown)))
    if own_skin and all(spot.reference for spot in spots):
        tell("--own-skin changes nothing: it is for people who take somebody else's place.")

    def paste(*faces: Image.Image) -> Image.Image:
        image = empty
        for face, spot in zip(faces, spots, strict=True):
            others = [other for other in (*faces_there, *cuts) if not other.is_near(spot.cut)]
            new, kept = spot.fitted(original.matched(face))
            image = pasting.paste(image, new, spot.cut, spot.reference, look, others, clothes.read, kept)
        return image

    return paste


def _place_of(person: Person, canvas: Canvas) -> Alignment:
    """A person's place in a photo."""
    photo, found, image, path = canvas.photo, canvas.found, canvas.original.image, canvas.photo.path
    cut = None if canvas.is_only and photo.face else _found_at(person)
    if cut and cut.photo == file_digest(path):
        return cut
    # Perhaps the same photo, saved again.
    again = alignment.same_place(found, cut, file_digest(path)) if cut and cut.size == image.size else None
    if again and _looks_alike(person, canvas, again):
        return again
    if not canvas.is_only:
        raise UsageError(
            f"{person.label} was not found in {path}; to replace faces of others, paste one person after the other: "
            f"one with stylegan paste PERSON {path}#1 -o a.png, the next with stylegan paste PERSON a.png#2 "
            "(stylegan align a.png --overview numbers its faces)"
        )
    cut = spotting.place_of_face(found, image, photo)
    if not photo.face:
        others = f"; {path}#2 is the next" if len(found) > 1 else ""
        tell(f"{person.label} was not found in {path}, so the largest face there is replaced{others}.")
    return cut


def _is_seen_at(cut: Alignment, person: Person, canvas: Canvas) -> bool:
    """Whether the face there is this person, as they are."""
    found = _found_at(person)
    if found is None or not found.is_near(cut) or _is_edited(person):
        return False
    return found.photo == cut.photo or _looks_alike(person, canvas, cut)


def _tunings(person: Person) -> list[str]:
    return [term.tuning.digest for term in person.tuned]


def _is_edited(person: Person) -> bool:
    return bool(person.photo and person.photo.get("edited"))


def _looks_alike(person: Person, canvas: Canvas, cut: Alignment) -> bool:
    """Whether the face there is the one in which a person was found, in a photo that was saved again: not if it only is
    at the same place, as on the next photo from a tripod. (Older files do not tell what it looked like.)"""
    if not (known := person.photo and person.photo.get("look")):
        return True
    try:
        return alignment.is_alike(known, alignment.crop(canvas.original.in_srgb(), cut, SMALL))
    except MALFORMED:
        raise _damaged(person) from None


def _is_close(person: Person) -> bool:
    """Whether a person is known to look like the one in their photo, whose details would otherwise not fit them."""
    return person.photo is not None and person.photo.get("likeness") in projecting.CLOSE


def _tell_of_likeness(person: Person, photo: Photo) -> None:
    """Warns of people who are no close likeness: an edit cannot make them a closer one, but tuning can."""
    if person.photo and person.photo.get("likeness") in projecting.UNLIKE:
        closer = "" if person.tuned else f"; give {photo.path} itself as the person, which finds a closer one"
        tell(
            f"{person.label} is no close likeness of the face in {photo.path}, so the result may look like somebody "
            f"else, whatever is edited{closer}."
        )


def _found_at(person: Person) -> Alignment | None:
    """Where a person was found in a photo, if they were."""
    if person.photo is None or person.photo.get("alignment") is None:
        return None
    try:
        return Alignment.from_plain(person.photo["alignment"])
    except MALFORMED:
        raise _damaged(person) from None


def _damaged(person: Person) -> StyleganError:
    return StyleganError(f"the place in a photo that {person.label}'s file records is damaged; use --paste PHOTO#1")


def find_people() -> pasting.Finder | None:
    """What separates people from the background; None if it is not available: faces can be pasted without."""
    try:
        runtime.demand()
        fetch([silhouette.SILHOUETTE, mesh.MESH])  # the edit's cost needs the mesh, which is in the same wheel
    except StyleganError as error:
        tell(f"The background may change with the face: {error}.")
        return None
    return silhouette.read
