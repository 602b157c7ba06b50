"""Removes what would make this tool, or typer and rich when they are imported, do other than by default."""

import os

# With these, typer and rich take pipes for terminals.
TERMINALS = ("FORCE_COLOR", "GITHUB_ACTIONS", "PY_COLORS", "TERMINAL_WIDTH", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
OURS = ("STYLEGAN_DATA", "STYLEGAN_DEBUG", "LOCAL_WORLD_SIZE", "RANK", "WORLD_SIZE")

os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"  # some tests have servers of their own
for name in TERMINALS + OURS:
    os.environ.pop(name, None)
