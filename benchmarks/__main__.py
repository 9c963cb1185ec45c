"""`python -m benchmarks`: measure PymoniK and its peers in one run and print the table."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time

from rich.console import Console

from benchmarks import table
from benchmarks.peers import PEERS, installed
from benchmarks.programs import PROGRAMS
from benchmarks.runner import run


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked for; return 1 if any cell ended in an error or a wrong value."""
    options = parse(arguments)
    peers = [name for name in options.peers if installed(name)]
    notes = Console(stderr=True)
    for name in options.peers:
        if name not in peers:
            notes.print(f"{name}: not installed, left out")
    start, load = time.perf_counter(), os.getloadavg()[0]
    with notes.status("starting the peers") as status:
        cells = run(
            options.only,
            peers,
            rounds=options.repeat,
            quick=options.quick,
            workers=options.workers,
            progress=status.update,
        )
    rows, host = table.rows(cells, judge=not options.quick), table.host(peers, options.workers)
    host["seconds"] = round(time.perf_counter() - start, 1)
    host["load before"] = round(load, 1)  # figures of a machine that others use are worth less
    host["disturbed figures"] = table.disturbed(cells)
    if options.output == "json":
        print(json.dumps({"host": host, "rows": table.as_data(rows)}, indent=1))
    else:
        show(rows, host)
    return int(any(cell.error for cell in cells.values()))


def show(rows: list[table.Row], host: dict[str, object]) -> None:
    """Print the host, the table, and the errors in full."""
    console = Console()
    console = Console(width=None if console.is_terminal else 160)
    console.print(", ".join(f"{key} {value}" for key, value in host.items() if key != "peers"))
    console.print(table.render(rows, host["peers"]))
    for row in rows:
        for peer, note in row.notes.items():
            console.print(f"{row.program} on {peer}: {note}", style="dim", markup=False)
        for peer, error in row.errors.items():
            console.print(f"{row.program} on {peer}: {error}", style="red", markup=False)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only",
        type=programs,
        default=list(PROGRAMS),
        metavar="NAME,…",
        help=f"programs, or the beginnings of their names: {', '.join(PROGRAMS)}",
    )
    parser.add_argument(
        "--peers",
        type=peers,
        default=list(PEERS),
        metavar="NAME,…",
        help=f"any of {', '.join(PEERS)}",
    )
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="rounds (3)")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="workers a peer (2)")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, one round, no verdicts")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    options = parser.parse_args(arguments)
    if options.quick:
        options.repeat = 1
    return options


def programs(text: str) -> list[str]:
    """Read a list of programs; a name stands for all that begin with it, unless it is one."""
    chosen: list[str] = []
    for word in text.split(","):
        found = [word] if word in PROGRAMS else [name for name in PROGRAMS if name.startswith(word)]
        if not found:
            raise argparse.ArgumentTypeError(
                f"no program {word!r}; there are {', '.join(PROGRAMS)}"
            )
        chosen += found
    return chosen


def peers(text: str) -> list[str]:
    """Read a list of peers."""
    chosen = text.split(",")
    for word in chosen:
        if word not in PEERS:
            raise argparse.ArgumentTypeError(f"no peer {word!r}; there are {', '.join(PEERS)}")
    return chosen


if __name__ == "__main__":
    sys.exit(main())
