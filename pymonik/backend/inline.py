"""The inline backend: the same units, in this process and this thread, for breakpoints and pdb.

A plan runs when it is submitted. Time limits are not kept: there is nobody to end a call.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from pymonik.backend.in_process import EngineArrivals, new_session, traits_of
from pymonik.backend.protocol import ABANDONED
from pymonik.backend.traits import TRAITS
from pymonik.capture.definitions.as_captured import as_captured
from pymonik.capture.definitions.versions import is_live
from pymonik.capture.importer import at_home
from pymonik.errors import BackendError
from pymonik.plan.plan import Plan
from pymonik.plan.unit import Unit
from pymonik.record.current import CURRENT
from pymonik.runtime.executor import state as running
from pymonik.runtime.executor.calls import Assignment, ExecutionServices, Report
from pymonik.runtime.executor.context import serve
from pymonik.runtime.executor.pools import served
from pymonik.runtime.executor.restorer import Restorer
from pymonik.runtime.executor.run import run
from pymonik.runtime.executor.subtasks import Subtasks
from pymonik.runtime.executor.surroundings import moved, variables_of
from pymonik.runtime.host.events import (
    ANY,
    AllFailed,
    CallbacksMade,
    ElementsReported,
    Event,
    ExecutorStarted,
    RoundOver,
    SliceEnded,
    SlicesDropped,
    UnitCancelled,
    UnitsAdded,
)
from pymonik.runtime.host.instructions import CallBack, GiveSlices
from pymonik.runtime.host.local_subtasks import LocalSubtasks
from pymonik.runtime.host.messages import plan_of
from pymonik.runtime.host.scheduler import Scheduler
from pymonik.runtime.host.unit_slice import UnitSlice
from pymonik.system.conditions import SafeCondition
from pymonik.system.deferred_signals import DeferredSignals
from pymonik.system.event_loop import outside_event_loop
from pymonik.system.forks import fork_safe
from pymonik.system.garbage import collecting_later
from pymonik.system.surroundings import SurroundingsWatch
from pymonik.values.content import Content
from pymonik.values.location import Wanted
from pymonik.values.outcome import Failure
from pymonik.values.outputs import Callback, Outputs, call_back
from pymonik.wire.byte_cache import FUNCTION_BYTES, ByteCache
from pymonik.wire.program import Program

_NAME = "inline"
# The number of the only executor.
_SELF = 0


class _NoPage:
    """Takes the marks that a host would read."""

    def __init__(self) -> None:
        self.numbers = [0, 0, 0]

    def add(self, record: Any) -> bool:
        """Drop a record: nobody will ask, since the caller lives as long as the call."""
        return True

    def add_plain(self, record: Any) -> bool:
        """Leave it to `add`."""
        return False

    def note(self, step: Any) -> bool:
        """Drop what a step has made."""
        return False


class _Changed(SafeCondition):
    """Refuses the wait of the thread whose turn it is: nobody else brings what it waits for."""

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        """Wait until `predicate()` is true, as a condition does. Raises BackendError."""
        turn: Any = TRAITS[_NAME].turn
        if turn._is_owned() and not (timeout is not None and timeout <= 0):
            if result := predicate():
                return result
            raise BackendError(
                "a task cannot wait for this value: the inline backend runs tasks in this "
                "thread, and the task that makes the value has not run yet; pass the handle as "
                "an argument, or wait once this task has ended"
            )
        return super().wait_for(predicate, timeout)


class InlineBackend:
    """A scheduler with one executor: the caller."""

    def __init__(
        self, workers: int | None, optimize: Any, surroundings: SurroundingsWatch | None = None
    ) -> None:
        slots = workers or 1
        self._surroundings = surroundings
        # Guards the scheduler, which other threads ask to cancel and to call back; notified where
        # values have come.
        self._changed = fork_safe(_Changed())
        self._objects = objects = new_session(_NAME)
        self._scheduler = Scheduler(LocalSubtasks)
        self._state = state = self._scheduler.state
        self._due: list[Callback] = []
        self._tell(ExecutorStarted(_SELF, ANY))
        state.observe(objects)
        self._functions: ByteCache[Any] = ByteCache("functions", FUNCTION_BYTES)
        self._subtasks = Subtasks(slots, False, optimize)
        arrivals = EngineArrivals(self._changed, state.failures, state.has_open)
        self.traits = traits_of(_NAME, slots, arrivals, objects, pieces=state)
        serve()

    def submit(self, plan: Plan) -> None:
        """Run the units, and those that they add; other threads wait for their turn."""
        with TRAITS[_NAME].turn:
            self._submit(plan)

    def _submit(self, plan: Plan) -> None:
        self._objects.note(plan.blobs)
        token = CURRENT.set(self._subtasks)
        outer, running.STATE = running.STATE, running.State()
        running.STATE.worker = _NAME
        running.STATE.session_id = self._objects.session_id
        running.STATE.fetch = self._objects.fetch
        running.STATE.caches = lambda: {"functions": self._functions.info}
        try:
            with self._changed:
                self._tell(UnitsAdded(plan.units))
            while pieces := self._ready():
                for piece in pieces:
                    self._run(piece)
            self._call_back()
        except BaseException:  # Ctrl-C: what was running will not go on
            self._cancel_all("it was interrupted", SlicesDropped(_SELF))
            raise
        finally:
            running.STATE = outer
            CURRENT.reset(token)
            with self._changed:
                self._changed.notify_all()

    def _ready(self) -> list[UnitSlice]:
        with self._changed:
            return self._tell(RoundOver())

    def _tell(self, event: Event) -> list[UnitSlice]:
        """Send the scheduler an event; return what is to run. Nothing can be killed.

        Called with `changed`: other threads may ask to be called back, or cancel.
        """
        pieces: list[UnitSlice] = []
        # Ctrl-C comes behind a rule, which would leave its units half ended. So does a finalizer of
        # garbage, whose own call would be given out amid those.
        with DeferredSignals():
            for instruction in collecting_later(lambda: self._scheduler.handle(event)):
                if type(instruction) is CallBack:
                    self._due.append(instruction.callback)
                elif type(instruction) is GiveSlices:
                    pieces += instruction.pieces
        return pieces

    def _run(self, piece: UnitSlice) -> None:
        unit = piece.running.unit
        inputs = [source.columns if type(source) is Outputs else source for source in unit.inputs]
        assignment = Assignment(Program.load(unit.payload), inputs, piece.start, piece.stop)
        restore = Restorer(watch=False)
        restore.expect(variables_of(unit))
        running.STATE.environment = unit.environment
        hosting = ExecutionServices(
            _NAME,
            self._function,
            _NoPage(),
            # Ctrl-C is meant for the program: it is no failure of the call.
            (KeyboardInterrupt,),
            self._subtasks,
            restore,
        )
        around = moved(self._surroundings, unit, restore, hosting.contexts)
        with at_home(unit.modules), as_captured(), served(), outside_event_loop(), around:
            self._report(unit, run(assignment, hosting))
        restore.expect({})
        running.CHANGES.clear()
        self._call_back()

    def _report(self, unit: Unit, reports: Iterable[Report]) -> None:
        began = time.perf_counter()
        for report in reports:
            args = (_SELF, unit.number, report.start, report.stop, report.columns, report.errors)
            if report.last:
                seconds = time.perf_counter() - began
                plan = plan_of(self._subtasks.wire_plan())
                with self._changed:
                    self._tell(SliceEnded(*args, seconds, plan))
            else:
                with self._changed:
                    self._tell(ElementsReported(*args))

    def _call_back(self) -> None:
        while self._due or self._state.complete:
            with self._changed:
                due, self._due = self._due, []
            call_back(due)
            with self._changed:
                self._tell(CallbacksMade())
        with self._changed:
            self._changed.notify_all()

    def _function(self, content: Content) -> Any:
        key = content.key
        if content.has_definitions:  # loaded once more where a class of it was changed meanwhile
            key += bytes(map(is_live, content.buffers))
        return self._functions.get(key, content.size, content.load)

    def want(self, wanted: Iterable[Wanted]) -> None:
        """Wait for nothing: records are here once a plan was submitted."""

    def progress(self) -> tuple[int, int]:
        """Return how many units have ended, and how many there are."""
        done = self._state.done
        return done, done + self._state.unfinished

    def cancel(self, outputs: Outputs | None = None) -> Callable[[], bool]:
        """Stop what an exception has left, or what another thread, or a task, still runs."""
        if outputs is None:
            self._cancel_all(ABANDONED)
            return lambda: True
        with self._changed:
            is_open = self._state.has_open(outputs)
            self._tell(UnitCancelled(outputs))
        return lambda: is_open

    def _cancel_all(self, reason: str, *before: Event) -> None:
        failure = Failure("cancelled", reason, "every unfinished task")
        # A second Ctrl-C comes behind all of it.
        with self._changed, DeferredSignals():
            for event in (*before, AllFailed(failure)):
                self._tell(event)
        self._call_back()  # who runs the units may be gone

    def close(self) -> None:
        """Let go of nothing: there are no executors."""
