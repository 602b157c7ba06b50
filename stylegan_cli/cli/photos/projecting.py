"""From a photo to a person: for `project`, and for every command that is given a photo."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from stylegan_cli import tuning
from stylegan_cli.cli import places, stopping
from stylegan_cli.cli.console import Advance, fetch, progress, tell
from stylegan_cli.cli.photos import found_before, spotting
from stylegan_cli.cli.studio import Studio
from stylegan_cli.errors import UsageError
from stylegan_cli.faces import alignment, detection
from stylegan_cli.faces.alignment import Alignment
from stylegan_cli.files import file_digest
from stylegan_cli.generator import Generator
from stylegan_cli.latents.people import Person
from stylegan_cli.latents.photo import Photo
from stylegan_cli.media import photos
from stylegan_cli.media.render import to_pixels, to_tensor
from stylegan_cli.noise import Noise
from stylegan_cli.operations import pivotal, projection
from stylegan_cli.scorers.perceptual import EFFICIENTNET

# Perceptual distances to a photo, and words for what is below them. Two random faces are about 7 apart; the encoder's
# guess comes to 2.6 for the model's own faces, and was 5.6 from a photo for which a search came to 2 and tuning to 0.8.
LIKENESS = {1.0: "very close", 2.5: "close", 5.0: "similar"}
POOR = "poor"
CLOSE, UNLIKE = ("very close", "close"), ("similar", POOR)
VERSION = 3  # of the search and of tuning; people that an older version found are searched for again
OnImage = Callable[[Tensor], None] | None
# Added to the error if no face is found: many models do not draw faces.
ALIGNED = ", or use stylegan project --aligned if it is cropped like the model's own pictures, whatever they show"


@dataclass(frozen=True)
class Shot:
    """A photo and the face in it, cropped as the generator draws faces; `alignment` is None if it was already cropped
    and its place is unknown."""

    photo: Photo
    face: Image.Image
    alignment: Alignment | None

    def about(self) -> dict[str, Any]:
        """What latents record about their photo."""
        cut = self.alignment.to_plain() if self.alignment else None
        return {"file": self.photo.path.name, "alignment": cut, "look": alignment.look(self.face)}


@dataclass(frozen=True)
class Wanted:
    """How a photo is to be projected: the search can `start` from somebody's ws `[num_ws, w_dim]`."""

    space: str = "w+"
    steps: int = 100
    tune: bool = True
    seed: int = 0
    tune_steps: int = pivotal.Settings.steps
    start: Tensor | None = None


@dataclass(frozen=True)
class Found:
    """A person found, and how close their picture comes to the photo."""

    person: Person
    report: Mapping[str, float]


def shoot(photo: Photo, generator: Generator, is_aligned: bool) -> Shot:
    """The face that a photo names, or its largest, as large as the generator's pictures. What `align` cut is used as it
    is."""
    generator.demand_squares("finding people in photos")
    size, _ = generator.size
    image = photos.read(photo.path)
    cut = alignment.read(photo.path)
    if cut is None and not is_aligned:
        found = spotting.faces_on(image)
        cut = spotting.place_of_face(found, image, photo, ALIGNED)
        spotting.tell_of(photo, found, cut)
        return Shot(photo, alignment.crop(image, cut, size), cut)
    if photo.face not in (None, 1):
        raise UsageError(
            f"{photo.path} is already cropped like the model's pictures, and shows one face; leave out #{photo.face}"
        )
    return Shot(photo, ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS), cut)


def likeness(distance: float) -> str:
    """How close a picture comes to a photo, in a word."""
    return next((word for limit, word in LIKENESS.items() if distance < limit), POOR)


