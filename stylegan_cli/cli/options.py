"""The options that commands share, and the decorator that puts them on a command.

A command names a group of options as one parameter (`output: Output`); on the command line each field is an option.
"""

import math
import re
import shlex
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, ClassVar, get_type_hints

import typer

from stylegan_cli.allocation import keep_memory
from stylegan_cli.cli.console import silenced
from stylegan_cli.cli.places import keeping, place
from stylegan_cli.errors import UsageError
from stylegan_cli.latents.named import MAX_SEED, is_file, numbered
from stylegan_cli.latents.photo import Photo

_MODEL, OUTPUT = "Model", "Output"
WRITTEN = ("out", "outdir", "dataset", "film")  # parameters that name results
PSI = 0.7
LARGEST_PSI = 2

# Every command has it, and `command` obeys it.
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Print only data and errors.", rich_help_panel=OUTPUT),
]

Force = Annotated[bool, typer.Option("--force", help="Replace existing files.", rich_help_panel=OUTPUT)]


def optional(help: str, *names: str, panel: str | None = None, **more: Any) -> Any:
    """An option that may be left out: None."""
    return typer.Option(*names, help=help, rich_help_panel=panel, **more)


@dataclass(frozen=True)
class ModelChoice:
    """Which model, on which device and in which precision."""

    model: Annotated[
        str,
        typer.Option(
            "--model",
            "--network",
            help="A model's name, file, URL (#sha256=...) or a run's folder.",
            rich_help_panel=_MODEL,
        ),
    ] = "ffhq"
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.", rich_help_panel=_MODEL)] = "auto"
    precision: Annotated[
        str, typer.Option(help="Precision of convolutions: auto, fp32, bf16 or fp16.", rich_help_panel=_MODEL)
    ] = "auto"


@dataclass(frozen=True)
class OfClass(ModelChoice):
    """A model, and the class if the model has classes."""

    class_index: Annotated[
        int | None,
        optional("For models with classes: the class to draw, counted from 0.", "--class", min=0, panel=_MODEL),
    ] = None


@dataclass(frozen=True)
class Generation(OfClass):
    """A model, and how far seeds are pulled towards its average face, or towards somebody else."""

    psi: Annotated[
        float | None,
        optional(
            f"Truncation of seeds: 0 is the average face, 1 is none (default {PSI}). Latents are used unchanged.",
            "--psi",
            "--trunc",
            min=-LARGEST_PSI,
            max=LARGEST_PSI,
            panel=_MODEL,
        ),
    ] = None

    cutoff: Annotated[
        int | None,
        optional("Truncate only layers below this number.", min=0, panel=_MODEL),
    ] = None

    new_center: Annotated[
        str | None,
        optional(
            "Truncate seeds towards this person instead of the average face. A seed is not truncated itself.",
            metavar="PERSON",
            panel=_MODEL,
        ),
    ] = None

    compile: Annotated[
        str,
        typer.Option(
            help="torch.compile: auto (for many faces, where it was measured to be faster), on or off.",
            rich_help_panel=_MODEL,
        ),
    ] = "auto"


def out_option(help: str, *more: str) -> Any:
    """--out with its other spellings, and `more` of them. --outdir, or a slash at the end, always means a folder."""
    return typer.Option(
        "--out", "--output", "--outdir", *more, "-o", parser=place, metavar="PATH", help=help, rich_help_panel=OUTPUT,
    )  # fmt: skip


def named_photo(text: str) -> Photo:
    """Parses a photo argument: a file, and possibly which of the faces in it."""
    try:
        return Photo.named(text)
    except UsageError as error:
        raise typer.BadParameter(f"{error}.") from None


@dataclass(frozen=True)
class Output:
    """Where the result goes and in which form: a picture, or one of `films` (their endings)."""

    films: ClassVar[tuple[str, ...]] = ()
    out: Annotated[
        Path | None,
        out_option("A file if the name has a picture's ending, else a folder. By default, a new file here."),
    ] = None
    format: Annotated[
        str | None, typer.Option(help="png, webp or jpg; by default from --out, or png.", rich_help_panel=OUTPUT)
    ] = None
    size: Annotated[
        int | None,
        typer.Option(min=1, max=8192, help="Scale faces to this many pixels.", rich_help_panel=OUTPUT),
    ] = None
    force: Force = False
    show: Annotated[bool, typer.Option("--show", help="Preview in the terminal.", rich_help_panel=OUTPUT)] = False


@dataclass(frozen=True)
class PictureOutput(Output):
    """Output of commands that make pictures of people."""

    save_latents: Annotated[
        bool, typer.Option("--save-latents", help="Write each picture's latents beside it.", rich_help_panel=OUTPUT)
    ] = False


