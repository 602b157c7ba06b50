"""Removes what would make this tool, or typer and rich when they are imported, do other than by default; the user's own
models and directions, too."""

import os
import tempfile

# With these, typer and rich take pipes for terminals.
TERMINALS = ("FORCE_COLOR", "GITHUB_ACTIONS", "PY_COLORS", "TERMINAL_WIDTH", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
OURS = ("STYLEGAN_DEBUG", "LOCAL_WORLD_SIZE", "RANK", "WORLD_SIZE")

os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"  # some tests have servers of their own
for name in TERMINALS + OURS:
    os.environ.pop(name, None)

data = tempfile.TemporaryDirectory(prefix="stylegan-data-")  # removed when this process ends
os.environ["STYLEGAN_DATA"] = data.name
