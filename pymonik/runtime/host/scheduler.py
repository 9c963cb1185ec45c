"""The scheduler of a host: which executor runs which elements of which unit next.

Events in, instructions out; no socket, no clock, no process. Events are methods: `add`, `reported`,
`ended`, `died`, `cancel`. Instructions come from `assign` (what to run where) and `kills` (which
executors to end). Finished units fill their cells; callbacks that are due gather in `due`.

A unit is run in pieces, ranges of its elements: all of them at first; what an executor hands back,
or leaves behind when it dies, is cut and queued again. Elements that were reported never run again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pymonik.plan.unit import Unit
from pymonik.runtime.executor.results import failure_of
from pymonik.runtime.host.observer import Observer
from pymonik.runtime.host.ranked import rank
from pymonik.runtime.host.ready import Ready
from pymonik.runtime.host.subtasks import SubtaskHandler
from pymonik.runtime.host.unit_slice import UnitSlice, UnitState
from pymonik.values.content import IMMEDIATE
from pymonik.values.outcome import PENDING, Failure
from pymonik.values.outputs import Outputs
from pymonik.wire.program import site_of

# Failures nobody looks at are told of when the client closes: of more than these, nobody reads.
_FAILURES = 1000


class Scheduler:
    """The units of one host and the executors that run them."""

    def __init__(self, onward: Callable[[Scheduler], SubtaskHandler]) -> None:
        """Schedule; onward: makes what takes the work that units leave behind."""
        self.ready = Ready()
        self.executors = self.ready.executors
        self.kills: list[int] = []
        self.due: list[Callable[[], None]] = []
        self.failures: list[Failure] = []
        self.unfinished = 0
        self.done = 0
        self.observers: list[Observer] = []
        self._units: dict[int, UnitState] = {}
        self._by_cell: dict[int, UnitState] = {}
        self._dependents: dict[int, list[UnitState]] = {}
        self._subtasks_handler = onward(self)
        # Whether what has become ready runs before what waits: then little waits at any time.
        self.is_depth_first = False
        self._numbers = 0
        self._complete: deque[Outputs] = deque()

    def observe(self, observer: Observer) -> None:
        """Tell somebody of every piece that ends, and of every unit that tasks make."""
        self.observers.append(observer)

    # ----- events

    def add(self, units: Iterable[Unit]) -> None:
        """Take units, in an order in which they could run; some can at once."""
        units = [*units]
        if not self.is_depth_first:
            rank(units, self.ready.seconds)
        pieces: list[UnitSlice] = []
        for unit in units:
            unit.number = self._numbers
            self._numbers += 1
            running = self._units[unit.number] = UnitState(unit)
            self._by_cell[id(unit.cell)] = running
            self.unfinished += 1
            for cell in unit.needs:
                if cell.missing:
                    running.waiting += 1
                    self._dependents.setdefault(id(cell), []).append(running)
            if not running.waiting:
                pieces.append(UnitSlice(running, 0, unit.n))
        self._enqueue(pieces)

    def reported(
        self,
        executor: int,
        number: int,
        start: int,
        stop: int,
        columns: Sequence[Any],
        errors: list[Failure],
    ) -> None:
        """Take the records of elements that ended."""
        piece = self._piece(executor, number)
        if piece is None or number not in self._units:
            return
        self._fill(piece.running, start, columns, errors)
        piece.start = stop
        self.settle(piece.running, stop - start)

    def ended(
        self,
        executor: int,
        number: int,
        start: int,
        stop: int,
        columns: Sequence[Any],
        errors: list[Failure],
        seconds: float,
        plan: Any,
    ) -> None:
        """Take the last records of a piece, the rest it hands back, and what its calls recorded."""
        piece = self._piece(executor, number)
        if piece is None:
            return
        running = piece.running
        self.executors[executor].remove(piece)
        if number not in self._units:  # cancelled meanwhile: its values are told already
            return
        self.ready.learn(running.unit.name, seconds, stop - piece.first)
        for observer in self.observers:
            observer.ended(executor, running.unit, stop - piece.first, seconds)
        bound = (
            self._subtasks_handler.expand(running, plan, start, columns) if plan is not None else 0
        )
        self._fill(running, start, columns, errors)
        self.settle(running, stop - start - bound)
        if stop < piece.stop:
            self._subtasks_handler.return_rest(UnitSlice(running, stop, piece.stop))
        self.propagate()

    def finished(
        self,
        executor: int,
        number: int,
        first: int,
        entries: Sequence[Any],
        steps: Sequence[tuple[Any, ...]] = (),
    ) -> None:
        """Take what a dead executor had finished and could not report any more.

        steps: those of the element behind `entries`, each a tuple of its record, if it has one.
        """
        piece = self._piece(executor, number)
        if piece is None or not piece.start <= first + len(entries) <= piece.stop:
            return
        fresh = entries[piece.start - first :] if first < piece.start else entries
        outputs = len(piece.running.unit.cell.columns)
        columns = [list(fresh)] if outputs == 1 else [list(c) for c in zip(*fresh)]
        if fresh:
            self.reported(executor, number, piece.start, piece.start + len(fresh), columns, [])
        element = first + len(entries)
        piece.running.noted.update({(element, place): step for place, step in enumerate(steps)})

    def seen(
        self,
        executor: int,
        number: int,
        first: int,
        entries: Sequence[Any],
        steps: Sequence[tuple[Any, ...]],
    ) -> None:
        """Tell who waits of what has ended and was not reported yet: a report will follow."""
        piece = self._piece(executor, number)
        if piece is None or number not in self._units:
            return
        unit = piece.running.unit
        outputs = len(unit.cell.columns)
        for element, entry in enumerate(entries, first):
            for output, record in enumerate([entry] if outputs == 1 else entry):
                unit.cell.tell(output, element, record)
        stored = {step: output for output, step in enumerate(unit.program.outputs)}
        for place, step in enumerate(steps):
            keep = unit.program.steps[place].keep
            element = first + len(entries)
            if step and (keep is True or (keep and keep[element])):
                unit.cell.tell(stored[place], element, step[0])
        self.due += unit.cell.due()

    def died(
        self, executor: int, call: tuple[int, int, int] | None, reason: str, stack: str = ""
    ) -> None:
        """Place anew what an executor left behind; charge its death to the call it was running.

        call: unit, element and step; None when no call is to blame. Where it names none that the
        executor was given, its first one is charged: something in there kills.
        """
        pieces = [p for p in self.ready.remove_executor(executor) if self.is_open(p.running)]
        if call is not None and pieces:
            number, element, step = call
            for piece in pieces:
                if piece.running.unit.number == number and piece.start <= element < piece.stop:
                    break
            else:
                piece, element, step = pieces[0], pieces[0].start, 0
            failure = piece.running.charge(element, step, reason, stack)
            if failure is not None:
                pieces.remove(piece)
                self._fail_piece(piece, failure)
        self.ready.put_back(piece for piece in pieces if piece.start < piece.stop)

    def faulted(self, executor: int, number: int, text: str, traceback: str = "") -> None:
        """Let what has not ended of a piece fail: its executor could not run it, and lives on."""
        piece = self._piece(executor, number)
        if piece is None:
            return
        self.executors[executor].remove(piece)
        if self.is_open(piece.running):
            self._fail_piece(piece, _fault(piece.running.unit, text, traceback))

    def fail_stuck(self) -> None:
        """Let units fail that nothing will bring to an end: what they wait for runs nowhere.

        Nobody would be told of it otherwise, and wait for ever.
        """
        if not self._units or len(self.ready) or any(self.executors.values()):
            return
        for running in list(self._units.values()):
            failure = _fault(running.unit, "nothing that runs or is ready can bring its value")
            self._note([failure])
            self.due += running.unit.cell.fail(failure)
            self._finish(running)
        self._complete.clear()
        self._dependents.clear()

    def cancel(self, cell: Outputs) -> bool:
        """Stop a unit that nobody wants; True when it will not run (or stops)."""
        running = self._by_cell.get(id(cell))
        if running is None or running.cancelled:
            return running is not None
        running.cancelled = True
        self.ready.drop(running)
        for executor, pieces in self.executors.items():
            if any(piece.running is running for piece in pieces):
                self.kills.append(executor)
        for child in running.children:
            self.cancel(child)
        unit = running.unit
        site = site_of(unit.program.steps[0], 0)
        failure = Failure("cancelled", "it was cancelled", unit.name, site)
        self.due += cell.fail(failure)
        self._finish(running)
        self.propagate()
        return True

    def has_open(self, cell: Outputs) -> bool:
        """Return whether a unit that has not ended fills a cell; from any thread."""
        return id(cell) in self._by_cell

    def is_open(self, running: UnitState) -> bool:
        """Return whether a unit has not ended."""
        return running.unit.number in self._units

    def fail_all(self, failure: Failure) -> None:
        """Let every unfinished unit end with one failure."""
        self.ready.clear()
        for running in list(self._units.values()):
            self.due += running.unit.cell.fail(failure)
            self._finish(running)
        self._complete.clear()
        self._dependents.clear()

    def withdraw(self) -> tuple[list[Unit], list[UnitSlice], list[UnitState]]:
        """Forget what no executor has begun; what was given out runs to its end.

        Return whole units that nothing has begun, pieces of others that wait, and the units that
        go on: those that run, and those of which elements have ended or are to come from others.
        """
        pieces = [piece for piece in self.ready if piece.attempts_before is None]
        tried = [piece for piece in self.ready if piece.attempts_before is not None]
        self.ready.clear()
        self.ready.put_back(tried)  # what earlier attempts have cost them is known here only
        self._dependents.clear()
        given = {id(p.running) for given in (*self.executors.values(), tried) for p in given}
        whole: list[Unit] = []
        begun: list[UnitState] = []
        for running in list(self._units.values()):
            unit = running.unit
            if id(running) in given or running.bound or unit.cell.missing < unit.n:
                begun.append(running)
                continue
            del self._units[unit.number], self._by_cell[id(unit.cell)]
            self.unfinished -= 1
            whole.append(unit)
        open_ = set(map(id, begun))
        return whole, [piece for piece in pieces if id(piece.running) in open_], begun

    def fail_environment(self, environment: Any, error: Exception) -> None:
        """Let the units of an environment that cannot be had end with what is wrong with it."""
        self.ready.forget(environment)
        for running in list(self._units.values()):
            unit = running.unit
            if self.ready.same(unit.environment) == environment:
                failure = failure_of(error, unit.program.steps[0], 0, 1, "")
                self._note([failure])
                self.due += unit.cell.fail(failure)
                self._finish(running)
        self.propagate()

    # ----- instructions

    def assign(self) -> dict[int, list[UnitSlice]]:
        """Return what is to run on which executor now."""
        return self.ready.assign()

    # ----- inside

    def _piece(self, executor: int, number: int) -> UnitSlice | None:
        for piece in self.executors.get(executor, ()):
            if piece.running.unit.number == number:
                return piece
        return None

    def _fill(
        self, running: UnitState, start: int, columns: Sequence[Any], errors: list[Failure]
    ) -> None:
        cell = running.unit.cell
        self._note(errors)
        cell.errors += errors
        for records in columns:
            if not IMMEDIATE.issuperset(map(type, records)):
                self._note([r for r in records if type(r) is Failure and not r.path])
        self.due += cell.fill(start, columns)

    def _fail_piece(self, piece: UnitSlice, failure: Failure) -> None:
        """Let the elements of a piece that have no record yet end with one failure."""
        self._note([failure])
        cell, start, stop = piece.running.unit.cell, piece.start, piece.stop
        columns = [
            [failure if record is PENDING else record for record in column[start:stop]]
            for column in cell.columns
        ]
        if not columns:
            cell.errors.append(failure)
        self.due += cell.fill(start, columns)
        self.settle(piece.running, stop - start)
        self.propagate()

    def _note(self, failures: Sequence[Failure]) -> None:
        """Keep failures for who may want to know of the first that nobody has looked at."""
        room = _FAILURES - len(self.failures)
        self.failures += failures[: max(0, room)]

    def settle(self, running: UnitState, count: int) -> None:
        """Note that elements of a unit have ended."""
        cell = running.unit.cell
        cell.settle(count)
        if not cell.missing and not running.cancelled:
            self._finish(running)

    def _finish(self, running: UnitState) -> None:
        cell = running.unit.cell
        if self._units.pop(running.unit.number, None) is None:
            return
        self._by_cell.pop(id(cell), None)
        # None are left, unless a record was lost: who asks for its value now is told so.
        self.due += cell.give_up()
        self.unfinished -= 1
        self.done += 1
        self._complete.append(cell)

    def propagate(self) -> None:
        """Queue the units whose last input has come."""
        while self._complete:
            cell = self._complete.popleft()
            pieces: list[UnitSlice] = []
            for running in self._dependents.pop(id(cell), ()):
                running.waiting -= 1
                if not running.waiting and not running.cancelled:
                    pieces.append(UnitSlice(running, 0, running.unit.n))
            self._enqueue(pieces)

    def _enqueue(self, pieces: list[UnitSlice]) -> None:
        if self.is_depth_first:
            self.ready.put_back(pieces)
            return
        for piece in pieces:
            self.ready.append(piece)


def _fault(unit: Unit, text: str, traceback: str = "") -> Failure:
    """Return the failure of a unit for which no code of the user is to blame."""
    step = unit.program.steps[0]
    said = f"PymoniK failed outside of your code, which is a bug of its own: {text}"
    return Failure("error", said, unit.name, site_of(step, 0), traceback=traceback)
