"""The values that a type lists: what to name when another one was given."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin


def choices(annotation: Any) -> tuple[str, ...]:
    """Those of a ``Literal``, in its order, also within ``... | None``; none where any value may stand."""
    if get_origin(annotation) is Literal:
        return tuple(str(value) for value in get_args(annotation))
    return tuple(value for part in get_args(annotation) for value in choices(part))
