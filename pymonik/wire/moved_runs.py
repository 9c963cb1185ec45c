"""Programs that find values of other units elsewhere.

Enters: a program, and where each run over columns of other units has gone. Leaves: the same program
with other runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pymonik.wire.program import Program, Run, own_part


def with_runs(program: Program, moved: Callable[[Run], Run]) -> Program:
    """Return a program that finds values of other units elsewhere; runs that meet become one."""
    own = [
        step._replace(columns=tuple([_moved(column, moved) for column in step.columns]))
        for step in program.steps
    ]
    return Program.of(program.shared, tuple([own_part(step) for step in own]), program.n)


def _moved(column: Any, moved: Callable[[Run], Run]) -> Any:
    kind = column[0]
    if kind in "rb":
        runs: list[Any] = []
        for run in column[1]:
            after = run if run[0] == "c" else moved(run)
            if runs and _meet(runs[-1], after):
                runs[-1] = (*runs[-1][:4], runs[-1][4] + after[4])
            else:
                runs.append(after)
        return (kind, runs)
    if kind in "mn":
        return (*column[:-1], [_moved(slot, moved) for slot in column[-1]])
    return column


def _meet(before: Any, after: Any) -> bool:
    """Return whether a run goes on where another, of neighbours too, has ended."""
    if "c" in (before[0], after[0]) or not before[3] == after[3] == 1:
        return False
    return bool(before[:2] == after[:2] and before[2] + before[4] == after[2])
