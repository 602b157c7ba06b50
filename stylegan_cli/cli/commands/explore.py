"""`stylegan explore`: faces in a browser, drawn while sliders move."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from stylegan_cli.cli import places
from stylegan_cli.cli.console import print_data, tell
from stylegan_cli.cli.options import Generation, PictureOutput, command, out_option


@command
def explore(
    generation: Generation,
    people: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PERSON",
            help="Whom to begin with, and whom else to offer. Others can be named on the page, except photos.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None, out_option("The folder for the faces that you save. By default, the current one.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The page's port; 0 means any that is free.")] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in your browser.")] = True,
) -> None:
    """Explore faces in your browser: they are drawn while you move sliders for age, smile, parents' shares and so on.

    The page also shows the command that draws the same face, and saves faces with their recipes. Only this machine can
    open it, until you press Ctrl-C. To draw on another machine: ssh -L 8000:localhost:8000 there, and --port 8000
    --no-browser.

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
    texts = references.split(*people) if people else []
    found = dict(zip(texts, casting.several(studio, texts) if texts else [], strict=True))
    studio.speed_up(1)
    with Server(Desk(studio, folder, found), port) as server:
        print_data(server.url)
        tell("Open this address in a browser on this machine. Press Ctrl-C to end.")
        if browser:
            _open(server.url)
        server.serve_forever()


def _open(url: str) -> None:
    """Opens a browser window; not a browser in this terminal, which would hold up the server."""
    import webbrowser

    if sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        webbrowser.open(url)
