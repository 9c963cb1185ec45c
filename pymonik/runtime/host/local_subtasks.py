"""Work that a unit leaves behind, run in the same host.

Enters: plans that executors sent, and pieces not run. Leaves: units of the scheduler. A worker of a
cluster has its own way: see `runtime.worker.subtasks`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pymonik.runtime.host.subtasks import inherit
from pymonik.values.content import IMMEDIATE
from pymonik.values.outcome import PENDING, Failure

if TYPE_CHECKING:
    from pymonik.runtime.host.scheduler import Scheduler
    from pymonik.runtime.host.unit_slice import Piece, Running
    from pymonik.values.outputs import Cell


class Here:
    """Runs it in the same host."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def expand(self, running: Running, plan: Any, start: int, columns: Sequence[Any]) -> int:
        """Add the units that calls recorded, and let their values stand for outputs of this one."""
        units, bindings = plan
        inherit(units, running.unit)
        for observer in self._scheduler.observers:
            observer.made(running.unit, units, bindings)
        self._scheduler.add(units)
        running.children += [unit.cell for unit in units]
        for output, element, *_ in bindings:
            running.bound[element] = running.bound.get(element, 0) + 1
            if output is not None:
                columns[output][element - start] = PENDING
        for output, element, number, place_output, place in bindings:
            self._watch(running, output, element, units[number].cell, place_output, place)
        return len({element for _, element, *_ in bindings})

    def _watch(
        self, running: Running, output: int | None, element: int, cell: Cell, out: int, place: int
    ) -> None:
        def arrived() -> None:
            if not self._scheduler.is_open(running):
                return
            record = cell.columns[out][place]
            if output is not None:
                columns = running.unit.cell.columns
                running.unit.cell.plain[output] &= type(record) in IMMEDIATE
                columns[output][element] = record
                self._scheduler.due += running.unit.cell.due()
            elif type(record) is Failure:
                running.unit.cell.errors.append(record)
            running.bound[element] -= 1
            if not running.bound[element]:
                del running.bound[element]
                self._scheduler.settle(running, 1)

        cell.watch(out, place, arrived)

    def hand_back(self, rest: Piece) -> None:
        """Cut what an executor handed back, so that idle ones can share it."""
        scheduler, count = self._scheduler, rest.stop - rest.start
        size = -(-count // min(count, 2 * max(1, len(scheduler.executors))))
        for start in range(rest.start, rest.stop, size):
            scheduler.ready.append(replace(rest, start=start, stop=min(start + size, rest.stop)))
