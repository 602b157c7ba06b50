"""What a run was asked for, option by option as the user gave them, so that its folder alone is enough to go on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FILE = "command.json"


def dumps(given: dict[str, Any]) -> str:
    """`given` in JSON; files are named so that they are found from everywhere."""
    return json.dumps(given, indent=2, default=lambda path: str(path.resolve()))


def load(folder: Path) -> dict[str, Any]:
    """What the run in this folder was last asked for; nothing where no run is, or none that wrote it down."""
    try:
        found = json.loads((folder / FILE).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
