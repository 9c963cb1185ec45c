"""Plain values of a file that anybody may have written: taken as what they should be, or refused.

Enters: what JSON holds. Leaves: the same, of the type that was demanded, or a ValueError.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn


def text(value: Any) -> str:
    """Return a text."""
    return value if type(value) is str else refuse(value)


def flag(value: Any) -> bool:
    """Return a boolean."""
    return value if type(value) is bool else refuse(value)


def items(value: Any) -> Sequence[Any]:
    """Return a list."""
    # Tuples are lists in JSON, and what was written of a run a moment ago was not.
    return value if isinstance(value, (list, tuple)) else refuse(value)


def number(value: Any, most: int | None, least: int = 0) -> int:
    """Return an integer within bounds; no `most` is no bound."""
    if type(value) is not int or value < least or (most is not None and value > most):
        refuse(value)
    return value


def positive(value: Any) -> float:
    """Return a number of seconds."""
    # A file may say anything: below 1e12 s, 30 000 years, sums of them overflow nowhere.
    return float(value) if type(value) in (int, float) and 0 <= value < 1e12 else refuse(value)


def label(value: Any) -> str | dict[int, str] | None:
    """Return a name, or names of elements by their numbers."""
    if isinstance(value, dict):  # the keys of JSON are texts
        return {int(index): text(name) for index, name in value.items()}
    return None if value is None else text(value)


def refuse(value: Any) -> NoReturn:
    """Raise ValueError for what does not belong there."""
    raise ValueError(f"the file holds {value!r:.80} in a place where this type is not allowed")
