"""Sheets that draw every seed in several ways, side by side."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

from stylegan_cli.cli.options import LARGEST_PSI, Generation, check_unused, parse_numbers
from stylegan_cli.errors import UsageError

if TYPE_CHECKING:
    from stylegan_cli.cli.studio import Studio
    from stylegan_cli.latents.people import Person


@dataclass(frozen=True)
class Column:
    """One way: with another psi, or as another class, than the studio's."""

    name: str
    psi: float | None = None
    class_index: int | None = None

    def person(self, studio: Studio, seed: int) -> Person:
        from stylegan_cli.latents.people import from_seed

        if self.class_index is not None:
            studio.generator.choose_class(self.class_index)
        drawn = from_seed(studio.generator, seed, studio.psi if self.psi is None else self.psi)
        return replace(drawn, label=f"{seed}, {self.name}")


def columns_of(psis: str | None, classes: str | None, generation: Generation) -> list[Column]:
    """The columns that are asked for, at most by one of both; none if by neither."""
    if psis is not None:
        check_unused("--psis says how seeds are truncated", {"--psi": generation.psi, "--classes": classes})
        return [Column(f"psi {psi:g}", psi=psi) for psi in _psis(psis)]
    if classes is not None:
        check_unused("--classes says which classes are drawn", {"--class": generation.class_index})
        return [Column(f"class {number}", class_index=number) for number in _classes(classes)]
    return []


def _psis(text: str) -> tuple[float, ...]:
    try:
        found = parse_numbers(text, text.count(",") + 1)
    except ValueError:
        found = ()
    if not found or max(map(abs, found)) > LARGEST_PSI:
        raise UsageError(f"--psis takes numbers from -{LARGEST_PSI} to {LARGEST_PSI} like -1,0,0.5,1, not {text!r}")
    return found


def _classes(text: str) -> list[int]:
    from stylegan_cli.latents.references import parse_seeds

    try:
        return list(chain(*parse_seeds(text)))
    except UsageError:
        raise UsageError(f"--classes takes numbers and ranges like 0-4,7, not {text!r}") from None