def find(
    studio: Studio,
    shot: Shot,
    wanted: Wanted,
    on_image: OnImage = None,
    keep: Callable[[Person], None] = lambda _person: None,
) -> Found:
    """Finds the person in a photo in the studio's model. Before tuning, the projected person is given to `keep`, so
    that they are not lost if tuning is stopped.

    Results of a search with the usual settings are kept in the cache, before and after tuning; a tuning with others is
    not. A search that is kept is not repeated, unless its pictures are wanted (`on_image`)."""
    kept = _place(studio, *_named(shot.photo)) if _is_usual(shot, wanted) else None
    is_usually_tuned = wanted.tune and wanted.tune_steps == Wanted.tune_steps
    someone, taken = (None if on_image else _found_before(studio, kept)), {}
    if someone is None:
        _check_place(kept)
        someone, steps = _projected(studio, shot, wanted, on_image)
        taken = {"steps": float(steps)}
    else:
        someone = someone if is_usually_tuned else replace(someone, tuned=())
        _tell_of_earlier(shot, is_tuning=wanted.tune and not someone.tuned)
    if wanted.tune and not someone.tuned:
        keep(someone)
        _keep(studio, kept, someone)
        someone = _tuned(studio, shot, someone, wanted, on_image)
    found = _compared(studio, shot, replace(someone, label=shot.photo.label))
    if is_usually_tuned or not wanted.tune:
        _keep(studio, kept, found.person)
    return replace(found, report={**taken, **found.report})


def person(studio: Studio, photo: Photo, shot: Shot | None = None) -> Person:
    """The person in a photo, with the best likeness possible; found once, and then kept in the cache. `shot` is what
    `prepared` made of the photo."""
    if someone := remembered(studio, photo):
        return someone
    kept = _place(studio, *_named(photo))
    shot = shot or shoot(photo, studio.generator, False)
    if _remembered(studio, _halfway(kept)) is None:
        _check_place(kept)
        _tell_of_search(studio, photo)
    return find(studio, shot, Wanted()).person


def remembered(studio: Studio, photo: Photo) -> Person | None:
    """The person in a photo if they were found before, or None."""
    someone = remembered_as(studio, *_named(photo))
    return someone and replace(someone, label=photo.label)


def remembered_as(studio: Studio, digest: str, face: int) -> Person | None:
    """The same for a photo of which only the SHA-256 is known."""
    return _remembered(studio, _place(studio, digest, face))


def prepared(studio: Studio, photo: Photo) -> Shot | None:
    """The face to look for, None if it was found before. Raises StyleganError if the photo does not show it."""
    return None if remembered(studio, photo) else shoot(photo, studio.generator, False)


def _is_usual(shot: Shot, wanted: Wanted) -> bool:
    """Whether a face is looked for as every command that is given a photo does it, apart from tuning."""
    return shot.alignment is not None and replace(wanted, tune=True, tune_steps=Wanted.tune_steps) == Wanted()


def _named(photo: Photo) -> tuple[str, int]:
    """The SHA-256 of a photo, and the number of the face."""
    return file_digest(photo.path), photo.face or 1


def _place(studio: Studio, digest: str, face: int) -> Path:
    """Where the person in a photo is kept."""
    # Of what is usual, the steps of tuning are among pivotal's settings.
    search = {name: value for name, value in asdict(Wanted()).items() if name not in ("tune_steps", "start")}
    return found_before.file_for(studio, "photos", digest, face, VERSION, search, asdict(pivotal.Settings()))


def _halfway(kept: Path) -> Path:
    """Where a person is kept who was found, but not tuned yet."""
    return kept.with_stem(f"{kept.stem}-projected")


def _check_place(kept: Path | None) -> None:
    """Checks that somebody can be kept there, before minutes are spent on them."""
    if kept:
        places.check_folder(kept.parent)


def _keep(studio: Studio, kept: Path | None, someone: Person) -> None:
    """Keeps a person for the commands to come, if there is a place for them; one who was not tuned only until that is
    done."""
    if kept is None:
        return
    if someone.tuned:
        studio.save_latents(kept, [someone])
        _halfway(kept).unlink(missing_ok=True)
    elif _remembered(studio, kept) is None:
        studio.save_latents(_halfway(kept), [someone])


def _found_before(studio: Studio, kept: Path | None) -> Person | None:
    """Whom the same search found, tuned if any command did that, too."""
    if kept is None:
        return None
    return _remembered(studio, kept) or _remembered(studio, _halfway(kept))


def _remembered(studio: Studio, kept: Path) -> Person | None:
    """The person found before; None if there is none yet, or if the file is damaged."""
    everybody = found_before.people_in(studio.generator, kept)
    return everybody[0] if len(everybody) == 1 else None


