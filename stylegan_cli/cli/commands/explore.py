"""`stylegan explore`: faces in a browser, drawn while sliders move."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stylegan_cli.cli import places
from stylegan_cli.cli.boundary import each
from stylegan_cli.cli.console import print_data, tell
from stylegan_cli.cli.edits import open_direction
from stylegan_cli.cli.options import Generation, PictureOutput, command, optional, out_option
from stylegan_cli.cli.stopping import Stopped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stylegan_cli.cli.studio import Studio
    from stylegan_cli.latents.directions import Direction

ANYBODY = "0"  # stands for the seeds that will be named on the page: the options of truncation and --class are for them


@command
def explore(
    generation: Generation,
    people: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PERSON",
            help="Whom to begin with, and whom else to offer. Others can be named on the page.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None, out_option("The folder for the faces that you save. By default, the current one.")
    ] = None,
    direction: Annotated[
        list[str] | None,
        optional("One more slider: a direction's file, or factor.pt#3. Repeatable.", metavar="FILE"),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The page's port; 0 means any that is free.")] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in your browser.")] = True,
) -> None:
    """Explore faces in your browser: they are drawn while you move sliders for age, smile, parents' shares and so on.

    Arrows that you draw on a face drag what is there. The page also varies noise, shows the command that draws the
    same face, and saves faces with their recipes, or in the photo where they were found. Only this machine can open
    it; Ctrl-C ends it. If stylegan runs on another machine, start it there with --port 8000 --no-browser, connect
    with ssh -L 8000:localhost:8000, and open the printed address here.

    Examples: stylegan explore; stylegan explore me.jpg jon dany
    """
    from stylegan_cli.cli import casting
    from stylegan_cli.cli.explorer.desk import Desk
    from stylegan_cli.cli.explorer.server import Server
    from stylegan_cli.cli.studio import Studio
    from stylegan_cli.latents import references

    folder = out or Path()
    if out:
        places.check_folder_name(out, "faces are saved in a folder, under names of their own")
    studio = Studio(generation, PictureOutput(out=folder))
    directions = _directions(studio, direction or ())
    texts = references.split(*people) if people else []
    with Server(port) as server:  # which may find its port taken, before people are searched for
        *found, _ = casting.several(studio, [*texts, ANYBODY])
        server.turns.submit(studio.speed_up, 1).result()  # CUDA graphs belong to the thread that draws
        desk = Desk(studio, folder, dict(zip(texts, found, strict=True)), directions, _words(generation))
        print_data(server.url)
        tell("Open this address in a browser on this machine. Press Ctrl-C to end.")
        if browser:
            _open(server.url)
        try:
            server.serve(desk)
        except KeyboardInterrupt:  # the usual way out
            raise Stopped("The page is closed; faces that were saved are kept.") from None


def _directions(studio: Studio, files: Sequence[str]) -> dict[str, Direction]:
    """Those that come with the model, apart from any that cannot be read, and those in these files."""
    names = list(studio.directions)
    found = {names[place]: one for place, one in each(names, lambda name: open_direction(studio, name)).items()}
    found |= {name: open_direction(studio, name) for name in files}
    return {name: one for name, one in found.items() if one.vector.any()}


def _words(chosen: Generation) -> list[str]:
    """The options that make other commands draw with the same model, on the same device and in the same precision."""
    usual = Generation()
    given = {name: getattr(chosen, name) for name in ("model", "device", "precision")}
    return [word for name, value in given.items() if value != getattr(usual, name) for word in (f"--{name}", value)]


def _open(url: str) -> None:
    """Opens a browser window; not a browser in this terminal, which would hold up the server."""
    import webbrowser

    if sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        webbrowser.open(url)
