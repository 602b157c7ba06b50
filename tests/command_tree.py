"""The commands of the command line, and their options."""

import typer.main

from stylegan_cli.cli.app import app

TOP = typer.main.get_command(app)


def below(group, *before):
    """Every command and group below this one, by its words."""
    for name, command in group.commands.items():
        yield (*before, name), command
        if hasattr(command, "commands"):
            yield from below(command, *before, name)


def options_of(command):
    """All names of its options."""
    return {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
