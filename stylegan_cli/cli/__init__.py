"""The command line: `commands/` has one thin file per command; beside it is what they share."""

import io
import os
import sys


def main() -> None:
    """The entry point of `stylegan`."""
    try:
        _print_any_path()
        # The CPU does what Apple's MPS cannot do; torch reads this when it is loaded.
        os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")
        from stylegan_cli.cli.app import app

        app()
    except KeyboardInterrupt:  # before a command has begun
        sys.exit(130)


def _print_any_path() -> None:
    """A file name may not be valid text, or not in the terminal's encoding: printing one must not stop the work."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        is_utf8 = sys.stdout.encoding.lower().replace("-", "") == "utf8"
        sys.stdout.reconfigure(errors="surrogateescape" if is_utf8 else "backslashreplace")
