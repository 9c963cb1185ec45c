"""What units leave behind in a worker: it is kept for the agent, not run here.

Enters: plans of sub-tasks and elements handed back, from the scheduler. Leaves: a `Left` a unit,
once the unit has ended: units to submit, and holes, the values of this unit that they will make.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pymonik.plan.fan_in import Hole
from pymonik.plan.unit import Unit
from pymonik.runtime.host.scheduler import Scheduler
from pymonik.runtime.host.subtasks import inherit
from pymonik.runtime.host.unit_slice import Piece, Running
from pymonik.values.outputs import Cell
from pymonik.wire.program import cut

# Elements that were handed back leave in so many tasks: each may hand back again.
_PARTS = 16


@dataclass
class Left:
    """What one unit left behind. holes: (output, element, cell, its output, its place)."""

    units: list[Unit] = field(default_factory=list)
    holes: list[Hole] = field(default_factory=list)


class Emit:
    """Keeps what units of one host leave behind, by their cells."""

    def __init__(self) -> None:
        self._left: dict[int, Left] = {}
        self._scheduler: Scheduler | None = None

    def attach(self, scheduler: Scheduler) -> Emit:
        """Serve a scheduler."""
        self._scheduler = scheduler
        return self

    def take(self, cell: Cell) -> Left:
        """Give what a unit left behind."""
        return self._left.pop(id(cell), None) or Left()

    def expand(self, running: Running, plan: Any, start: int, columns: Sequence[Any]) -> int:
        """Keep units and bindings; their elements have ended as far as this host goes."""
        units, bindings = plan
        left = self._left.setdefault(id(running.unit.cell), Left())
        inherit(units, running.unit)
        left.units += units
        for output, element, number, place_output, place in bindings:
            if output is not None:
                columns[output][element - start] = None
                left.holes.append((output, element, units[number].cell, place_output, place))
        return 0

    def hand_back(self, rest: Piece) -> None:
        """Keep elements that were not run, as units of their own."""
        unit, count = rest.running.unit, rest.stop - rest.start
        left = self._left.setdefault(id(unit.cell), Left())
        size = -(-count // min(count, _PARTS))
        for start in range(rest.start, rest.stop, size):
            stop = min(start + size, rest.stop)
            cell = Cell(stop - start, len(unit.cell.columns))
            program = cut(unit.program, start, stop)
            part = Unit(0, program, unit.inputs, cell, unit.options, unit.name)
            part.environment, part.modules = unit.environment, unit.modules
            left.units.append(part)
            for output in range(len(cell.columns)):
                left.holes += [
                    (output, start + place, cell, output, place) for place in range(cell.n)
                ]
        assert self._scheduler is not None
        unit.cell.fill(rest.start, [[None] * count for _ in unit.cell.columns])
        self._scheduler.settle(rest.running, count)
