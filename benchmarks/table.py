"""Medians, ratios and verdicts: as a table for people, as plain data for programs.

In: cells of a run. Out: rows; a rich table or plain data of them.
"""

from __future__ import annotations

import math
import os
import platform
import statistics
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from benchmarks.calm import CALM
from benchmarks.programs import PROGRAMS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.programs import Program
    from benchmarks.runner import Outputs

OURS = "pymonik"


@dataclass(frozen=True)
class Row:
    """One program: per peer a median and how many times PymoniK is better; the budget."""

    program: str
    title: str
    unit: str
    higher_is_better: bool
    medians: dict[str, float]
    ratios: dict[str, float]
    samples: dict[str, list[float]]
    sizes: dict[str, int | None]
    notes: dict[str, str]
    errors: dict[str, str]
    budget: float | None
    met: bool | None


def rows(cells: Mapping[tuple[str, str], Outputs], *, judge: bool) -> list[Row]:
    """Make a row a program, in the order of the run; small sizes are not judged."""
    medians = {key: statistics.median(cell.samples) for key, cell in cells.items() if cell.samples}
    return [
        row(
            PROGRAMS[name],
            {peer: cell for (n, peer), cell in cells.items() if n == name},
            medians,
            judge,
        )
        for name in dict.fromkeys(name for name, _ in cells)
    ]


def row(
    program: Program,
    cells: Mapping[str, Outputs],
    medians: Mapping[tuple[str, str], float],
    judge: bool,
) -> Row:
    """Sum up one program."""
    mine = {peer: medians[program.name, peer] for peer in cells if (program.name, peer) in medians}
    ours = mine.get(OURS)
    budget = program.budget.value(medians) if program.budget and judge else None
    better = program.higher_is_better
    return Row(
        program=program.name,
        title=program.title,
        unit=program.unit,
        higher_is_better=better,
        medians=mine,
        ratios={
            peer: ratio(ours, theirs, better)
            for peer, theirs in mine.items()
            if peer != OURS and ours and theirs
        },
        samples={peer: cell.samples for peer, cell in cells.items() if cell.samples},
        sizes={peer: cell.size for peer, cell in cells.items() if cell.samples},
        notes={peer: cell.note for peer, cell in cells.items() if cell.note},
        errors={peer: cell.error for peer, cell in cells.items() if cell.error},
        budget=budget,
        met=None if budget is None or ours is None else no_worse(ours, budget, better),
    )


def disturbed(cells: Mapping[tuple[str, str], Outputs]) -> str:
    """Say how many figures were taken while others slowed the cores, and by how much at most."""
    all_of_them = [factor for cell in cells.values() for factor in cell.disturbances]
    slow = [factor for factor in all_of_them if factor > CALM]
    worst = f", up to {max(slow):.1f} times slower" if slow else ""
    return f"{len(slow)} of {len(all_of_them)}{worst}"


def no_worse(ours: float, budget: float, higher_is_better: bool) -> bool:
    """Tell whether a figure keeps its budget."""
    return ours >= budget if higher_is_better else ours <= budget


def ratio(ours: float, theirs: float, higher_is_better: bool) -> float:
    """Return how many times better ours is: 2 is twice as fast or half as large."""
    return ours / theirs if higher_is_better else theirs / ours


def render(table_rows: Sequence[Row], peers: Sequence[str]) -> Table:
    """Draw the rows: budget, PymoniK and its verdict, then each peer with the ratio to it below."""
    others = [peer for peer in peers if peer != OURS]
    table = Table(caption="medians; ×n: PymoniK is n times better than this peer", pad_edge=False)
    table.add_column("program", overflow="fold")
    for heading in ("unit", "budget", OURS, "met", *others):
        table.add_column(heading, justify="left" if heading == "unit" else "right", no_wrap=True)
    for one in table_rows:
        sign = "≥" if one.higher_is_better else "≤"
        table.add_row(
            one.title,
            one.unit,
            "" if one.budget is None else f"{sign} {number(one.budget)}",
            figure(one, OURS),
            verdict(one.met),
            *(figure(one, peer) for peer in others),
        )
    return table


def figure(one: Row, peer: str) -> Text:
    """Write a cell: its median and the ratio, an error, or a dash."""
    if peer in one.errors:
        return Text("error", style="red")
    if peer not in one.medians:
        return Text("–", style="dim")
    text = Text(number(one.medians[peer]))
    if peer in one.ratios:
        text.append(f" ×{number(one.ratios[peer], 2)}", style="dim")
    return text


def verdict(met: bool | None) -> Text:
    """Write whether a budget is met."""
    if met is None:
        return Text("")
    return Text("met", style="green") if met else Text("not met", style="yellow")


def number(value: float, digits: int = 3) -> str:
    """Write a number with this many significant digits, thousands apart: 2 900 000 or 0.0456."""
    if value == 0:
        return "0"
    places = digits - 1 - math.floor(math.log10(abs(value)))
    return f"{round(value, places):,.{max(places, 0)}f}".replace(",", " ")


def host(peers: Sequence[str], workers: int) -> dict[str, Any]:
    """Describe where the figures come from."""
    return {
        "machine": platform.machine(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "workers": workers,
        "versions": {
            name: found
            for name in ("pymonik", "numpy", "joblib", "distributed")
            if (found := installed_version(name))
        },
        "peers": list(peers),
    }


def processor() -> str:
    """Return the processor's name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")),
        platform.processor(),
    )


def installed_version(name: str) -> str | None:
    """Return the version of a distribution, None if it is not installed as one."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def as_data(table_rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the rows as plain data."""
    return [asdict(one) for one in table_rows]
