"""`stylegan dataset`: a data set for training, from any folder or zip of pictures."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stylegan_cli.cli import places
from stylegan_cli.cli.console import print_data, progress, tell
from stylegan_cli.cli.options import OUTPUT, Filter, check_unused, command, optional, out_option
from stylegan_cli.errors import UsageError

if TYPE_CHECKING:
    from stylegan_cli.datasets.layout import PictureWriter

FEW = 20  # classes that are named


@command
def dataset(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="A folder (with its subfolders) or a .zip of pictures.")
    ],
    out: Annotated[Path, out_option("The data set: a new .zip or a new folder.", "--dest")],
    size: Annotated[
        str | None,
        optional(
            "64, or 512x384. Optional if all pictures are squares of the same size, a power of two.",
            "--size",
            "--resolution",
            metavar="PIXELS",
        ),
    ] = None,
    width: Annotated[int | None, typer.Option(min=1, help="With --height: the same as --size.", hidden=True)] = None,
    height: Annotated[int | None, typer.Option(min=1, help="With --width: the same as --size.", hidden=True)] = None,
    transform: Annotated[
        str, typer.Option(help="center-crop, center-crop-wide, pad, stretch, or none (takes square pictures only).")
    ] = "center-crop",
    filter: Filter = "lanczos",
    upscale: Annotated[
        bool, typer.Option("--upscale", help="Enlarge pictures that are too small, instead of leaving them out.")
    ] = False,
    mirror: Annotated[bool, typer.Option("--mirror", help="Also write every picture's mirror image.")] = False,
    labels: Annotated[
        str, typer.Option(help="Where classes come from: json (dataset.json), folders (their names), none or auto.")
    ] = "auto",
    max_images: Annotated[int | None, optional("Use at most this many pictures, the first by name.", min=1)] = None,
    format: Annotated[str, typer.Option(help="png, webp or jpg.")] = "png",
    force: Annotated[bool, typer.Option("--force", help="Replace an existing .zip.", rich_help_panel=OUTPUT)] = False,
) -> None:
    """Make a data set for training from a folder or a .zip of pictures, in NVIDIA's layout.

    Pictures of any kind become upright RGB: grey, 16-bit, CMYK, animated (the first frame) and transparent ones (on
    white). Files that cannot be used are listed and left out. Labels come from dataset.json or from folder names; auto
    uses folder names if all pictures are in two or more folders whose names are not just numbers.

    Examples: stylegan dataset photos -o faces.zip --size 64; stylegan dataset pets.zip -o pets --size 128 --labels
    folders
    """
    from stylegan_cli.datasets.collecting import Settings, collect, first_picture
    from stylegan_cli.datasets.framing import Alike, Framing
    from stylegan_cli.datasets.layout import is_zip, writing_pictures
    from stylegan_cli.datasets.sources import open_source, read_labels
    from stylegan_cli.media.encode import FORMATS

    format = places.file_ending(None, format, FORMATS, "png")
    pixels = _pixels(size, width, height)
    frame = Framing(*pixels, transform, filter, upscale) if pixels else None
    if frame is None:
        idle = {"--transform": transform != "center-crop", "--filter": filter != "lanczos", "--upscale": upscale}
        check_unused("without --size, pictures stay as they are", idle)
    places.check_collected(out, force)
    if not is_zip(out) and out.resolve().is_relative_to(source.resolve()):
        raise UsageError(f"{out} is inside {source}: pictures would count twice; choose a place outside it, or a .zip")

    left_out = 0

    def skip(name: str, reason: str) -> None:
        nonlocal left_out
        left_out += 1
        tell(f"left out: {name} {reason}")

    with open_source(source) as pictures:
        classes = read_labels(pictures, labels, complete=False)
        framed = frame or Alike.to(first_picture(pictures))
        for name, reason in pictures.refused:
            skip(name, reason)
        total = min(len(pictures.names), max_images or len(pictures.names))
        with (
            progress("collecting", total, "pictures") as advance,
            writing_pictures(out, format, classes.names) as writer,
        ):
            settings = Settings(framed, format, mirror, max_images)
            collect(pictures, classes.of, settings, writer, skip, advance)
    if left_out > 1:
        tell(f"{left_out:,} files were left out.")
    tell(_summary(writer, framed.width))
    print_data(out)


def _pixels(size: str | None, width: int | None, height: int | None) -> tuple[int, int] | None:
    """`64`, `512x384` or NVIDIA's `64,64`, or what --width and --height say; None if no size is given."""
    if (width is None) != (height is None) or (size and width):
        raise UsageError("give --size, or --width and --height together")
    if width and height:
        return width, height
    if size is None:
        return None
    match = re.fullmatch(r"(\d{1,9})(?:[x,](\d{1,9}))?", size.lower())
    if match is None:
        raise UsageError(f"--size takes pixels like 64, or 512x384, not {size!r}")
    return int(match[1]), int(match[2] or match[1])


def _summary(written: PictureWriter, size: int) -> str:
    sentence = f"{written.index:,} picture{'s' * (written.index != 1)} of {size} x {size} pixels"
    if written.labels:
        count = len({label for _, label in written.labels})
        classes = f"{count:,} classes" if count > 1 else "1 class"
        sentence += f" in {classes}{' from folders' if written.classes else ''}"
        if 1 < len(written.classes) <= FEW:
            sentence += f" ({', '.join(f'{number} {name}' for number, name in enumerate(written.classes))})"
    if size & (size - 1) or size < 4:
        sentence += "; models are trained at powers of two, and this is not one"
    return f"{sentence}."
