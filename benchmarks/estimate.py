"""`python -m benchmarks.estimate`: what `graph cost` says beforehand, beside what it then takes.

Each program is run twice on the embedded engine. The first run tells how long calls last; from that
the second is simulated, and measured. A third figure simulates the second run from its own
durations: what is left of the error is the simulator's, the rest is that of a machine whose runs
differ.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from pymonik import Pymonik, task
from pymonik.analysis.estimate import estimate
from pymonik.analysis.simulate import LOCAL, Overheads
from pymonik.analysis.total import in_turn
from pymonik.capture.text.fingerprint import fingerprint
from pymonik.cli.full_run import ExecutionTrace, trace_execution

_UNITS, _LINKS = 500, 100
EXAMPLES = Path(__file__).parents[1] / "examples"


@task
def spin(seconds: float, *needs: object) -> float:
    """Work for a while: at least so many seconds, on a processor."""
    from time import perf_counter

    end = perf_counter() + seconds
    while perf_counter() < end:
        pass
    return seconds


def value_at_risk() -> None:
    """Run the example with a tenth of its scenarios, several times as many a call."""
    import runpy
    import sys

    before, sys.argv = sys.argv, ["value_at_risk.py", "--json", "--scenarios", "20000"]
    try:
        runpy.run_path(str(EXAMPLES / "value_at_risk.py"), run_name="__main__")
    finally:
        sys.argv = before


def stencil(blocks: int = 16, steps: int = 20, seconds: float = 0.02) -> None:
    """Advance blocks, each of which needs its neighbours of the step before."""
    with Pymonik():
        row: list[Any] = [spin.invoke(seconds) for _ in range(blocks)]
        for _ in range(steps - 1):
            row = [spin.invoke(seconds, *row[max(0, i - 1) : i + 2]) for i in range(blocks)]
        for block in row:
            block.get()


def tree(leaves: int = 64, seconds: float = 0.05) -> None:
    """Reduce leaves pair by pair."""
    with Pymonik():
        level: Any = spin.map_invoke([(seconds,)] * leaves)
        while len(level) > 1:
            pairs = zip(level[::2], level[1::2], strict=True)
            level = spin.map_invoke([(seconds, a, b) for a, b in pairs])
        level[0].get()


PROGRAMS: dict[str, Callable[[], None]] = {
    "value at risk": value_at_risk,
    "stencil": stencil,
    "tree": tree,
}


def ran(program: Callable[[], None]) -> ExecutionTrace:
    """Run a program on the embedded engine; give what was kept of it."""
    with trace_execution() as kept, redirect_stdout(StringIO()):
        program()
    return kept


@task
def nothing(*needs: object) -> None:
    """Take no time."""


def overheads() -> Overheads:
    """Measure what the engine costs on this machine, now: it is shared with others.

    start: until the first call can run. unit: of many independent units, each on its worker.
    level: of a chain of units, each, beside that.
    """
    with Pymonik(optimize=False) as client:
        begin = time.perf_counter()
        nothing.invoke().get()
        start = time.perf_counter() - begin
        many = nothing.map_invoke([()] * _UNITS)
        client.flush()
        begin = time.perf_counter()
        many.wait()
        slots = client.create().parts.engine.opened().traits.slots
        unit = (time.perf_counter() - begin) / _UNITS * slots
        link = nothing.invoke()
        for _ in range(_LINKS):
            link = nothing.invoke(link)
        client.flush()
        begin = time.perf_counter()
        link.wait()
        level = max(0.0, (time.perf_counter() - begin) / _LINKS - unit)
    return replace(LOCAL, start=start, unit=unit, level=level)


def simulated(kept: ExecutionTrace, durations: dict[str, float], costs: Overheads) -> float:
    """Give the makespan that the submissions of a run take on its workers, by durations."""

    def seconds(spec: Any) -> float | None:
        return durations.get(fingerprint(spec.code.function, packages=False))

    plans = kept.submissions
    made = [estimate(plan, remembered=seconds, overheads=costs) for plan in plans]
    # Executors start once.
    return in_turn(made).makespan - costs.start * (len(made) - 1)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    os.environ.setdefault("PYMONIK_RUNS", "off")
    table = Table("program", "units", "simulated", "measured", "off by", "by its own durations")
    for name, program in PROGRAMS.items():
        earlier, costs = ran(program), overheads()
        for _ in range(rounds):
            later = ran(program)
            before = simulated(later, earlier.durations(), costs)
            own, measured = simulated(later, later.durations(), costs), later.makespan
            table.add_row(
                name,
                f"{len(later.units):,}",
                f"{before:.2f} s",
                f"{measured:.2f} s",
                f"{before / measured - 1:+.0%}",
                f"{own:.2f} s, {own / measured - 1:+.0%}",
            )
            earlier = later
    Console().print(table)


if __name__ == "__main__":
    main()
