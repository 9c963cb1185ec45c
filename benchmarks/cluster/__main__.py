"""`python -m benchmarks.cluster`: requests, bytes and seconds of programs on the emulator."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from benchmarks.cluster.measure import SIDES, Figure, measure
from benchmarks.cluster.programs import PROGRAMS
from benchmarks.table import number


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    options = _parse(arguments)
    with Console(stderr=True).status("starting") as status:
        figures = list(
            measure(
                options.only,
                options.latency,
                quick=options.quick,
                repeat=options.repeat,
                overhead=options.overhead,
                note=status.update,
            )
        )
    if options.output == "json":
        print(json.dumps([asdict(figure) for figure in figures], indent=1))
    else:
        console = Console()
        console = Console(width=None if console.is_terminal else 140)
        console.print(render(figures))


def render(figures: Sequence[Figure]) -> Table:
    """Draw a row for each program and latency, both sides in it."""
    table = Table(caption="from the opening of a session to its end", pad_edge=False)
    table.add_column("program")
    table.add_column("ms a request", justify="right")
    for side in SIDES:
        for what in ("requests", "kB", "tasks", "s"):
            table.add_column(f"{side}\n{what}", justify="right")
    rows: dict[tuple[str, float], dict[str, Figure]] = {}
    for figure in figures:
        rows.setdefault((figure.program, figure.latency_ms), {})[figure.side] = figure
    for name, latency in sorted(rows, key=lambda key: (list(PROGRAMS).index(key[0]), key[1])):
        cells = [cell for side in SIDES for cell in _cells(rows[name, latency].get(side))]
        table.add_row(PROGRAMS[name][0], f"{latency:g}", *cells)
    return table


def _cells(figure: Figure | None) -> list[str]:
    if figure is None:
        return ["–"] * 4
    size = number(figure.bytes / 1000)
    return [str(figure.requests), size, str(figure.tasks), number(figure.seconds)]


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description=__doc__)
    add = parser.add_argument
    add(
        "--only", type=_programs, default=list(PROGRAMS), metavar="NAME,…", help=", ".join(PROGRAMS)
    )
    add("--latency", type=_latencies, default=[0.0, 5.0], metavar="MS,…", help="a request (0,5)")
    add("--overhead", type=float, default=0.0, metavar="MS", help="of a task; a cluster has 15 (0)")
    add("--repeat", type=int, default=1, metavar="N", help="runs, of which the median counts (1)")
    add("--quick", action="store_true", help="tiny sizes")
    add("-o", "--output", choices=("table", "json"), default="table")
    return parser.parse_args(arguments)


def _programs(text: str) -> list[str]:
    unknown = [word for word in text.split(",") if word not in PROGRAMS]
    if unknown:
        known = ", ".join(PROGRAMS)
        raise argparse.ArgumentTypeError(f"no program {unknown[0]!r}; there are {known}")
    return text.split(",")


def _latencies(text: str) -> list[float]:
    return [float(word) for word in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
