"""From a film to a person, frame by frame, and back: for `edit`, which is given a film instead of a photo."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from stylegan_cli import tuning
from stylegan_cli.cli import darkroom, montage, places
from stylegan_cli.cli.console import fetch, print_data, progress, tell
from stylegan_cli.cli.studio import Studio
from stylegan_cli.errors import MALFORMED, StyleganError, UsageError
from stylegan_cli.faces import alignment, clothes, detection, pasting, tracking
from stylegan_cli.faces.alignment import Alignment
from stylegan_cli.files import file_digest
from stylegan_cli.folders import cache_folder
from stylegan_cli.latents import references
from stylegan_cli.latents.named import Photo, is_file, namesake, numbered
from stylegan_cli.latents.people import Person
from stylegan_cli.media.audio import SOUNDED, Soundtrack
from stylegan_cli.media.film import check_frame, filming
from stylegan_cli.media.footage import Footage, open_footage
from stylegan_cli.media.render import render, to_tensor
from stylegan_cli.operations import following
from stylegan_cli.operations.editing import Edit, edited
from stylegan_cli.scorers.perceptual import EFFICIENTNET

VERSION = 1  # of following; people that an older version found are looked for again
LONGEST = 3600  # frames: two minutes, which take more than an hour
FACE = 448  # pixels of the faces that are compared
KEYS = 4  # frames per second that are looked at closely


@dataclass(frozen=True)
class Reel:
    """A film, and which of the faces in it is meant, as in a `photo`."""

    photo: Photo
    footage: Footage


Cast = Mapping[int, Person]
"""Who is seen in which frames, from 0 on: somebody as they are there, and where."""


def open_reel(text: str) -> Reel:
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
    return Reel(photo, footage)


def people(studio: Studio, reel: Reel) -> Cast:
    """Who is seen in a film; found once, and then kept in the cache."""
    studio.generator.demand_squares("finding people in films")
    kept = _place(studio, reel)
    if found := _remembered(studio, reel, kept):
        return found
    places.check_folder(kept.parent)
    tell(f"{reel.photo.path} is a film: following the face through it takes minutes, but only the first time.")
    fetch([EFFICIENTNET, *detection.DETECTOR])
    squares = _squares(reel)
    found = _followed(studio, reel, squares)
    studio.save_latents(kept, list(found.values()))
    return found


def save(studio: Studio, reel: Reel, cast: Cast, edits: Sequence[Edit], path: Path, is_loop: bool) -> None:
    """Writes the film with the person edited in it: in a range, the more the later; in a loop, there and back."""
    footage, ending = reel.footage, places.ending(path)
    sound = Soundtrack(footage.path, footage.length / footage.fps) if footage.has_sound and ending in SOUNDED else None
    if footage.has_sound and not sound:
        tell(f"A {ending} has no sound, so the film's is left out.")
    first, last = min(cast), max(cast)
    look = montage.find_people()
    studio.speed_up(2 * len(cast))
    with (
        progress("filming", footage.length, "frames") as advance,
        filming(path, footage.fps, ending, json.dumps(studio.circumstances()), sound) as add,
        studio.background() as turns,
    ):

        def use(frame: Image.Image) -> None:
            add(np.asarray(frame))
            advance()

        for number, frame in enumerate(footage.frames()):
            if not (person := cast.get(number)):
                turns.submit(partial(_same, frame), use)
                continue
            way = (number - first) / max(last - first, 1)
            after = edited(studio.generator, person, edits, 1 - abs(1 - 2 * way) if is_loop else way)
            drawn, face = (render(studio.generator, one.face()) for one in (person, after))
            turns.submit(partial(_pasted, frame, person, drawn, face, look), use)
    print_data(path)


def _same(frame: Image.Image) -> Image.Image:
    return frame


def _pasted(
    frame: Image.Image, person: Person, drawn: Image.Image, face: Image.Image, look: pasting.Finder | None
) -> Image.Image:
    """A frame with somebody's edited `face`; `drawn` is how they look without the edit."""
    assert person.photo is not None
    cut = Alignment.from_plain(person.photo["alignment"])
    shown = alignment.crop(frame, cut, face.width)
    return pasting.paste(frame, pasting.with_details(face, drawn, shown), cut, shown, look, clothes=clothes.read)


