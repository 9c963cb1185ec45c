"""Numbers as people read them: bytes, times, counts."""

from __future__ import annotations

from typing import Any


def size_text(size: float) -> str:
    """Return a number of bytes with three digits: 1.53 MB."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 999.5 or unit == "TB":
            return f"{size:.0f} B" if unit == "B" else f"{size:.3g} {unit}"
        size /= 1000
    raise AssertionError


def seconds_text(seconds: float) -> str:
    """Return a time as people say it: 12 ms, 3.4 s, 5 min 20 s, 2 h 5 min."""
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    if seconds < 99.5:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes} min" if minutes else f"{hours:,} h"


def literal(value: Any) -> str:
    """Write an immediate, or a tuple of such, as `repr` does, and numbers that are too long for it.

    Python refuses to write more than 4 300 digits: to find them takes long.
    """
    try:
        return repr(value)
    except ValueError:
        if type(value) is not tuple:
            return hex(value)
        return f"({', '.join(map(literal, value))},)"


def counted(number: int, noun: str) -> str:
    """Return "1 call", "2 calls"."""
    return f"{number:,} {noun}{'s' * (number != 1)}"
