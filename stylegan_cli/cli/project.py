"""`stylegan project`: a photo's latents."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from stylegan_cli.cli import places
from stylegan_cli.cli.console import data, tell
from stylegan_cli.cli.options import OfClass, Output, Seed, check_word, command, named_photo, out_option
from stylegan_cli.errors import UsageError
from stylegan_cli.latents.named import Photo

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from stylegan_cli.cli.darkroom import Found, Shot
    from stylegan_cli.cli.studio import Studio
    from stylegan_cli.latents.people import Person

FILM_SIZE, FILM_RATE = 512, 15
BESIDE = ("-projected.png", "-compare.png")  # what the names of the pictures end with


@dataclass(frozen=True)
class ProjectOutput(Output):
    """Output of a projection: pictures are PNG files, whose names follow the latents'."""

    format: ClassVar[None] = None  # type: ignore[misc]  # no option
    out: Annotated[
        Path | None,
        out_option(
            "The latents' file, .npz or .npy, pictures beside it; or a folder, with a slash at its end. By default "
            "the photo's name here."
        ),
    ] = None


@command
def project(
    choice: OfClass,
    output: ProjectOutput,
    photo: Annotated[
        Photo,
        typer.Argument(
            metavar="PHOTO", parser=named_photo, help="A photo with a face; party.jpg#2 is the second largest on it."
        ),
    ],
    space: Annotated[
        str, typer.Option(help="w+ (a latent for each layer: closer) or w (one for all: easier to edit).")
    ] = "w+",
    steps: Annotated[
        int, typer.Option("--steps", "--num-steps", min=1, max=10_000, help="Steps of the search, at most.")
    ] = 100,
    tune: Annotated[
        bool,
        typer.Option("--tune", help="Then fine-tune the model to this photo (PTI): the closest likeness. Needs .npz."),
    ] = False,
    seed: Seed = 0,
    aligned: Annotated[
        bool,
        typer.Option("--aligned", help="The photo is cropped as the model's pictures are: do not look for a face."),
    ] = False,
    film: Annotated[
        Path | None,
        typer.Option(help="A film of the search: .mp4, .webm, .gif or .webp.", show_default=False),
    ] = None,
) -> None:
    """Find the latents of a photo: the person in the model's own space, for every other command to take.

    Writes the latents, the picture that they make and a side-by-side with the photo, and reports how close it
    came. --tune stores a small change of the model with the latents, which every command applies.

    --outdir DIR writes DIR/projected_w.npz and the pictures beside it.

    Examples: stylegan project me.jpg -o me.npz --tune; stylegan edit me.npz --age 3
    """
    from stylegan_cli.cli import darkroom
    from stylegan_cli.cli.studio import Studio, portrait
    from stylegan_cli.latents.files import ENDINGS
    from stylegan_cli.media.film import CODECS
    from stylegan_cli.operations.projection import SPACES

    check_word("--space", space, SPACES)
    latents = _latents(output.out, photo)
    if latents.suffix not in ENDINGS:
        raise UsageError(f"--out {latents}: latents are {' or '.join(ENDINGS)} files")
    if tune and latents.suffix != ".npz":
        raise UsageError(f"--tune stores more than latents, which {latents} cannot hold; name a .npz")
    if film and places.ending(film) not in CODECS:
        raise UsageError(f"--film {film}: films are {', '.join(f'.{ending}' for ending in CODECS)} files")
    picture, compare = (latents.with_name(latents.stem + ending) for ending in BESIDE)
    into = output.out if output.out and places.is_folder(output.out) else None
    if into:
        places.check_new_folder(into)
    for path in (latents, picture, compare, film):
        if path and (path.parent != into or into.exists()):
            places.check_file(path, output.force)

    studio = Studio(choice, output)
    shot = darkroom.shoot(photo, studio.generator.resolution, aligned, output.quiet)
    wanted = darkroom.Wanted(space, steps, tune, seed)
    if into:
        into.mkdir(parents=True, exist_ok=True)

    def keep(person: "Person") -> None:
        studio.save_latents(latents, [person])
        if not output.quiet:
            tell(f"{latents} holds the person as found; tuning comes closer to the photo.")

    with ExitStack() as stack:
        found = darkroom.find(studio, shot, wanted, _filming(stack, film), keep)
    if latents.suffix == ".npz":
        studio.save_latents(latents, [found.person], report=dict(found.report))
    else:
        _save_npy(latents, found)
    for path in filter(None, (latents, film)):
        data(path)
    studio.save_as(picture, portrait(found.person))
    _save_comparison(studio, compare, shot, found)
    if not output.quiet:
        _tell(found)


def _latents(out: Path | None, photo: Photo) -> Path:
    """Where the latents go; in a folder they have NVIDIA's name."""

    if out is None:
        (name,) = places.result_names([photo.label])
        return places.fresh(Path(f"{name}.npz"), *BESIDE)
    return out / "projected_w.npz" if places.is_folder(out) else out


def _filming(stack: ExitStack, path: Path | None) -> "Callable[[Tensor], None]":
    """What takes the search's pictures; they become a film if one is asked for."""
    if path is None:
        return lambda _image: None
    from stylegan_cli.media.film import filming
    from stylegan_cli.media.render import to_pixels
    from stylegan_cli.scorers.perceptual import shrink

    add = stack.enter_context(filming(path, FILM_RATE, places.ending(path)))
    return lambda image: add(to_pixels(shrink(image, FILM_SIZE))[0])


def _save_npy(path: Path, found: "Found") -> None:
    from stylegan_cli.latents.files import writing_npy

    ws = found.person.ws.numpy()
    with writing_npy(path, ws.shape) as add:
        add(ws)


def _save_comparison(studio: "Studio", path: Path, shot: "Shot", found: "Found") -> None:
    """Photo and projection, side by side."""
    from PIL import Image

    from stylegan_cli.media.render import to_pixels

    drawn = Image.fromarray(to_pixels(found.image)[0])
    size = studio.output.size or drawn.width
    both = Image.new("RGB", (2 * size, size))
    for place, face in enumerate((shot.face, drawn)):
        both.paste(face.resize((size, size), Image.Resampling.LANCZOS), (place * size, 0))
    studio.save_image_as(path, both)


def _tell(found: "Found") -> None:

    report = found.report
    sentence = (
        f"{report['steps']} steps: perceptual distance {report['distance']:.2f} (two random faces: about 7), "
        f"PSNR {report['psnr']:.1f} dB"
    )
    if "landmarks" in report:
        sentence += f", eyes, nose and mouth off by {report['landmarks']:.1%} of the eyes' distance"
    tell(f"{sentence}.")
