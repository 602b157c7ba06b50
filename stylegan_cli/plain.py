"""Plain values, as JSON has them, for the fields of dataclasses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

Value = TypeVar("Value")
LATER = {"later": True}  # the metadata of fields that were added when files with the others were about


def entries(value: Any) -> dict[str, Any]:
    """The fields of a dataclass, without those added LATER that have their defaults: so what is written, or hashed,
    does not depend on the version."""
    left_out = {one.name for one in fields(value) if one.metadata == LATER and getattr(value, one.name) == one.default}
    return {name: entry for name, entry in asdict(value).items() if name not in left_out}


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


def is_number(value: Any) -> bool:
    """Whether a value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def made(kind: type[Value], values: Mapping[str, Any], limits: Mapping[str, float], **parts: Any) -> Value:
    """A dataclass made of `parts` and plain `values`. Raises ValueError if one of those does not have its field's type,
    is not finite, is above its limit, or is a negative integer."""
    wrong = misfits(kind, values)
    for name, value in values.items():
        if isinstance(value, int | float) and not (math.isfinite(value) and value <= limits.get(name, math.inf)):
            wrong.append(name)
        if type(value) is int and value < 0:
            wrong.append(name)
    if wrong:
        raise ValueError(f"its {wrong[0]} is {values[wrong[0]]!r}")
    return kind(**values, **parts)
