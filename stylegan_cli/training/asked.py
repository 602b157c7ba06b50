"""What a run was asked for, option by option as the user gave them, so that its folder alone is enough to go on."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

FILE = "command.json"
PRESET = "auto"  # where none was asked for


def dumps(given: dict[str, Any]) -> str:
    """`given` in JSON; files are named so that they are found from everywhere."""
    return json.dumps(given, indent=2, default=lambda path: str(path.resolve()))


def command(given: dict[str, Any]) -> str:
    """The command line that asks for all of `given`, with files by their bare names, for whoever reads where a model
    comes from."""
    words = [word for name, value in given.items() for word in _words(name.replace("_", "-"), value)]
    return shlex.join(["stylegan", "train", *words])


def _words(option: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [f"--{option}" if value else f"--no-{option}"]
    return [f"--{option}", value.name if isinstance(value, Path) else str(value)]


def load(folder: Path) -> dict[str, Any]:
    """What the run in this folder was last asked for; nothing where no run is, or none that wrote it down."""
    try:
        found = json.loads((folder / FILE).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
