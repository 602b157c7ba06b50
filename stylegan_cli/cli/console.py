"""What the user sees: data on stdout, prose and progress on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


@cache
def prose() -> Console:
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def tell(sentence: str) -> None:
    """One sentence of prose."""
    prose().print(sentence, markup=False, soft_wrap=True)


def data(line: object) -> None:
    """One line of data."""
    sys.stdout.write(f"{line}\n")


@contextmanager
def progress(what: str, total: int, quiet: bool, unit: str = "faces") -> Iterator[Callable[[int], None]]:
    """A bar with the time left, on terminals; yields a function that takes how much is done in all."""
    if quiet or total <= 1 or not prose().is_terminal:
        yield lambda _done: None
        return
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    amount = [DownloadColumn()] if unit == "bytes" else [MofNCompleteColumn(), TextColumn(unit)]
    columns = (TextColumn("{task.description}"), BarColumn(), *amount, TimeRemainingColumn())
    # On a terminal the bar must make room for data lines; when stdout is a pipe or a file they must stay there.
    with Progress(*columns, console=prose(), transient=True, redirect_stdout=sys.stdout.isatty()) as bars:
        task = bars.add_task(what, total=total)
        yield lambda done: bars.update(task, completed=done)
