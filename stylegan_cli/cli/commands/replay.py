"""`stylegan replay` and `stylegan show`: pictures describe themselves."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stylegan_cli.bands import BANDS
from stylegan_cli.cli import places
from stylegan_cli.cli.console import escaped, print_data, tell
from stylegan_cli.cli.options import OUTPUT, Generation, Output, command, optional
from stylegan_cli.errors import StyleganError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from stylegan_cli.latents.files import Latents
    from stylegan_cli.noise import Noise
    from stylegan_cli.pictures import Cell
    from stylegan_cli.recipes import Recipe

MODELS = (".safetensors", ".pkl", ".ckpt")  # .pt and .pth can be latents, too
PictureFile = Annotated[
    Path, typer.Argument(metavar="PICTURE", exists=True, dir_okay=False, help="A picture made by this tool.")
]


@dataclass(frozen=True)
class ReplayOutput(Output):
    """Output of a replay."""

    format: Annotated[
        str | None,
        typer.Option(help="png, webp or jpg; by default from --out, or the picture's own.", rich_help_panel=OUTPUT),
    ] = None


@command
def replay(
    output: ReplayOutput,
    picture: PictureFile,
    model: Annotated[
        str | None,
        optional(
            "The model file that the picture was made with; named models are found automatically.",
            "--model",
            "--network",
        ),
    ] = None,
) -> None:
    """Make a picture again from its recipe: the same bytes, without the files it was made from.

    Model, precision, size and format come from the picture; --size and --format override it.

    Example: stylegan replay mix.png --out again.png
    """
    from stylegan_cli import recipes, store
    from stylegan_cli.cli.studio import Studio
    from stylegan_cli.media.encode import FORMATS
    from stylegan_cli.media.film import TOLD

    if places.ending(picture) in TOLD:
        raise UsageError(f"{picture} is a film; to make it again, run its command: {_made(picture)['command']}")
    recipe = recipes.read(picture)
    if model is None and recipe.model not in store.models():
        raise UsageError(f"{picture} was made with the model file {recipe.model}; name that file with --model")
    recipe = replace(recipe, size=output.size or recipe.size)
    given = output.format or places.is_file_name(output.out, FORMATS)
    if not given and places.is_file_name(picture, FORMATS):
        output = replace(output, format=places.file_ending(picture, None, FORMATS, "png"))
    compiled = "on" if recipe.compiled else "off"
    choice = Generation(model or recipe.model, _device(recipe), recipe.precision, compile=compiled)
    studio = Studio(choice, output)
    recipe.check_model(studio.generator, str(picture))
    studio.replay(f"{picture.stem}-replay", recipe)


@command
def show(
    picture: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="A picture or film (mp4, webm) made by this tool, or latents.",
        ),
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON: the whole recipe with its latents, or the facts about latents.")
    ] = False,
) -> None:
    """Print the recipe in a picture (command, model, precision, people, noise), the place of an aligned face, the
    command that made a film, or the facts about a latents file."""
    for line in _told(picture, as_json):
        print_data(escaped(line))


def _told(file: Path, as_json: bool) -> Iterable[str]:
    """What a file tells about itself: as JSON on one line, or as lines for people."""
    from stylegan_cli import recipes
    from stylegan_cli.faces import alignment
    from stylegan_cli.latents import files
    from stylegan_cli.media.film import TOLD

    if file.suffix.lower() in MODELS:
        raise UsageError(f"{file} is a model; stylegan models show {file} tells about it")
    if places.ending(file) in TOLD:
        made = _made(file)
        return [json.dumps(made)] if as_json else _circumstances(made)
    if file.suffix.lower() in files.ENDINGS + files.TORCH:
        latents = _read_latents(file)
        return [json.dumps(_facts_of_latents(latents))] if as_json else _lines_of_latents(latents)
    if not recipes.has_recipe(file) and (cut := alignment.read(file)):
        place = f"aligned     face {cut.face} of a photo of {cut.size[0]} x {cut.size[1]} pixels (sha256 {cut.photo})"
        return [json.dumps({"alignment": cut.to_plain()}) if as_json else place]
    recipe = recipes.read(file)
    return [recipes.dumps(recipe)] if as_json else _lines(recipe)


def _read_latents(file: Path) -> Latents:
    from stylegan_cli.latents import files

    try:
        return files.read(file)
    except StyleganError as error:
        if file.suffix.lower() not in files.TORCH:
            raise
        raise StyleganError(f"{error}; if it is a model, stylegan models show {file} tells about it") from None


def _device(recipe: Recipe) -> str:
    """The recipe's device, or the best one here if this machine does not have it."""
    from stylegan_cli import hardware

    if hardware.has_device(recipe.device):
        return recipe.device
    tell(f"This picture was made on {recipe.device}, which this machine lacks; pixels may differ in the last bit.")
    return "auto"


