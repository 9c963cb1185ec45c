"""Numbers as people read them, and the tables of the commands."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence

from pymonik.graph.figures import Figures, Requests

_WIDEST = 120


def columns() -> int:
    """Give the width there is for drawings."""
    return min(shutil.get_terminal_size((80, 24)).columns, _WIDEST)


def has_colour() -> bool:
    """Tell whether what is printed is for a terminal that may be coloured."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def size_text(size: float) -> str:
    """Give a number of bytes with three digits: 1.53 MB."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 999.5 or unit == "TB":
            return f"{size:.0f} B" if unit == "B" else f"{size:.3g} {unit}"
        size /= 1000
    raise AssertionError


def seconds_text(seconds: float) -> str:
    """Give a time as people say it: 12 ms, 3.4 s, 5 min 20 s, 2 h 5 min."""
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    if seconds < 99.5:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes} min" if minutes else f"{hours:,} h"


def counted(number: int, noun: str) -> str:
    """Give "1 call", "2 calls"."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def figures_text(figures: Figures) -> str:
    """Print the counts of a plan, one line each."""
    return table(figures_rows(figures))


def table(rows: Sequence[Sequence[str]]) -> str:
    """Line up the columns of rows."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def figures_rows(figures: Figures) -> list[tuple[str, str]]:
    """Give the counts of a plan as names and values."""
    left = "" if figures.calls == figures.written else f", {figures.calls:,} after sharing"
    requests = sum(kind.requests for kind in figures.requests)
    several = [("submissions", f"{figures.submissions:,}, one after another")]
    return [
        *(several if figures.submissions > 1 else []),
        ("calls", f"{figures.written:,}{left}"),
        ("units", f"{figures.units:,}, compiled for {figures.slots} at a time"),
        ("depth", f"{counted(figures.depth, 'call')}, {counted(figures.unit_depth, 'unit')}"),
        ("width", counted(figures.width, "call")),
        ("requests", f"{requests:,}"),
        *(
            (f"  {one.kind}", f"{one.requests:,} for {_items(one)}, {size_text(one.bytes)}")
            for one in figures.requests
        ),
        ("bytes", f"{size_text(figures.bytes_sent)} sent"),
        ("", f"{size_text(figures.bytes_raw)} of functions and arguments, as often as used"),
        ("", f"{size_text(figures.bytes_distinct)} of them, each once"),
    ]


def _items(requests: Requests) -> str:
    return counted(requests.items, "unit" if requests.kind == "submit" else "object")