def _place(studio: Studio, reel: Reel) -> Path:
    """Where the people of a film are kept."""
    generator, settings = studio.generator, asdict(following.Settings())
    key = [
        *(VERSION, file_digest(reel.photo.path), reel.photo.face or 1, FACE, KEYS, settings),
        *(studio.precision, generator.origin.sha256, generator.chosen_class, studio.encoder_digest),
    ]
    name = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]
    return cache_folder() / "films" / f"{name}.npz"


def _remembered(studio: Studio, reel: Reel, kept: Path) -> Cast | None:
    """Those who were found before; None if nobody was yet, or if the file is damaged."""
    try:
        everybody = references.from_file(kept, studio.generator)
        everybody = [replace(person, label=reel.photo.label) for person in everybody]
        return {int(person.photo["frame"]): person for person in everybody if person.photo is not None}
    except (StyleganError, *MALFORMED):
        return None


def _squares(reel: Reel) -> tracking.Squares:
    """Where the face is in every frame."""
    footage, path = reel.footage, str(reel.photo.path)
    with progress("looking for the face", footage.length, "frames") as advance:
        squares = tracking.follow(footage.frames(), reel.photo.face, path, footage.fps, advance)
    if unseen := sum(square is None for square in squares):
        tell(f"{path}: in {unseen} of {len(squares)} frames, the face is not seen; they stay as they are.")
    return squares


def _followed(studio: Studio, reel: Reel, squares: tracking.Squares) -> Cast:
    """Who is in the film, from where their face is."""
    footage, path, device = reel.footage, reel.photo.path, studio.generator.device
    digest, number = file_digest(path), reel.photo.face or 1
    cuts = {
        frame: Alignment(tuple(map(tuple, square.tolist())), footage.size, number, digest)
        for frame, square in enumerate(squares)
        if square is not None
    }
    seen = list(cuts)
    keys = sorted({*range(0, len(seen), max(round(footage.fps / KEYS), 1)), len(seen) - 1})
    guesses, faces = list[Tensor](), list[np.ndarray]()
    with progress("looking at the face", len(seen), "frames") as advance:
        for place, face in enumerate(_faces(footage, cuts)):
            guesses.append(_guess(studio, to_tensor(face).to(device)))
            if place in keys:
                faces.append(np.array(face))
            advance()
    settings = following.Settings()
    with progress("following", sum(settings.steps(len(keys))), "steps") as advance:
        told = darkroom.telling(advance)
        track = following.follow(studio.generator, torch.cat(guesses), keys, faces, settings, told)
    tuned = tuning.whole(track.tuning, studio.generator.num_ws)
    return {
        frame: Person(reel.photo.label, ws, tuned=tuned, photo=_about(path, frame, cuts[frame]))
        for frame, ws in zip(seen, track.ws, strict=True)
    }


def _about(path: Path, frame: int, cut: Alignment) -> dict[str, Any]:
    return {"file": path.name, "frame": frame, "alignment": cut.to_plain()}


def _faces(footage: Footage, cuts: Mapping[int, Alignment]) -> Iterator[Image.Image]:
    for number, frame in enumerate(footage.frames()):
        if cut := cuts.get(number):
            yield alignment.crop(frame, cut, FACE)


@torch.no_grad()
def _guess(studio: Studio, face: Tensor) -> Tensor:
    """The encoder's guess, `[1, w_dim]` or `[1, num_ws, w_dim]`; the average face, if there is no encoder."""
    if studio.guesser is None:
        return studio.generator.w_avg[None]
    return studio.guesser.guess(face, studio.generator)
