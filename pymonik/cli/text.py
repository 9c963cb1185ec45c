"""Numbers as people read them, and the tables of the commands."""

from __future__ import annotations

import shutil

from pymonik.graph.cost import Figures

_WIDEST = 120


def columns() -> int:
    """Give the width there is for drawings."""
    return min(shutil.get_terminal_size((80, 24)).columns, _WIDEST)


def size_text(size: float) -> str:
    """Give a number of bytes with three digits: 1.53 MB."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 999.5 or unit == "TB":
            return f"{size:.0f} B" if unit == "B" else f"{size:.3g} {unit}"
        size /= 1000
    raise AssertionError


def counted(number: int, noun: str) -> str:
    """Give "1 call", "2 calls"."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def figures_text(figures: Figures) -> str:
    """Print the counts of a plan, one line each."""
    rows = figures_rows(figures)
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {text}" for name, text in rows)


def figures_rows(figures: Figures) -> list[tuple[str, str]]:
    """Give the counts of a plan as names and values."""
    left = "" if figures.calls == figures.written else f", {figures.calls:,} after sharing"
    requests = sum(kind.requests for kind in figures.requests)
    return [
        ("calls", f"{figures.written:,}{left}"),
        ("units", f"{figures.units:,}, compiled for {figures.slots} at a time"),
        ("depth", f"{counted(figures.depth, 'call')}, {counted(figures.unit_depth, 'unit')}"),
        ("width", counted(figures.width, "call")),
        ("requests", f"{requests:,}"),
        *(
            (f"  {kind.kind}", f"{kind.requests:,} × {_items(kind.items)} {size_text(kind.bytes)}")
            for kind in figures.requests
        ),
        ("bytes", f"{size_text(figures.bytes_sent)} sent"),
        ("", f"{size_text(figures.bytes_raw)} of functions and arguments, as often as used"),
        ("", f"{size_text(figures.bytes_distinct)} of them, each once"),
    ]


def _items(items: int) -> str:
    return f"{items:,}"
