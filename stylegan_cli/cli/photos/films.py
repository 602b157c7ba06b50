"""From a film to a person, frame by frame, and back: for `edit`, which is given a film instead of a photo."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from stylegan_cli import tuning
from stylegan_cli.cli import places
from stylegan_cli.cli.console import fetch, print_data, progress, tell
from stylegan_cli.cli.filming import rolling, soundtrack
from stylegan_cli.cli.photos import found_before, pasted, projecting
from stylegan_cli.cli.studio import Studio
from stylegan_cli.errors import MALFORMED, UsageError
from stylegan_cli.faces import alignment, clothes, details, detection, pasting, tracking
from stylegan_cli.faces.alignment import Alignment
from stylegan_cli.files import file_digest
from stylegan_cli.latents.named import is_file, namesake, numbered
from stylegan_cli.latents.people import Person
from stylegan_cli.latents.photo import Photo
from stylegan_cli.media.film import check_frame
from stylegan_cli.media.footage import Footage, open_footage
from stylegan_cli.media.render import render, to_tensor
from stylegan_cli.operations import following
from stylegan_cli.operations.editing import Edit, edited
from stylegan_cli.scorers.perceptual import EFFICIENTNET

VERSION = 2  # of following; people that an older version found are looked for again
LONGEST = 3600  # frames: two minutes, which take more than an hour
FACE = 448  # pixels of the faces that are compared
SAME_SHOT = 0.7  # correlation of a face in two frames: 0.94 and more in a shot, of two people below 0.4
MOST_TOLD = 5  # cuts
KEYS, MOST_KEYS = 4, 480  # frames that are looked at closely, per second and in all


@dataclass(frozen=True)
class Film:
    """A film, and which of the faces in it is meant, as in a `photo`."""

    photo: Photo
    footage: Footage


Cast = Mapping[int, Person]
"""Who is seen in which frames, from 0 on: somebody as they are there, and where."""


def open_film(text: str) -> Film:
    """The film that `talk.mp4` or `talk.mp4#2` names. Raises UsageError or StyleganError if it cannot be edited."""
    if not is_file(name := numbered(text)[0]):
        raise UsageError(f"there is no film {name!r}{namesake(Path(name))}")
    photo = Photo.named(text)
    footage = open_footage(photo.path)
    check_frame(*footage.size)
    if footage.length > LONGEST:
        raise UsageError(
            f"{photo.path} has about {footage.length:,} frames, but films are followed for at most {LONGEST:,}; cut "
            "out the part that you want to edit"
        )
    return Film(photo, footage)


def people(studio: Studio, film: Film) -> Cast:
    """Who is seen in a film; found once, and then kept in the cache."""
    studio.generator.demand_squares("finding people in films")
    digest, face = file_digest(film.photo.path), film.photo.face or 1
    kept = found_before.file_for(studio, "films", digest, face, VERSION, FACE, KEYS, asdict(following.Settings()))
    if found := _remembered(studio, film, kept):
        return found
    places.check_folder(kept.parent)
    tell(f"{film.photo.path} is a film: following the face through it takes minutes, but only the first time.")
    fetch([EFFICIENTNET, *detection.DETECTOR])
    found = _followed(studio, film, _trail(film))
    studio.save_latents(kept, list(found.values()))
    return found


def save(
    studio: Studio, film: Film, cast: Cast, edits: Sequence[Edit], path: Path, is_range: bool, is_loop: bool
) -> None:
    """Writes the film with the person edited in it: in a range, the more the later; in a loop, there and back."""
    footage, first, last = film.footage, min(cast), max(cast)
    sound, seconds = footage.path if footage.has_sound else None, footage.length / footage.fps
    track = soundtrack(sound, places.ending(path), seconds, "the film's")
    look = pasted.find_people()
    studio.speed_up(2 * len(cast))
    with rolling(studio, path, footage.fps, footage.length, track) as add:
        for number, frame in enumerate(footage.frames()):
            if not (person := cast.get(number)):
                add(partial(np.asarray, frame), False)
                continue
            way = (number - first) / max(last - first, 1) if is_range else 1.0
            after = edited(studio.generator, person, edits, 1 - abs(1 - 2 * way) if is_loop else way)
            add(_pasting(studio, frame, person, after, look), number == first)
    print_data(path)


def _pasting(
    studio: Studio, frame: Image.Image, person: Person, after: Person, look: pasting.Finder | None
) -> Callable[[], np.ndarray]:
    """A function that puts somebody, as they are `after` an edit, into a frame; they are drawn before."""
    assert person.photo is not None
    cut, *others = map(Alignment.from_plain, (person.photo["alignment"], *person.photo["others"]))
    drawn, face = (render(studio.generator, one.face()) for one in (person, after))
    shown = alignment.crop(frame, cut, details.crop_size(cut.edge, face.width))
    new, kept = details.kept(face, drawn, shown)
    return lambda: np.asarray(pasting.paste(frame, new, cut, shown, look, others, clothes.read, kept))


def _remembered(studio: Studio, film: Film, kept: Path) -> Cast | None:
    """Those who were found before; None if nobody was yet, or if the file is damaged."""
    cast = {}
    try:
        for person in found_before.people_in(studio.generator, kept):
            if person.photo is None:
                return None
            for place in (person.photo["alignment"], *person.photo["others"]):
                Alignment.from_plain(place)
            cast[int(person.photo["frame"])] = replace(person, label=film.photo.label)
    except MALFORMED:
        return None
    return cast or None


def _trail(film: Film) -> tracking.Trail:
    """Where the face is in every frame."""
    footage, path = film.footage, str(film.photo.path)
    with progress("looking for the face", footage.length, "frames") as advance:
        trail = tracking.follow(footage.frames(), film.photo.face, path, footage.fps, advance)
    if unseen := sum(square is None for square in trail.squares):
        tell(f"{path}: in {unseen} of {len(trail.squares)} frames, the face is not seen; they stay as they are.")
    return trail


def _followed(studio: Studio, film: Film, trail: tracking.Trail) -> Cast:
    """Who is in the film, from where their face is."""
    footage, path, device = film.footage, film.photo.path, studio.generator.device
    digest = file_digest(path)

    def cut(square: np.ndarray) -> Alignment:
        return Alignment(tuple(map(tuple, square.tolist())), footage.size, film.photo.face or 1, digest)

    cuts = {frame: cut(square) for frame, square in enumerate(trail.squares) if square is not None}
    seen = list(cuts)
    apart = max(round(footage.fps / KEYS), math.ceil(len(seen) / MOST_KEYS), 1)
    keys = sorted({*range(0, len(seen), apart), len(seen) - 1})
    guesses, faces = list[Tensor](), list[np.ndarray]()
    before, strange = None, list[int]()  # what the face looked like; frames in which it looks unlike that
    with progress("looking at the face", len(seen), "frames") as advance:
        for place, face in enumerate(_faces(footage, cuts)):
            guess = studio.guess(to_tensor(face).to(device))
            guesses.append(studio.generator.centre(None)[None] if guess is None else guess)
            if place in keys:
                faces.append(np.array(face))
            if before and not alignment.is_alike(before, face, SAME_SHOT):
                strange.append(seen[place])
            before = alignment.look(face)
            advance()
    _tell_of_cuts(film, strange)
    settings = following.Settings()
    with progress("following", sum(settings.steps(len(keys))), "steps") as advance:
        told = projecting.telling(advance)
        track = following.follow(studio.generator, torch.cat(guesses), keys, faces, settings, told)
    tuned = tuning.whole(track.tuning, studio.generator.num_ws)
    cast = {}
    for frame, ws in zip(seen, track.ws, strict=True):
        others = [cut(square).to_plain() for square in trail.others[frame]]
        about = {"file": path.name, "frame": frame, "alignment": cuts[frame].to_plain(), "others": others}
        cast[frame] = Person(film.photo.label, ws, tuned=tuned, photo=about)
    return cast


def _tell_of_cuts(film: Film, frames: Sequence[int]) -> None:
    """Tells the user, before minutes are spent, where the film may go on with somebody else in the same place."""
    if not frames:
        return
    times = [f"{frame / film.footage.fps:.1f}" for frame in frames[:MOST_TOLD]]
    more = ", ..." if len(frames) > MOST_TOLD else ""
    tell(
        f"{film.photo.path}: after {', '.join(times)}{more} s, the face looks quite different. Is it somebody else, "
        "after a cut? Then split the film there: it is followed as one person's."
    )


def _faces(footage: Footage, cuts: Mapping[int, Alignment]) -> Iterator[Image.Image]:
    for number, frame in enumerate(footage.frames()):
        if cut := cuts.get(number):
            yield alignment.crop(frame, cut, FACE)
