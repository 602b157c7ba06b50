"""`stylegan project`: a photo's latents."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from stylegan_cli.cli import places
from stylegan_cli.cli.boundary import each_photo
from stylegan_cli.cli.console import print_data, tell
from stylegan_cli.cli.options import OfClass, Output, Seed, check_word, command, optional, out_option
from stylegan_cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from stylegan_cli.cli.photos.projecting import Found, Shot, Wanted
    from stylegan_cli.cli.studio import Studio
    from stylegan_cli.latents.people import Person
    from stylegan_cli.latents.photo import Photo

FILM_SIZE, FILM_RATE = 512, 15
BESIDE = ("-projected.png", "-compare.png")  # how the names of the pictures end


@dataclass(frozen=True)
class ProjectOutput(Output):
    """Output of a projection: pictures are PNG files, whose names follow the latents'."""

    format: ClassVar[None] = None  # type: ignore[misc]  # no option
    out: Annotated[
        Path | None,
        out_option(
            "The latents' file (.npz or .npy), with pictures beside it; or a folder, with a slash at its end. By "
            "default, a file here named like the photo; for several photos, a new folder."
        ),
    ] = None


@command
def project(
    choice: OfClass,
    output: ProjectOutput,
    photos: Annotated[
        list[str],
        typer.Argument(metavar="PHOTO", help="Photos with a face; party.jpg#2 is the second-largest face."),
    ],
    space: Annotated[
        str, typer.Option(help="w+ (one latent per layer: closer) or w (one for all: easier to edit).")
    ] = "w+",
    steps: Annotated[
        int,
        typer.Option(
            "--steps", "--num-steps", min=0, max=10_000, help="Maximum steps of the search; 0 takes the first guess."
        ),
    ] = 100,
    tune: Annotated[
        bool,
        typer.Option("--tune", help="Then fine-tune the model to this photo (PTI): the closest likeness. Needs .npz."),
    ] = False,
    tune_steps: Annotated[
        int | None,
        optional(
            "Steps of --tune, which this implies (default 60): more come closer, and further from the model.",
            min=1,
            max=10_000,
        ),
    ] = None,
    start: Annotated[
        str | None,
        optional("Start the search from this person, like me.npz, instead of the encoder's guess.", metavar="PERSON"),
    ] = None,
    seed: Seed = 0,
    aligned: Annotated[
        bool,
        typer.Option("--aligned", help="The photos are cropped like the model's pictures: do not look for a face."),
    ] = False,
    film: Annotated[
        Path | None,
        optional("Also write a film of the search: .mp4, .webm, .gif or .webp."),
    ] = None,
) -> None:
    """Find the latents of photos: the person in the model's latent space, for use with every other command.

    Writes the latents, the picture that they make and a side-by-side with the photo (before and after tuning), and
    reports how close it is. --tune also stores a small change to the model with the latents; every command applies it.

    --outdir DIR writes DIR/projected_w.npz with the pictures beside it; for several photos, DIR/NAME.npz. If a photo
    cannot be used, the others still are.

    Examples: stylegan project me.jpg -o me.npz --tune; stylegan project party.jpg#1-3 me.jpg -o people/
    """
    from stylegan_cli.cli import casting
    from stylegan_cli.cli.photos import projecting
    from stylegan_cli.cli.studio import Studio
    from stylegan_cli.latents import references
    from stylegan_cli.media.film import CODECS
    from stylegan_cli.operations.projection import SPACES

    check_word("--space", space, SPACES)
    tune = tune or tune_steps is not None
    named = references.photos(photos)
    if output.out is None and len(named) > 1:
        output = replace(output, out=places.Folder(places.fresh(Path("people"))))
    if film and not steps:
        raise UsageError("--steps 0 does no search that --film could show; leave out one of them")
    files = [_files(latents) for latents in _latents(output.out, named)]
    if film and len(named) > 1:
        raise UsageError("--film shows the search for one face; name one photo")
    if film and places.ending(film) not in CODECS:
        raise UsageError(f"--film {film}: films are {', '.join(f'.{ending}' for ending in CODECS)} files")
    for latents, *_ in files:
        if tune and latents.suffix.lower() != ".npz":
            raise UsageError(f"--tune stores more than latents, which {latents} cannot hold; name a .npz file")
    for path in filter(None, (*chain(*files), film)):
        places.check_file(path, output.force)

    folder = places.Folder(files[0][0].parent)
    studio = Studio(choice, Output(folder, size=output.size, force=output.force, show=output.show))
    studio.generator.labels(1, None)  # once, not for each photo: in models with classes, one has to be chosen
    started = None if start is None else casting.person(studio, start).ws
    if space == "w" and started is not None and not bool((started == started[:1]).all()):
        raise UsageError(f"--start {start} has a w for each layer, but --space w looks for one; leave out --space w")
    wanted = projecting.Wanted(space, steps, tune, seed, start=started)
    if tune_steps is not None:
        wanted = replace(wanted, tune_steps=tune_steps)

    def one(photo: tuple[Photo, Sequence[Path]]) -> None:
        shot = projecting.shoot(photo[0], studio.generator, aligned)
        _project(studio, shot, wanted, photo[1], film)

    each_photo(list(zip(named, files, strict=True)), one, "projected")


