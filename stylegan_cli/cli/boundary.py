"""The one error boundary: every failure ends as one sentence on stderr and an exit code."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import typer

from stylegan_cli.cli.console import insist
from stylegan_cli.cli.stopping import INTERRUPTED, ending_cleanly
from stylegan_cli.errors import StyleganError, first_line, lacks_memory
from stylegan_cli.files import claims

Item = TypeVar("Item")
Made = TypeVar("Made")
LONGEST = 1200  # letters of a sentence
# What to do about an error of the system, if its message does not say so.
ADVICE = {
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EROFS: "choose another place",
    errno.EACCES: "choose another place, or change the permissions there",
    errno.EPERM: "choose another place, or change the permissions there",
    errno.ENOTDIR: "there is a file where a folder should be; choose another place",
}


@contextmanager
def boundary() -> Iterator[None]:
    """Exit code 2 for usage, 130 for Ctrl-C and SIGTERM, 1 for the rest; STYLEGAN_DEBUG=1 lets tracebacks through."""
    with ending_cleanly():  # also while the user is told
        try:
            with claims():
                yield
        except typer.Exit:
            raise
        except typer.TyperException as error:
            if not error.format_message():  # a command that asks for help without arguments has printed it
                raise
            insist(f"Error: {misuse(error)}.")
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt as stop:
            if os.environ.get("RANK", "0") == "0":  # torchrun's other processes were stopped, too
                insist(str(stop) or "Stopped. Finished results are kept; nothing is half-written.")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:  # the reader of our stdout has gone (`| head`)
            raise typer.Exit(1) from None
        except Exception as error:
            if _is_debugging():
                _show_causes(error)
                raise
            insist(f"Error: {sentence(error)}.")
            raise typer.Exit(getattr(error, "exit_code", 1)) from None


def each(items: Sequence[Item], do: Callable[[Item], Made]) -> dict[int, Made]:
    """What `do` makes of items, by their places. One of several with which it fails does not stop the others."""
    made = {}
    for place, item in enumerate(items):
        try:
            made[place] = do(item)
        except BrokenPipeError:  # it is not the item's fault, and would happen with each
            raise
        except (StyleganError, OSError) as error:
            if len(items) == 1 or _is_debugging():
                raise
            insist(f"Error: {sentence(error)}.")
    return made


def each_photo(photos: Sequence[Item], do: Callable[[Item], None], done: str) -> None:
    """Does it with each photo, which is then `done`."""
    if failed := len(photos) - len(each(photos, do)):
        raise StyleganError(f"{failed} of {len(photos)} photos could not be {done}")


def _is_debugging() -> bool:
    return bool(os.environ.get("STYLEGAN_DEBUG"))


def _show_causes(error: BaseException | None) -> None:
    """Lets the traceback show what an error came from, even if the sentence for the user does without (`from None`): it
    can be a mistake of ours that looks like a damaged file."""
    while error:
        error.__suppress_context__ = False
        error = error.__cause__ or error.__context__


def misuse(error: typer.TyperException) -> str:
    """What Typer did not understand, and how the command is used, in one sentence."""
    told = error.format_message().rstrip(".").replace(". Did", "; did")
    told = re.sub(r" \(Possible options: ([^)]*)\)", r"; possible options: \1", told)
    if problems := getattr(error.__cause__, "errors", None):  # pydantic's, which know what was found
        found = problems()[0]["input"]
        told = re.sub(": Input should be ([^,]+).*", lambda match: f": it should be {match[1]}, not {found}", told)
    context: typer.Context | None = getattr(error, "ctx", None)
    usage = " ".join(context.get_usage().split()).removeprefix("Usage: ") if context else ""
    return told[:1].lower() + told[1:] + (f" (usage: {usage}; more with --help)" if usage else "")


def _shortened(text: str) -> str:
    """A text without its middle if it is endless: damaged files have names and values of any length. The advice is at
    the end."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"


def sentence(error: Exception) -> str:
    """What happened, in one sentence for the user."""
    if isinstance(error, StyleganError):
        return _shortened(str(error))
    if lacks_memory(error):
        return "there is not enough memory for this; try smaller or fewer pictures, smaller networks, or --device cpu"
    if isinstance(error, OSError) and error.strerror:
        what = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
        return f"{what}; {ADVICE[error.errno]}" if error.errno in ADVICE else what
    return f"an unexpected error occurred ({type(error).__name__}: {first_line(error)}); STYLEGAN_DEBUG=1 shows where"
