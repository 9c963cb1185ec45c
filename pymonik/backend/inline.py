"""The inline backend: the same units, in this process and this thread, for breakpoints and pdb.

A plan runs when it is submitted. Time limits are not kept: there is nobody to end a call.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import Any

from pymonik.backend.in_process import EngineArrivals, new_session, traits_of
from pymonik.backend.protocol import ABANDONED
from pymonik.capture.as_captured import as_captured
from pymonik.capture.definition_versions import is_live
from pymonik.capture.importer import at_home
from pymonik.plan.plan import Plan
from pymonik.plan.unit import Unit
from pymonik.record.current import CURRENT
from pymonik.runtime.executor import state as running
from pymonik.runtime.executor.calls import Assignment, ExecutionServices, Report
from pymonik.runtime.executor.context import serve
from pymonik.runtime.executor.pools import served
from pymonik.runtime.executor.run import run
from pymonik.runtime.executor.subtasks import Subtasks, wire_plan
from pymonik.runtime.executor.surroundings import moved, variables_of
from pymonik.runtime.host.local_subtasks import LocalSubtasks
from pymonik.runtime.host.messages import plan_of
from pymonik.runtime.host.scheduler import Scheduler
from pymonik.runtime.host.unit_slice import UnitSlice
from pymonik.system.forks import fork_safe
from pymonik.system.surroundings import SurroundingsWatch
from pymonik.values.content import Content
from pymonik.values.location import Wanted
from pymonik.values.outcome import Failure
from pymonik.values.outputs import Outputs, call_back
from pymonik.wire.byte_cache import FUNCTION_BYTES, ByteCache
from pymonik.wire.program import Program

# What runs, and the folder and variables that it finds, are a matter of the whole process: clients
# of several threads take turns. A task may use a client of its own, which another thread may be
# about to flush: the turn comes before the locks of clients.
TURN = fork_safe(threading.RLock())

_NAME = "inline"


class _NoPage:
    """Takes the marks that a host would read."""

    def __init__(self) -> None:
        self.numbers = [0, 0, 0]

    def add(self, record: Any) -> bool:
        """Nobody will ask: the caller lives as long as the call."""
        return True

    def note(self, step: Any) -> bool:
        """Nobody will ask."""
        return False


class InlineBackend:
    """A scheduler with one executor: the caller."""

    def __init__(
        self, workers: int | None, optimize: Any, surroundings: SurroundingsWatch | None = None
    ) -> None:
        slots = workers or 1
        self._surroundings = surroundings
        self._changed = fork_safe(threading.Condition())
        self._objects = objects = new_session(_NAME)
        self._scheduler = scheduler = Scheduler(LocalSubtasks)
        scheduler.executors[0] = []
        scheduler.observe(objects)
        self._functions: ByteCache[Any] = ByteCache("functions", FUNCTION_BYTES)
        self._subtasks = Subtasks(slots, False, optimize)
        arrivals = EngineArrivals(self._changed, scheduler.failures, scheduler.has_open)
        self.traits = traits_of(_NAME, slots, arrivals, objects, pieces=scheduler)
        serve()

    def submit(self, plan: Plan) -> None:
        """Run the units, and those that they add; other threads wait for their turn."""
        with TURN:
            self._submit(plan)

    def _submit(self, plan: Plan) -> None:
        self._objects.note(plan.blobs)
        self._scheduler.add(plan.units)
        token = CURRENT.set(self._subtasks)
        outer, running.STATE = running.STATE, running.State()
        running.STATE.worker = _NAME
        running.STATE.session_id = self._objects.session_id
        running.STATE.fetch = self._objects.fetch
        running.STATE.caches = lambda: {"functions": self._functions.info}
        try:
            while given := self._scheduler.assign():
                for piece in given[0]:
                    self._run(piece)
            self._scheduler.fail_stuck()
            self._call_back()
        except BaseException:  # Ctrl-C: what was running will not go on
            self._scheduler.executors[0].clear()
            self._cancel_all("it was interrupted")
            raise
        finally:
            running.STATE = outer
            CURRENT.reset(token)
            with self._changed:
                self._changed.notify_all()

    def _run(self, piece: UnitSlice) -> None:
        unit = piece.running.unit
        inputs = [source.columns if type(source) is Outputs else source for source in unit.inputs]
        job = Assignment(Program.load(unit.payload), inputs, piece.start, piece.stop)
        restore = running.Restorer(watch=False)
        restore.expect(variables_of(unit))
        running.STATE.environment = unit.environment
        hosting = ExecutionServices(
            _NAME,
            self._function,
            _NoPage(),
            (KeyboardInterrupt,),
            self._subtasks,
            restore,
        )
        around = moved(self._surroundings, unit, restore)
        with at_home(unit.modules), as_captured(), served(), around:
            self._report(unit, run(job, hosting))
        restore.expect({})
        running.DIRTY.clear()
        self._call_back()

    def _report(self, unit: Unit, reports: Iterable[Report]) -> None:
        began = time.perf_counter()
        for report in reports:
            told = (0, unit.number, report.start, report.stop, report.columns, report.errors)
            # Other threads may ask to be called back, or cancel: `changed` guards the cells.
            if report.last:
                seconds = time.perf_counter() - began
                plan = plan_of(wire_plan(self._subtasks))
                with self._changed:
                    self._scheduler.ended(*told, seconds, plan)
            else:
                with self._changed:
                    self._scheduler.reported(*told)

    def _call_back(self) -> None:
        while self._scheduler.due:
            with self._changed:
                due, self._scheduler.due = self._scheduler.due, []
            call_back(due)
            with self._changed:
                self._scheduler.propagate()
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
        done = self._scheduler.done
        return done, done + self._scheduler.unfinished

    def cancel(self, cell: Outputs | None = None) -> bool:
        """Stop what an exception has left, or what another thread, or a task, still runs."""
        if cell is None:
            self._cancel_all(ABANDONED)
            return True
        with self._changed:
            return self._scheduler.cancel(cell)

    def _cancel_all(self, reason: str) -> None:
        with self._changed:
            self._scheduler.fail_all(Failure("cancelled", reason, "every unfinished task"))
        self._call_back()  # who runs the units may be gone

    def close(self) -> None:
        """Let go of nothing: there are no executors."""