def _compared(studio: Studio, shot: Shot, someone: Person) -> Found:
    """A person, and how close their picture comes to the photo."""
    with torch.inference_mode():
        ws = someone.ws[None].to(studio.generator.device)
        image = tuning.synthesize(studio.generator, ws, Noise(), someone.tuned)
    report = projection.report(image, _tensor(studio, shot))
    close = {"likeness": likeness(report["distance"])}
    if shot.alignment:
        report |= _landmarks(shot.face, Image.fromarray(to_pixels(image)[0]))
    return Found(replace(someone, photo=shot.about() | close), report)


def _tell_of_earlier(shot: Shot, is_tuning: bool) -> None:
    rest = "; tuning the model to it can take minutes" if is_tuning else ""
    tell(f"{shot.photo.path} was projected before{rest}.")


def _tell_of_search(studio: Studio, photo: Photo) -> None:
    """Tells the user that a search begins, and what is quicker: to edit the photo that others were pasted into, or to
    take an encoder's guess, if there is one for the model, as a draft."""
    if photos.is_pasted(photo.path):
        tell(
            f"This tool pasted faces into {photo.path}: to edit them further, edit the original photo, with all "
            "amounts at once, which is better and quicker."
        )
    which, number = (f"face {photo.face}", f"#{photo.face}") if photo.face else ("this face", "")
    model = studio.generator.origin.name
    tell(f"{photo.path} is a photo: finding {which} in {model} can take minutes, but only the first time.")
    if studio.encoder:
        tell(f"For a quick draft, use the latents that stylegan project {photo.path}{number} --steps 0 writes.")


def _landmarks(photo: Image.Image, drawn: Image.Image) -> dict[str, float]:
    """The mean distance between the eyes, noses and mouths of two faces, in units of the distance between the eyes;
    empty if either is not a face."""
    both = [detection.detect(picture) for picture in (photo, drawn)]
    if not all(both):
        return {}
    (there, *_), (here, *_) = both
    apart = np.hypot(*(there.points - here.points).T).mean()
    return {"landmarks": float(apart / alignment.eyes_apart(there))}


def _projected(studio: Studio, shot: Shot, wanted: Wanted, on_image: OnImage = None) -> tuple[Person, int]:
    """The model's person who looks most like the one in the photo, and the number of steps that it took."""
    photo = _tensor(studio, shot)
    start = studio.guess(photo) if wanted.start is None else wanted.start[None].to(photo.device)
    if start is None and not wanted.steps:
        tell("There is no encoder for this model: the first guess is the average face or one of a few others.")
    fetch([EFFICIENTNET, *(detection.DETECTOR if shot.alignment else ())])
    with progress("projecting", wanted.steps, "steps") as advance:
        settings = projection.Settings(wanted.steps, wanted.space, wanted.seed)
        told = telling(advance, on_image)
        projected = projection.project(studio.generator, photo, start, settings, told)
    return Person(shot.photo.label, projected.ws, photo=shot.about()), projected.steps


def _tuned(studio: Studio, shot: Shot, person: Person, wanted: Wanted, on_image: OnImage = None) -> Person:
    """The same person, with a model that was changed a little for this photo."""
    settings = pivotal.Settings(steps=wanted.tune_steps, seed=wanted.seed)
    with progress("tuning", settings.steps, "steps") as advance:
        told = telling(advance, on_image)
        fitted = pivotal.tune(studio.generator, _tensor(studio, shot), person.ws, settings, told)
    return replace(person, tuned=tuning.whole(fitted, studio.generator.num_ws))


def telling(advance: Advance, on_image: OnImage = None) -> Callable[[projection.Step], None]:
    """The function to call after each step."""

    def on_step(step: projection.Step) -> None:
        stopping.check()
        advance(step.done, f"(distance {step.distance:.2f})")
        if on_image:
            on_image(step.image)

    return on_step


def _tensor(studio: Studio, shot: Shot) -> Tensor:
    """The photo `[1, 3, h, w]` as a generator draws."""
    return to_tensor(shot.face).to(studio.generator.device)
