"""The tables of the commands, the terminal they are for, and the files they write."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence

import rich_click as click

from pymonik.analysis.counts import Figures, Requests
from pymonik.humanize import counted, size_text
from pymonik.values.foreign import harmless

# Wider lines are hard to read, however wide the terminal is.
_WIDEST = 120


def columns() -> int:
    """Return the width there is for drawings."""
    return min(shutil.get_terminal_size((80, 24)).columns, _WIDEST)


def has_colour() -> bool:
    """Return whether what is printed is for a terminal that may be coloured."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def figures_text(figures: Figures) -> str:
    """Print the counts of a plan, one line each."""
    return table(figures_rows(figures))


def say(text: str = "", err: bool = False, nl: bool = True) -> None:
    """Print a text of any number of lines, which may hold words of others."""
    click.echo(harmless(text, lines=True), err=err, nl=nl)


def indented(text: str) -> str:
    """Return what somebody else said, for a line that is indented: its own lines are more so."""
    return harmless(text, lines=True).replace("\n", "\n    ")


def table(rows: Sequence[Sequence[str]]) -> str:
    """Line up the columns of rows."""
    rows = [list(map(harmless, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def figures_rows(figures: Figures) -> list[tuple[str, str]]:
    """Return the counts of a plan as names and values."""
    left = "" if figures.calls == figures.written else f", {figures.calls:,} after sharing"
    compiled = f", compiled for {figures.slots} at a time" if figures.slots else ""
    gathering = figures.tasks - figures.units
    units = f"{figures.units:,}" + (f", and {gathering:,} to gather inputs" if gathering else "")
    requests = sum(kind.requests for kind in figures.requests)
    several = [("submissions", f"{figures.submissions:,}, one after another")]
    return [
        *(several if figures.submissions > 1 else []),
        ("calls", f"{figures.written:,}{left}"),
        ("units", f"{units}{compiled}"),
        ("depth", f"{counted(figures.depth, 'call')}, {counted(figures.unit_depth, 'unit')}"),
        ("width", counted(figures.width, "call")),
        *([("requests", f"{requests:,}")] if requests else []),
        *(
            (f"  {one.kind}", f"{one.requests:,} for {_items(one)}, {size_text(one.bytes)}")
            for one in figures.requests
        ),
        ("bytes", f"{size_text(figures.bytes_sent)} sent"),
        ("", f"{size_text(figures.bytes_raw)} of functions and arguments, as often as used"),
        ("", f"{size_text(figures.bytes_distinct)} of them, each once"),
    ]


def write_text(path: str, text: str, option: str) -> None:
    """Write a file that an option has named; one that cannot be written is wrong usage."""
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        why = f"{path} cannot be written: {error.strerror}"
        raise click.BadParameter(why, param_hint=option) from error


def _items(requests: Requests) -> str:
    return counted(requests.items, "unit" if requests.kind == "submit" else "object")
