"""The README and docs tell the truth: commands exist and parse, pictures are there, and no command is missing."""

import re
import shlex
from pathlib import Path

import pytest
import typer.main

from stylegan_cli.cli.app import app
from stylegan_cli.cli.spellings import spelled

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
COMING = (ROOT / "docs/coming-from.md").read_text(encoding="utf-8")


def lines_of(text):
    """The command lines in a page."""
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.startswith("stylegan ")]


LINES = lines_of(TEXT)


def command_of(words):
    """The command that `words` begin with, and the rest of them."""
    group = typer.main.get_command(app)
    while words and words[0] in getattr(group, "commands", {}):
        group, words = group.commands[words[0]], words[1:]
    return group, words


@pytest.mark.parametrize("line", [*LINES, *lines_of(COMING)])
def test_every_command_parses(line, here):
    words = spelled(shlex.split(line, comments=True)[1:])
    for word in words:
        if word.endswith((".pkl", ".png", ".jpg", ".toml", ".zip")):
            Path(word).touch()
    command, arguments = command_of(words)
    assert not hasattr(command, "commands"), f"{line} names no command"
    command.make_context(command.name, list(arguments))


def test_every_command_is_told():
    top = typer.main.get_command(app).commands
    told = {command_of(shlex.split(line, comments=True)[1:])[0].name for line in LINES} | set(
        re.findall(r"`(\w+)`", TEXT)
    )
    told |= set(re.findall(r"\*\*([\w-]+)\*\*", TEXT))
    assert {*top, *top["models"].commands} <= told | {"models"}


@pytest.mark.parametrize("path", re.findall(r"\]\((\w[^)#]*)\)|src=\"([^\"]+)\"", TEXT))
def test_every_link_leads_somewhere(path):
    assert (ROOT / "".join(path)).exists()
