"""What the calls of a task record in a worker: it runs here for a beat, the rest is handed out.

Enters: plans of sub-tasks and elements handed back, from the scheduler. Leaves: values, as on any
host, where calls are known to be short, until the beat of the task is over (`unit_seconds`); then,
once what runs has ended, a `Spawned`: units to submit, and holes, the values of this task that they
will make. A tree of tiny sub-tasks thus never leaves its process, while a large one spreads over
the cluster. All of this is called on the thread of the host, `begin` and `take` while it is idle.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pymonik.plan.fan_in import Hole
from pymonik.plan.parts import parts_of_rest
from pymonik.plan.unit import Unit
from pymonik.runtime.host.events import Event, UnitCancelled, UnitsWithdrawn
from pymonik.runtime.host.local_subtasks import LocalSubtasks
from pymonik.runtime.host.scheduler_state import SchedulerState
from pymonik.runtime.host.subtasks import inherit
from pymonik.runtime.host.unit_slice import UnitSlice, UnitState
from pymonik.settings import settings
from pymonik.values.outcome import PENDING
from pymonik.values.outputs import Outputs
from pymonik.wire.program import cut


@dataclass
class Spawned:
    """What one task left behind.

    units: to be submitted. holes: values of the task that they make. partials: what units need of
    others that are done in part.
    """

    units: list[Unit] = field(default_factory=list)
    holes: list[Hole] = field(default_factory=list)
    partials: list[tuple[Outputs, list[Hole]]] = field(default_factory=list)


@dataclass(eq=False)
class _Binding:
    """An output of an element that another unit makes: open until it has come, or left."""

    running: UnitState
    output: int | None
    element: int
    outputs: Outputs
    out: int
    place: int
    is_open: bool = True


class AgentSubtasks(LocalSubtasks):
    """Runs sub-tasks in their parent's host, and keeps for its agent what does not end in time.

    A cluster takes sub-tasks only when their parent has ended: what is long must not begin here.
    """

    def __init__(self, state: SchedulerState, tell: Callable[[Event], object]) -> None:
        """Begin without a task; tell: sends the scheduler an event, beside any other."""
        super().__init__(state)
        self._tell = tell
        state.is_depth_first = True
        self._root: Unit | None = None
        self._partition, self._priority = "", 1
        self._began: float | None = None
        self._spreads = True
        self._local_outputs: list[Outputs] = []
        self._bindings: list[_Binding] = []
        self._units: list[Unit] = []
        self._holes: dict[Outputs, dict[tuple[int, int], tuple[Outputs, int, int]]] = {}
        self._spawned: UnitState | None = None

    def begin(self, root: Unit, stays: bool, partition: str, priority: int) -> None:
        """Take the unit of a task, and how it is placed.

        stays: whether its sub-tasks may run here for a beat.
        """
        self._forget()
        self._state.failures.clear()
        self._root, self._spreads = root, not stays
        self._partition, self._priority = partition, priority

    @property
    def seconds_left(self) -> float | None:
        """The seconds until the task's beat is over, None where nothing runs that must leave."""
        if self._spreads or self._began is None:
            return None
        return max(0.0, self._began + settings().unit_seconds - time.monotonic())

    def spread(self) -> None:
        """Begin nothing more: what has not begun is left for the cluster."""
        self._spreads = True
        if not self._local_outputs:  # no calls were made: the unit itself runs to its own end
            return
        self._tell(UnitsWithdrawn(self._receive))

    def _receive(self, whole: list[Unit], pieces: list[UnitSlice], begun: list[UnitState]) -> None:
        self._units += whole
        pending = [b for b in self._bindings if b.is_open]
        for binding in pending:  # all of them, before any value that is left counts as one
            if binding.outputs.columns[binding.out][binding.place] is not PENDING:
                self._arrived(binding)
            binding.is_open = False
        for binding in pending:
            if binding.element in binding.running.bound:
                self._leave(binding)
        for piece in pieces:
            self._hand_out(piece)
        # Their elements wait for what is left now: they end here, with holes.
        for running in begun:
            for element in list(running.bound):
                del running.bound[element]
                self._state.settle(running, 1)

    def cancel(self, root: Outputs) -> None:
        """Stop all that runs for a task, if it is still the one that runs."""
        if self._root is not None and self._root.outputs is root:
            self._spreads = True
            for outputs in (root, *self._local_outputs):
                self._tell(UnitCancelled(outputs))

    def take(self) -> Spawned:
        """Return what the task has left behind."""
        assert self._root is not None
        left, outputs = Spawned(self._units), self._root.outputs
        # Those of sub-tasks that ran here, and whose values are none of this task's.
        seen = {id(record) for records in (*outputs.columns, outputs.errors) for record in records}
        outputs.errors += [f for f in self._state.failures.first if id(f) not in seen]
        holes = {outputs: self._resolved(outputs) for outputs in self._holes}
        left.holes = holes.pop(outputs, [])
        needed = {source for unit in self._units for source in unit.needs}
        left.partials = [
            (outputs, open_) for outputs, open_ in holes.items() if open_ and outputs in needed
        ]
        self._forget()
        return left

    def _forget(self) -> None:
        self._root, self._spawned, self._began = None, None, None
        self._local_outputs, self._bindings, self._units, self._holes = [], [], [], {}

    # Called by the scheduler.
    def spawn(self, running: UnitState, plan: Any, start: int, columns: Sequence[Any]) -> int:
        """Take units and bindings; return the number of elements that have not ended yet."""
        units, bindings = plan
        staying = set() if self._spreads else self._staying(units, bindings)
        inherit(units, running.unit)
        for unit in units:
            unit.task = running.unit.task
        if running.unit is not self._root and not staying.issuperset(b[2] for b in bindings):
            # Who waits here for its value must leave, too: it would take a hole for the value.
            staying = set()
            if not self._spreads:
                self._spread_soon()
        leaving = [b for b in bindings if b[2] not in staying]
        self._units += [unit for number, unit in enumerate(units) if number not in staying]
        for output, element, number, out, place in leaving:
            if output is not None:
                columns[output][element - start] = None
                hole = (units[number].outputs, out, place)
                self._holes.setdefault(running.unit.outputs, {})[output, element] = hole
        if not staying:
            return 0
        local = [unit for number, unit in enumerate(units) if number in staying]
        self._spawned = running
        if self._began is None:
            self._began = time.monotonic()
        self._local_outputs += [unit.outputs for unit in local]
        bound = [b for b in bindings if b[2] in staying]
        return self.run_here(running, units, local, bound, start, columns)

    def return_rest(self, rest: UnitSlice) -> None:
        """Take elements that were not run: because of what they have recorded, or of their time."""
        if not self._spreads and self._spawned is rest.running:
            self._state.ready.append(rest)  # behind what they wait for
            return
        if not self._spreads:
            self._spread_soon()
        self._hand_out(rest)

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
        binding = _Binding(running, output, element, outputs, out, place)
        self._bindings.append(binding)
        outputs.watch(out, place, lambda: self._arrived(binding))

    def _staying(self, units: Sequence[Unit], bindings: Sequence[Any]) -> set[int]:
        """Return the numbers of the units that may run here for a beat.

        What runs cannot be handed out, and all else leaves when it has ended. So they are such as
        are known to be short, and one call of which nothing is known, if a value waits for it.
        """
        numbers = {id(unit.outputs): number for number, unit in enumerate(units)}
        needed = {number for _, _, number, _, _ in bindings}
        for number in range(len(units) - 1, -1, -1):  # what a unit needs comes before it
            if number in needed:
                needed.update(numbers[id(c)] for c in units[number].needs if id(c) in numbers)
        seconds = [self._seconds(unit) for unit in units]
        unknown = [number for number, expected in enumerate(seconds) if expected is None]
        is_probe = len(unknown) == 1 and units[unknown[0]].n == 1 and unknown[0] in needed
        staying: set[int] = set()
        for number, unit in enumerate(units):
            expected = seconds[number]
            is_short = is_probe if expected is None else expected <= settings().unit_seconds
            fed = all(
                numbers[id(outputs)] in staying for outputs in unit.needs if id(outputs) in numbers
            )
            if is_short and fed and self._is_ours(unit):
                staying.add(number)
        return staying

    def _seconds(self, unit: Unit) -> float | None:
        """Return how long a unit will take, None when none of its name has run here."""
        each = self._state.ready.seconds(unit)
        return None if each is None else each * unit.n

    def _is_ours(self, unit: Unit) -> bool:
        """Return whether a unit may run where its parent runs, and under no id of its own."""
        options = unit.options
        return (
            unit.result_id is None
            and not unit.environment
            and (options.partition_id or self._partition) == self._partition
            and (options.priority or self._priority) == self._priority
        )

    def _spread_soon(self) -> None:
        # Once the scheduler has handled the event: `spread` looks at all of its units.
        self._spreads = True
        self._state.call_back([self.spread])

    def _arrived(self, binding: _Binding) -> None:
        if binding.is_open:
            binding.is_open = False
            b = binding
            if (b.out, b.place) in self._holes.get(b.outputs, ()):
                self._leave(b)  # what is here stands in for a value that another unit will make
            self.arrived(b.running, b.output, b.element, b.outputs.columns[b.out][b.place])

    def _leave(self, binding: _Binding) -> None:
        if binding.output is not None:
            outputs = binding.running.unit.outputs
            hole = (binding.outputs, binding.out, binding.place)
            self._holes.setdefault(outputs, {})[binding.output, binding.element] = hole
            outputs.columns[binding.output][binding.element] = None

    def _hand_out(self, rest: UnitSlice) -> None:
        """Keep elements that were not run, as units of their own."""
        unit, count = rest.running.unit, rest.stop - rest.start
        holes = self._holes.setdefault(unit.outputs, {})
        size = -(-count // self._parts(unit, count))
        # The last first: where elements differ, it is mostly the later ones that take longer.
        for start in reversed(range(rest.start, rest.stop, size)):
            stop = min(start + size, rest.stop)
            outputs = Outputs(stop - start, len(unit.outputs.columns))
            program = cut(unit.program, start, stop)
            part = Unit(0, program, unit.inputs, outputs, unit.options, unit.name)
            part.environment, part.modules = unit.environment, unit.modules
            self._units.append(part)
            for output in range(len(outputs.columns)):
                for place in range(outputs.n):
                    holes[output, start + place] = (outputs, output, place)
        # Placeholders, so that the unit ends here: an assembly fills them in.
        unit.outputs.fill(rest.start, [[None] * count for _ in unit.outputs.columns])
        self._state.settle(rest.running, count)

    def _parts(self, unit: Unit, count: int) -> int:
        each = self._state.ready.seconds(unit)
        return parts_of_rest(count, each, settings().unit_seconds)

    def _resolved(self, outputs: Outputs) -> list[Hole]:
        """Fill the holes of outputs whose values have come meanwhile; return the others."""
        open_: list[Hole] = []
        leaving = {id(unit.outputs) for unit in self._units}
        for (output, element), (child, out, place) in self._holes[outputs].items():
            # A hole may stand for a hole: followed to the unit that is submitted, which alone gets
            # a result.
            while id(child) not in leaving:
                further = self._holes.get(child, {}).get((out, place))
                if further is None:
                    break
                child, out, place = further
            if id(child) in leaving:
                open_.append((output, element, child, out, place))
            else:
                outputs.columns[output][element] = child.columns[out][place]
        return open_