Paste = Annotated[
    Photo | None,
    optional(
        "Put the edited faces back into this photo, where they were found; party.jpg#2 is the place of its "
        "second-largest face. With scorers installed, the background stays as it is. The result has 8 bits per "
        "channel and keeps the photo's colour profile and the camera's EXIF data: settings, date, place.",
        metavar="PHOTO",
        parser=named_photo,
    ),
]
Grid = Annotated[
    bool,
    typer.Option(
        "--grid",
        help="One sheet instead of several pictures (faces of 256 pixels, or of --size).",
        rich_help_panel=OUTPUT,
    ),
]
NoiseMode = Annotated[
    str | None,
    optional(
        "Per-pixel noise: const (the model's own), random (from --seed) or none. By default const, or what the "
        "person was saved with.",
        "--noise",
        "--noise-mode",
    ),
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")]
Filter = Annotated[str, typer.Option("--filter", "--resize-filter", help="lanczos, box, bicubic, bilinear or hamming.")]
Seed = Annotated[int, typer.Option("--seed", min=0, max=MAX_SEED, help="The seed for everything random.")]


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Spreads the option groups among `function`'s parameters and prepares what each command needs."""
    hints = get_type_hints(function, include_extras=True)
    groups = {name: hint for name, hint in hints.items() if isinstance(hint, type) and is_dataclass(hint)}

    @wraps(function)
    def run(quiet: bool, **values: Any) -> None:
        keep_memory()
        _check_finite(values)
        read = list(_read(values))
        gathered = {
            name: group(**{f.name: values.pop(f.name) for f in fields(group)}) for name, group in groups.items()
        }
        with silenced(quiet), keeping(read):
            function(**values, **gathered)

    parameters = [*_parameters(function, hints, groups)]
    parameters.append(Parameter("quiet", Parameter.KEYWORD_ONLY, default=False, annotation=Quiet))
    parameters.sort(key=_panel_rank)
    run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    # An opening bracket would begin markup.
    paragraphs = (function.__doc__ or "").replace("[", r"\[").split("\n\n")
    run.__doc__ = "\n\n".join(map(_unwrapped, paragraphs))
    return run


def _panel_rank(parameter: Parameter) -> int:
    """Help screens show panels in the order in which they first appear: those of a command, its model, its output."""
    (option, *_) = getattr(parameter.annotation, "__metadata__", (None,))  # Typer's context has none
    return {None: 0, _MODEL: 2, OUTPUT: 3}.get(getattr(option, "rich_help_panel", None), 1)


def _unwrapped(paragraph: str) -> str:
    """A paragraph as one line, which help screens wrap to their width; each example on its own line, to be copied."""
    line = " ".join(paragraph.split())
    return line.replace(": ", ":\n", 1).replace("; ", "\n") if line.startswith("Example") else line


def _check_finite(values: Mapping[str, Any]) -> None:
    """Options without a range let not-a-number through, and those without an upper limit infinity."""
    for name, value in values.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError(f"--{name.replace('_', '-')} is {value}; use a finite number")


def _read(values: Mapping[str, Any]) -> Iterator[str]:
    """The files that the values of a command name, which results are made from. But a film can take the sound of the
    one before it (--audio)."""
    rest = [value for name, value in values.items() if name not in (*WRITTEN, "audio")]
    for given in chain.from_iterable(value if isinstance(value, list) else [value] for value in rest):
        text = str(given.path if isinstance(given, Photo) else given)
        # Lists, and LAYERS=PERSON.
        yield from (file for name in (text, *re.split("[,=]", text)) if is_file(file := numbered(name)[0]))


def _parameters(
    function: Callable[..., None], hints: Mapping[str, Any], groups: Mapping[str, type]
) -> Iterator[Parameter]:
    """The parameters of a function, with the fields of each group in its place."""
    for parameter in signature(function).parameters.values():
        if (group := groups.get(parameter.name)) is None:
            yield parameter.replace(annotation=hints[parameter.name], kind=Parameter.KEYWORD_ONLY)
            continue
        types = get_type_hints(group, include_extras=True)
        for field in fields(group):
            yield Parameter(field.name, Parameter.KEYWORD_ONLY, default=field.default, annotation=types[field.name])


def given(options: Any) -> dict[str, Any]:
    """Those of a group of options that were given, by the names of its fields: those that are not None."""
    return {field.name: value for field in fields(options) if (value := getattr(options, field.name)) is not None}


def check_unused(why: str, options: Mapping[str, object]) -> None:
    """Checks that no option was given that would do nothing; `why` begins the error."""
    if given := [name for name, value in options.items() if value is not None and value is not False]:
        raise UsageError(f"{why}; leave out {' and '.join(given)}")


def check_word(option: str, word: str | None, known: Collection[str]) -> None:
    """Checks that an option's value, if one was given, is one of those that are known."""
    if word is not None and word not in known:
        raise UsageError(f"{option} must be one of {', '.join(known)}, not {word!r}")


def parse_numbers(text: str, count: int) -> tuple[float, ...]:
    """`count` finite numbers with commas between them. Raises ValueError if they are not."""
    numbers = tuple(map(float, text.split(",")))
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise ValueError(text)
    return numbers


def command_line() -> str:
    """What the user typed, for recipes."""
    return shlex.join(["stylegan", *sys.argv[1:]])