def _latents(out: Path | None, photos: Sequence[Photo]) -> list[Path]:
    """Where the latents of each photo go; in a folder, those of a single photo get NVIDIA's name."""
    from stylegan_cli.latents.files import ENDINGS

    names = places.result_names([photo.label for photo in photos])
    if out is None:
        return [places.fresh(Path(f"{names[0]}.npz"), *BESIDE)]
    if not places.is_file_name(out, [ending.removeprefix(".") for ending in ENDINGS]):
        places.check_folder_name(out, f"latents are {' or '.join(ENDINGS)} files")
        return [out / f"{name}.npz" for name in (names if len(names) > 1 else ["projected_w"])]
    if len(photos) > 1:
        raise UsageError(f"--out {out} is one file, but these are {len(photos)} photos; name a folder: {out}/")
    return [out]


def _files(latents: Path) -> list[Path]:
    """The files for a photo: the latents, their picture, and that beside the photo."""
    return [latents, *(latents.with_name(latents.stem + ending) for ending in BESIDE)]


def _project(studio: Studio, shot: Shot, wanted: Wanted, files: Sequence[Path], film: Path | None) -> None:
    """Finds the person in a photo, and writes all files."""
    from stylegan_cli.cli.photos import projecting
    from stylegan_cli.cli.studio import portrait

    latents, picture, compare = files

    def keep(person: Person) -> None:
        studio.save_latents(latents, [person])
        tell(f"{latents} holds the person as found; tuning now brings them closer to the photo.")

    with ExitStack() as stack:
        found = projecting.find(studio, shot, wanted, _filming(stack, film), keep)
    if latents.suffix.lower() == ".npz":
        studio.save_latents(latents, [found.person], report=dict(found.report))
    else:
        _save_npy(latents, found)
    for path in filter(None, (latents, film)):
        print_data(path)
    studio.save_as(picture, portrait(found.person))
    _save_comparison(studio, compare, shot, found.person)
    _tell(found)


def _filming(stack: ExitStack, path: Path | None) -> Callable[[Tensor], None] | None:
    """A function that makes a film of the search's pictures, if one is asked for."""
    if path is None:
        return None
    from stylegan_cli.media.film import filming
    from stylegan_cli.media.render import to_pixels
    from stylegan_cli.scorers.perceptual import shrink

    add = stack.enter_context(filming(path, FILM_RATE, places.ending(path)))
    return lambda image: add(to_pixels(shrink(image, FILM_SIZE))[0])


def _save_npy(path: Path, found: Found) -> None:
    from stylegan_cli.latents.files import writing_npy

    ws = found.person.ws.numpy()
    with writing_npy(path, ws.shape) as add:
        add(ws)


def _save_comparison(studio: Studio, path: Path, shot: Shot, person: Person) -> None:
    """The photo beside the person found in it, before tuning and, if they were tuned, after it."""
    from stylegan_cli.media.render import captioned, render

    people = {"found": replace(person, tuned=())} | ({"tuned": person} if person.tuned else {})
    drawn = {name: render(studio.generator, one.face()) for name, one in people.items()}
    studio.write(path, captioned({"photo": shot.face, **drawn}, studio.output.size or studio.generator.resolution))


def _counted(steps: float | None, tuned: bool) -> str:
    """How long the search was, in words; None if it was another command's."""
    if steps is None:
        return "Found before"
    guess = "A first guess, and tuning" if tuned else "Only a first guess"
    return {0: guess, 1: "1 step"}.get(int(steps), f"{steps:g} steps")


def _tell(found: Found) -> None:
    from stylegan_cli.cli.photos.projecting import likeness

    report, steps = found.report, _counted(found.report.get("steps"), bool(found.person.tuned))
    sentence = (
        f"Likeness: {likeness(report['distance'])}. {steps}: perceptual distance "
        f"{report['distance']:.2f} (two random faces of ffhq: about 7), PSNR {report['psnr']:.1f} dB"
    )
    if "landmarks" in report:
        sentence += f", eyes, nose and mouth off by {report['landmarks']:.1%} of the distance between the eyes"
    tell(f"{sentence}.")