def _lines(recipe: Recipe) -> Iterator[str]:
    from stylegan_cli.latents.references import called_faces
    from stylegan_cli.pictures import Sheet, cells_of

    yield from _circumstances(vars(recipe))
    yield f"face size   {recipe.size or 'as the model makes it'}"
    cells = list(cells_of(recipe.picture))
    called = {id(face): caption for caption, face in called_faces(recipe.picture)}
    if isinstance(recipe.picture, Sheet) and any(recipe.picture.names):
        yield f"rows        {', '.join(filter(None, recipe.picture.names))}"
    yield f"faces       {len(cells)}"
    for cell in cells:
        different, layers = len(cell.ws.unique(dim=0)), len(cell.ws)
        styles = f"one w for all {layers} layers" if different == 1 else f"{different} different w in {layers} layers"
        caption = called.get(id(cell)) or cell.caption or "(no caption)"
        yield f"  {caption}: {styles}; {_in_words(cell.noise)}{_moved(cell)}"


def _made(film: Path) -> dict[str, Any]:
    """How a film was made. Raises StyleganError if it does not say so."""
    from stylegan_cli.media.film import text_of

    try:
        made: dict[str, Any] = json.loads(text_of(film))
        list(_circumstances(made))  # everything is there
    except (ValueError, KeyError, TypeError):
        raise StyleganError(f"{film} does not say how it was made; only films made by this tool do") from None
    return made


def _circumstances(made: Mapping[str, Any]) -> Iterator[str]:
    """How something was made, by `Recipe`'s names."""
    yield f"command     {made['command']}"
    yield f"version     {made['version']}"
    yield f"model       {made['model']} (sha256 {made['sha256']})"
    yield f"precision   {made['precision']} on {made['device']}{', compiled' if made['compiled'] else ''}"


def _facts_of_latents(latents: Latents) -> dict[str, Any]:
    """For JSON: what the file says about itself, and what it holds; `psi` is that of its z."""
    has_z = latents.z is not None
    held = {"shape": list(latents.array.shape), "z": has_z, "tuned": any(latents.tuned)}
    return latents.about | held | ({"psi": latents.psi} if has_z else {})


def _lines_of_latents(latents: Latents) -> Iterator[str]:
    about = latents.about
    yield f"shape       {list(latents.array.shape)}"
    for key in ("command", "space"):
        if key in about:
            yield f"{key:<12}{about[key]}"
    if latents.origin:
        yield f"model       {latents.origin.name} (sha256 {latents.origin.sha256})"
    if latents.z is not None:
        yield f"seed's z    truncated by {latents.psi:g}"
    for noise in dict.fromkeys(latents.noise):
        yield f"noise       {_in_words(noise)}"
    if any(latents.tuned):
        yield "tuned       the model changes a little for them"
    for key in ("photo", "report"):
        told = about.get(key)
        for one in told if isinstance(told, list) else [told]:
            if isinstance(one, dict):
                yield f"{key:<12}{', '.join(_facts_in(one))}"


def _facts_in(told: Mapping[str, Any]) -> Iterator[str]:
    """What can be said in a word or a number; a look is a picture."""
    for name, value in told.items():
        if name != "look" and isinstance(value, str | int | float):
            yield f"{name} {_rounded(value)}"


def _rounded(value: str | float) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _moved(cell: Cell) -> str:
    from stylegan_cli.pictures import Face

    if not isinstance(cell, Face) or not (any(cell.translate) or cell.rotate):
        return ""
    x, y = cell.translate
    return f"; moved by {x:g},{y:g}, turned by {cell.rotate:g} degrees"


def _in_words(noise: Noise) -> str:
    kinds = {"const": "the model's own noise", "random": f"random noise of seed {noise.seed}", "none": "no noise"}
    strengths = {band: getattr(noise, band) for band in BANDS}
    if noise.mode == "none" or set(strengths.values()) == {1.0}:
        return kinds[noise.mode]
    return f"{kinds[noise.mode]}: {', '.join(f'{band} {strength:g}' for band, strength in strengths.items())}"
