"""Plain values, as JSON has them, for the fields of dataclasses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args, get_origin, get_type_hints


def misfits(kind: type, values: Mapping[str, Any]) -> list[str]:
    """The names of `values` whose type is not that of their field in the dataclass `kind`, which must have a field for
    each. Integers count as floats, and lists as tuples."""
    hints = get_type_hints(kind)
    return [name for name, value in values.items() if not _fits(hints[name], value)]


def _fits(hint: Any, value: Any) -> bool:
    if get_origin(hint) is tuple:
        return isinstance(value, list | tuple) and all(_fits(get_args(hint)[0], one) for one in value)
    checked = {float: float | int, float | None: float | int | None, dict[str, Any]: dict}
    return isinstance(value, checked.get(hint, hint))
