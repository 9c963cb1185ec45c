"""What the rules of the scheduler share: units under way, pieces, executors, instructions so far.

The few changes of state that several rules make are here, too. All of it belongs to the thread that
leads the host (`leadership`); of others only `has_open` and the counts are asked.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from pymonik.plan.unit import Unit
from pymonik.runtime.host.events import SliceEnded
from pymonik.runtime.host.instructions import CallBack, Instruction
from pymonik.runtime.host.observer import Observer
from pymonik.runtime.host.ranked import rank
from pymonik.runtime.host.ready import ReadyQueues
from pymonik.runtime.host.subtasks import SubtaskHandler
from pymonik.runtime.host.unit_slice import UnitSlice, UnitState
from pymonik.values.failures import Failures
from pymonik.values.outcome import PENDING, Failure
from pymonik.values.outputs import Callback, Outputs

# A few rounds of a host with some executors: enough to see how it came to a move.
_HISTORY = 32


class IllegalMove(RuntimeError):
    """An event that cannot have happened; its text has the events before."""


class SchedulerState:
    """The units of one host and the executors that run them.

    ready: pieces that wait. executors: the pieces that each was given, in their order. out:
    instructions that the host has not taken yet. unfinished, done: counts of units.
    """

    def __init__(self, make_handler: Callable[[SchedulerState], SubtaskHandler]) -> None:
        """Begin with nothing; make_handler: makes what takes the work that units leave behind."""
        self.ready = ReadyQueues()
        self.executors = self.ready.executors
        self.out: list[Instruction] = []
        self.failures = Failures()
        self.unfinished = 0
        self.done = 0
        self.observers: list[Observer] = []
        # Those that are told of every piece that ends.
        self._end_observers: list[Observer] = []
        self.units: dict[int, UnitState] = {}
        self.by_outputs: dict[int, UnitState] = {}
        # By outputs that are not complete: the units that wait for them.
        self.dependents: dict[int, list[UnitState]] = {}
        self.subtasks = make_handler(self)
        # Whether what has become ready runs before what waits: then little waits at any time.
        self.is_depth_first = False
        # Outputs that are complete, whose dependents were not looked at yet.
        self.complete: deque[Outputs] = deque()
        # Kinds of events, and of what was given out, with their numbers: nothing that lives.
        self.history: deque[tuple[type[Any], tuple[Any, ...]]] = deque(maxlen=_HISTORY)
        self._numbers = 0

    def observe(self, observer: Observer) -> None:
        """Notify an observer of every piece that ends, and of every unit that tasks make."""
        self.observers.append(observer)
        if type(observer).ended is not Observer.ended:
            self._end_observers.append(observer)

    def has_open(self, outputs: Outputs) -> bool:
        """Return whether a unit that has not ended fills outputs; from any thread."""
        return id(outputs) in self.by_outputs

    def is_open(self, running: UnitState) -> bool:
        """Return whether a unit has not ended."""
        return running.unit.number in self.units

    def piece_of(self, executor: int, number: int) -> UnitSlice | None:
        """Return the first piece of a unit that an executor has, None when it has none."""
        for piece in self.executors.get(executor, ()):
            if piece.running.unit.number == number:
                return piece
        return None

    def add(self, units: Iterable[Unit]) -> None:
        """Take units, in an order in which they could run; some can at once."""
        self.enqueue(self.enter(units))

    def enter(self, units: Iterable[Unit]) -> list[UnitSlice]:
        """Take units, in an order in which they could run; return what can run at once."""
        units = [*units]
        for unit in units:
            if id(unit.outputs) in self.by_outputs:
                raise IllegalMove(f"{unit!r} was submitted twice")
        if not self.is_depth_first:
            rank(units, self.ready.seconds)
        pieces: list[UnitSlice] = []
        for unit in units:
            # Numbers are never reused, so a late report cannot be taken for another unit's.
            unit.number = self._numbers
            self._numbers += 1
            running = self.units[unit.number] = UnitState(unit)
            self.by_outputs[id(unit.outputs)] = running
            self.unfinished += 1
            for outputs in unit.needs:
                if outputs.missing:
                    running.waiting += 1
                    self.dependents.setdefault(id(outputs), []).append(running)
            if not running.waiting:
                pieces.append(UnitSlice(running, 0, unit.n))
        return pieces

    def fill(
        self, running: UnitState, start: int, columns: Sequence[Any], errors: list[Failure]
    ) -> None:
        """Take records of elements, from `start` on."""
        outputs = running.unit.outputs
        if errors:
            self.failures.note(errors)
            outputs.errors += errors
        due = outputs.fill(start, columns)
        for output, is_plain in enumerate(outputs.plain):
            if not is_plain:  # of what it has now: a failure that was told before is still that one
                records = outputs.columns[output][start : start + len(columns[output])]
                self.failures.note([r for r in records if type(r) is Failure and not r.path])
        if due:
            self.call_back(due)

    def fail_piece(self, piece: UnitSlice, failure: Failure) -> None:
        """Let the elements of a piece that have no record yet end with one failure."""
        self.failures.note([failure])
        outputs, start, stop = piece.running.unit.outputs, piece.start, piece.stop
        columns = [
            [failure if record is PENDING else record for record in column[start:stop]]
            for column in outputs.columns
        ]
        if not columns:
            outputs.errors.append(failure)
        self.call_back(outputs.fill(start, columns))
        self.settle(piece.running, stop - start)
        self.propagate()

    def end_slice(self, piece: UnitSlice, event: SliceEnded) -> None:
        """Take the last records of a piece, the rest it hands back, and what its calls recorded."""
        running, start, stop = piece.running, event.start, event.stop
        self.ready.observe_duration(running.unit.name, event.seconds, stop - piece.first)
        for observer in self._end_observers:
            observer.ended(event.executor, running.unit, stop - piece.first, event.seconds)
        bound = 0
        if event.plan is not None:
            bound = self.subtasks.spawn(running, event.plan, start, event.columns)
        self.fill(running, start, event.columns, event.errors)
        self.settle(running, stop - start - bound)
        if stop < piece.stop:
            self.subtasks.return_rest(UnitSlice(running, stop, piece.stop))
        self.propagate()

    def call_back(self, due: Sequence[Callback]) -> None:
        """Let the host call those that wait."""
        if due:
            self.out += map(CallBack, due)

    def settle(self, running: UnitState, count: int) -> None:
        """Note that elements of a unit have ended."""
        outputs = running.unit.outputs
        outputs.missing -= count
        if not outputs.missing and not running.cancelled:
            self.finish(running)

    def fail(self, running: UnitState, failure: Failure) -> None:
        """Let a unit end with one failure, where it has no records."""
        self.call_back(running.unit.outputs.fail(failure))
        self.finish(running)

    def finish(self, running: UnitState) -> None:
        """Note that a unit has ended."""
        outputs = running.unit.outputs
        if self.units.pop(running.unit.number, None) is None:
            return
        self.by_outputs.pop(id(outputs), None)
        if running.gang is not None:
            running.gang.close()
        # None are left, unless a record was lost: a wait for its value now ends with that error.
        if outputs.callbacks:
            self.call_back(outputs.give_up())
        # Count the unit only after its records are stored: a thread that sees nothing unfinished
        # must see all records.
        self.unfinished -= 1
        self.done += 1
        # Not looked at here: a rule may still be in the middle of what it does (`propagate`).
        self.complete.append(outputs)

    def propagate(self) -> None:
        """Queue the units whose last input has come."""
        while self.complete:
            waiting = self.dependents.pop(id(self.complete.popleft()), None)
            if waiting is not None:
                self.enqueue(list(self._freed(waiting)))

    def _freed(self, waiting: list[UnitState]) -> Iterator[UnitSlice]:
        for running in waiting:
            running.waiting -= 1
            # One that was cancelled, or whose environment cannot be had, has ended without running.
            if not running.waiting and self.is_open(running):
                yield UnitSlice(running, 0, running.unit.n)

    def enqueue(self, pieces: list[UnitSlice]) -> None:
        """Queue pieces that can run."""
        if self.is_depth_first:
            self.ready.put_back(pieces)
            return
        for piece in pieces:
            self.ready.append(piece)
