"""Work that a unit leaves behind, run in the same host.

Enters: plans that executors sent, and pieces not run. Leaves: units of the scheduler. A worker of a
cluster has its own way: see `runtime.worker.subtasks`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pymonik.runtime.host.subtasks import inherit
from pymonik.runtime.host.unit_slice import UnitSlice
from pymonik.values.content import IMMEDIATE
from pymonik.values.outcome import PENDING, Failure

if TYPE_CHECKING:
    from pymonik.plan.unit import Unit
    from pymonik.runtime.host.scheduler_state import SchedulerState
    from pymonik.runtime.host.unit_slice import UnitState
    from pymonik.values.outputs import Outputs


class LocalSubtasks:
    """Runs it in the same host."""

    def __init__(self, state: SchedulerState) -> None:
        self._state = state

    def spawn(self, running: UnitState, plan: Any, start: int, columns: Sequence[Any]) -> int:
        """Add the units that calls recorded, and let their values stand for outputs of this one."""
        units, bindings = plan
        inherit(units, running.unit)
        for observer in self._state.observers:
            observer.made(running.unit, units, bindings)
        return self.run_here(running, units, units, bindings, start, columns)

    def run_here(
        self,
        running: UnitState,
        units: Sequence[Unit],
        added: Sequence[Unit],
        bindings: Sequence[Any],
        start: int,
        columns: Sequence[Any],
    ) -> int:
        """Add units; return the number of elements that wait for values of them.

        units: those that the bindings number. added: those that run here, some or all of them.
        """
        self._state.add(added)
        running.children += [unit.outputs for unit in added]
        for output, element, *_ in bindings:
            running.bound[element] = running.bound.get(element, 0) + 1
            if output is not None:
                columns[output][element - start] = PENDING
        for output, element, number, place_output, place in bindings:
            self.watch(running, output, element, units[number].outputs, place_output, place)
        return len({element for _, element, *_ in bindings})

    def spawn_steps(self, running: UnitState, plan: Any, done: Callable[[], object]) -> None:
        """Add the units that steps have recorded; their values are those of the steps."""
        units, bindings = plan
        inherit(units, running.unit)
        for observer in self._state.observers:
            observer.made(running.unit, units, ())
        self._state.add(units)
        running.children += [unit.outputs for unit in units]
        running.awaited += len(bindings)
        for step, _, number, output, place in bindings:
            self._watch_step(running, step, (units[number].outputs, output, place), done)

    def _watch_step(
        self,
        running: UnitState,
        step: int,
        source: tuple[Outputs, int, int],
        done: Callable[[], object],
    ) -> None:
        outputs, output, place = source

        def arrived() -> None:
            running.completed_steps[0, step] = (outputs.columns[output][place],)
            running.awaited -= 1
            done()

        if not outputs.watch(output, place, arrived):
            arrived()

    def watch(
        self,
        running: UnitState,
        output: int | None,
        element: int,
        outputs: Outputs,
        out: int,
        place: int,
    ) -> None:
        """Let a value of a unit stand for an output of another."""
        outputs.watch(
            out, place, lambda: self.arrived(running, output, element, outputs.columns[out][place])
        )

    def arrived(self, running: UnitState, output: int | None, element: int, record: Any) -> None:
        """Take a value that an element has waited for."""
        if not self._state.is_open(running):
            return
        if output is not None:
            columns = running.unit.outputs.columns
            running.unit.outputs.plain[output] &= type(record) in IMMEDIATE
            columns[output][element] = record
            self._state.call_back(running.unit.outputs.due())
        elif type(record) is Failure:
            running.unit.outputs.errors.append(record)
        running.bound[element] -= 1
        if not running.bound[element]:
            del running.bound[element]
            self._state.settle(running, 1)

    def return_rest(self, rest: UnitSlice) -> None:
        """Cut what an executor handed back, so that idle ones can share it."""
        state, count = self._state, rest.stop - rest.start
        size = -(-count // min(count, 2 * max(1, len(state.executors))))
        for start in range(rest.start, rest.stop, size):
            state.ready.append(UnitSlice(rest.running, start, min(start + size, rest.stop)))
