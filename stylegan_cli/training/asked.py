"""The options of a run as the user gave them, so that its folder alone is enough to continue."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

FILE = "command.json"
PRESET = "auto"  # the default


def dumps(given: dict[str, Any]) -> str:
    """`given` in JSON; paths are absolute, so that files are found from any folder."""
    return json.dumps(given, indent=2, default=lambda path: str(path.resolve()))


def command(given: dict[str, Any]) -> str:
    """The command line with all options in `given`, and files without their folders, to document where a model comes
    from."""
    return f"stylegan train {options(given)}"


def options(given: dict[str, Any]) -> str:
    """These options as words of a command line."""
    return shlex.join(word for name, value in given.items() for word in _words(name.replace("_", "-"), value))


def _words(option: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [f"--{option}" if value else f"--no-{option}"]
    return [f"--{option}", value.name if isinstance(value, Path) else str(value)]


def load(folder: Path) -> dict[str, Any]:
    """The options last given for the run in this folder; empty if there is no run, or it did not record them."""
    try:
        found = json.loads((folder / FILE).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
