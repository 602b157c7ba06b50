"""The command line: `commands/` has one thin file per command; beside it is what they share."""

import io
import os
import sys


def main() -> None:
    """The entry point of `stylegan`."""
    try:
        _print_any_path()
        set_up_torch()
        from stylegan_cli.cli.app import app

        app(prog_name="stylegan")  # also for python -m stylegan_cli
    except KeyboardInterrupt:  # before a command has begun
        sys.exit(130)


def set_up_torch() -> None:
    """Sets what torch reads when it is loaded, unless the user did."""
    # The CPU does what Apple's MPS cannot do.
    os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")
    # On Linux, threads wait for each other in a loop, by default for up to 300,000 turns. If another program keeps a
    # core busy, this takes the other cores from threads that have work to do: see `benchmarks/busy.py`.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "10000")


def _print_any_path() -> None:
    """A file name may not be valid text, or not in the terminal's encoding: printing one must not stop the work."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        is_utf8 = sys.stdout.encoding.lower().replace("-", "") == "utf8"
        sys.stdout.reconfigure(errors="surrogateescape" if is_utf8 else "backslashreplace")
