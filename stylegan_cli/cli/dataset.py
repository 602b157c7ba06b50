"""`stylegan dataset`: a data set for training, from any folder or zip of pictures."""

from pathlib import Path
from typing import Annotated

import typer

from stylegan_cli.cli.options import command
from stylegan_cli.errors import UsageError


@command
def dataset(
    source: Annotated[Path, typer.Argument(help="A folder, with folders in it or not, or a .zip of pictures.")],
    out: Annotated[Path, typer.Option("--out", "--dest", "-o", help="The data set: a new .zip or a new folder.")],
    size: Annotated[str, typer.Option("--size", "--resolution", metavar="PIXELS", help="64, or 512x384.")],
    transform: Annotated[
        str, typer.Option(help="center-crop, center-crop-wide, pad, stretch, or none (takes square pictures only).")
    ] = "center-crop",
    filter: Annotated[
        str, typer.Option("--filter", "--resize-filter", help="lanczos, box, bicubic, bilinear or hamming.")
    ] = "lanczos",
    upscale: Annotated[
        bool, typer.Option("--upscale", help="Take pictures that are too small, too: enlarged.")
    ] = False,
    mirror: Annotated[bool, typer.Option("--mirror", help="Write every picture mirrored, too.")] = False,
    labels: Annotated[
        str, typer.Option(help="Classes: json (dataset.json), folders (a class each), none or auto.")
    ] = "auto",
    max_images: Annotated[
        int | None, typer.Option(min=1, help="Take this many, the first by name.", show_default=False)
    ] = None,
    format: Annotated[str, typer.Option(help="png, webp or jpg.")] = "png",
    force: Annotated[bool, typer.Option("--force", help="Replace an existing .zip.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
) -> None:
    """Make a data set for training from a folder or a .zip of pictures, in NVIDIA's layout.

    Pictures of any kind become upright RGB: grey, 16-bit, CMYK and animated ones (their first frame), transparent ones
    on white. What cannot be used is listed and left out. Labels come from dataset.json or from folders' names; auto
    takes the names where all pictures are in two folders or more that are not mere numbers.

    Examples: stylegan dataset photos -o faces.zip --size 64; stylegan dataset pets.zip -o pets --size 128 --labels
    folders
    """
    from stylegan_cli.cli import places
    from stylegan_cli.cli.console import data, progress, tell
    from stylegan_cli.media.collecting import Settings, collect
    from stylegan_cli.media.dataset import writing_pictures
    from stylegan_cli.media.encode import FORMATS
    from stylegan_cli.media.framing import Framing
    from stylegan_cli.media.sources import open_source, read_labels

    if format not in FORMATS:
        raise UsageError(f"there is no format {format!r} here; formats are {', '.join(FORMATS)}")
    frame = Framing(*_pixels(size), transform, filter, upscale)
    places.check_pictures(out, force)

    def skip(name: str, reason: str) -> None:
        if not quiet:
            tell(f"left out: {name} {reason}")

    with open_source(source) as pictures:
        classes = read_labels(pictures, labels)
        for name, reason in pictures.refused:
            skip(name, reason)
        total = min(len(pictures.names), max_images or len(pictures.names))
        with (
            progress("collecting", total, quiet, "pictures") as advance,
            writing_pictures(out, format, classes.names) as writer,
        ):
            settings = Settings(frame, format, mirror, max_images)
            collect(pictures, classes.of, settings, writer, skip, advance)
    if not quiet:
        tell(_summary(writer.index, frame.width, classes.of, classes.names))
        data(out)


def _pixels(size: str) -> tuple[int, int]:
    """`64` or `512x384`."""
    width, cross, height = size.lower().partition("x")
    if not (width.isdecimal() and (height.isdecimal() or not cross)):
        raise UsageError(f"--size takes pixels like 64, or 512x384, not {size!r}")
    return int(width), int(height or width)


def _summary(pictures: int, size: int, classes: dict[str, int] | None, names: tuple[str, ...]) -> str:
    sentence = f"{pictures:,} pictures of {size} x {size} pixels"
    if classes is not None:
        count = len(set(classes.values()))
        sentence += f" in {count:,} class{'es'[: 2 * (count > 1)]}{' from folders' if names else ''}"
    if size & (size - 1) or size < 4:
        sentence += "; models are trained at powers of two, and this is none"
    return f"{sentence}."
