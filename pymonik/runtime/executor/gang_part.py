"""The part of an executor in a unit that several run together: whether it still has one.

Enters: a unit with its gang, whose members are told of it one after the other. Leaves: the report
of this one: of the lanes it runs (`lane`), or of nothing, where others have run them all meanwhile,
or where no memory can be had here.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from pymonik.runtime.executor.calls import Report
from pymonik.runtime.executor.lane import Lanes
from pymonik.runtime.executor.later_steps import LaterSteps
from pymonik.wire.shared_cells import AGAIN, Gang, SharedCells

if TYPE_CHECKING:
    from pymonik.runtime.executor.step_runner import StepRunner


def run_lanes(runner: StepRunner, gang: Gang) -> Report:
    """Run the part of this executor in a unit; return the report of it."""
    nothing: list[list[Any]] = [[] for _ in runner.outputs]
    cells = _mapped(gang)
    if cells is None:
        return Report(0, 0, nothing, [], last=True)
    with closing(cells):
        is_here = cells.arrive()
        # Others have taken it over; or all begin again, elsewhere, and this is no part of theirs.
        if cells.stopped == AGAIN or (not is_here and (gang.member or cells.stopped)):
            return Report(0, 0, nothing, [], last=True, is_late=True)
        cells.come()
        runner.use_steps(LaterSteps(runner.assignment.program))
        return Lanes(runner, gang, cells, is_here).run()


def _mapped(gang: Gang) -> SharedCells | None:
    """Return the cells; None where no more files, or memory, may be had here: others run it."""
    if isinstance(gang.file, bytes):
        return None
    try:
        return SharedCells(gang.file.fd, len(gang.lanes), gang.parts, gang.member)
    except (OSError, MemoryError):
        return None
