"""The shell around the machine: gives it time and a lock, and carries out its instructions.

Everything that happens to the emulated cluster passes through `Engine.apply`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pymonik.emulator.database import Database
from pymonik.emulator.late_rows import LateRows
from pymonik.emulator.overhead import Overhead
from pymonik.emulator.queues import Queues
from pymonik.emulator.quirks import Quirks
from pymonik.emulator.state import (
    ClusterSettings,
    Machine,
    Result,
    ResultStatus,
    Tables,
    TaskRecord,
    events,
)
from pymonik.emulator.state.events import Event
from pymonik.emulator.state.instructions import (
    DatabaseLoad,
    Drop,
    Enqueue,
    Instruction,
    Notice,
    OwnerChanged,
    Poison,
    Proceed,
    Refuse,
    ResultChanged,
    Run,
    Stop,
)
from pymonik.emulator.storage import ObjectStorage
from pymonik.emulator.watchers import Watchers

# What pods report. A client's own requests are answered once their effect can be read.
REPORTS = (
    events.Acquire,
    events.Start,
    events.Succeed,
    events.Fail,
    events.Crash,
    events.TimeOut,
    events.Release,
)


class Refused(Exception):
    """The engine turned an event down."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Engine:
    """A machine that lives: one event at a time, from any thread."""

    def __init__(
        self,
        settings: ClusterSettings,
        *,
        clock: Callable[[], float] = time.time,
        database_load: Callable[[int], None] = lambda updates: None,
        quirks: Quirks | None = None,
        overhead: Overhead | None = None,
    ) -> None:
        self.settings = settings
        self.quirks = quirks or Quirks()
        self.overhead = overhead or Overhead()
        self.database = Database()
        self.objects = ObjectStorage()
        self.queues = Queues()
        self.watchers = Watchers()
        # When something has happened last in a session; left out once it was named as quiet.
        self.touched: dict[str, float] = {}
        self.interrupt: Callable[[str, str], None] = lambda pod, task_id: None
        self._clock = clock
        self._database_load = database_load
        self._machine = Machine(settings)
        self._late_rows = LateRows()
        # One event at a time: the machine leaves locks to its owner. Held while instructions are
        # carried out, which take those of `queues`, `objects` and the callers of pods.
        self._lock = threading.RLock()

    def apply(self, event: Event) -> list[Instruction]:
        """Let an event happen; raise `Refused` if the machine turned it down."""
        with self._lock:
            instructions = self._handle(event, self._clock())
            for instruction in instructions:
                self._carry_out(instruction, event)
        for instruction in instructions:
            if isinstance(instruction, DatabaseLoad):
                # Without the lock: it sleeps, as a database that is busy with one request serves
                # others.
                self._database_load(instruction.units * instruction.inputs)
            elif isinstance(instruction, Refuse):
                raise Refused(instruction.code, instruction.reason)
        return instructions

    def report(self, event: Event) -> list[Instruction]:
        """Let what a pod tells happen, as soon as the database is there."""
        self.database.wait()
        return self.apply(event)

    @contextmanager
    def reading(self) -> Iterator[Tables]:
        """Look at the records while nothing changes."""
        with self._lock:
            yield self._machine.tables

    @contextmanager
    def querying(self) -> Iterator[Tables]:
        """Look at the records as a request for them does: late, if that is a quirk."""
        with self._lock:
            yield self._late_rows.view(self._machine.tables, self._clock())

    def _handle(self, event: Event, now: float) -> list[Instruction]:
        late = self.quirks.late_rows
        if not any(late) or not isinstance(event, REPORTS):
            return self._machine.handle(event, now)
        before: dict[str, Result | TaskRecord] = {}
        instructions = self._machine.handle(event, now, before)
        self._late_rows.keep(before.values(), now, late)
        return instructions

    def touch(self, session_id: str) -> None:
        """Note that somebody cares about a session, without an event."""
        self.touched[session_id] = self._clock()

    def quiet_sessions(self, seconds: float) -> list[str]:
        """Name the sessions in which nothing has happened for a while; each only once."""
        with self._lock:
            limit = self._clock() - seconds
            quiet = [session for session, when in self.touched.items() if when <= limit]
            for session in quiet:
                del self.touched[session]
        return quiet

    def _carry_out(self, instruction: Instruction, event: Event) -> None:
        match instruction:
            case Enqueue(task_id, partition, priority):
                at_submission = isinstance(event, events.SubmitTasks)
                delay = self.overhead.of_message(at_submission=at_submission)
                self.queues.push(partition, task_id, priority, delay)
            case Stop(task_id, pod):
                self.interrupt(pod, task_id)
            case Drop(object_id):
                self.objects.drop(object_id)
            case Run() | Proceed() | Poison() | DatabaseLoad() | Refuse():
                pass
            case notice:
                self.touched[notice.session_id] = self._clock()
                self.watchers.publish(notice)
                if self.quirks.repeated_created:
                    self._repeat_created(notice)

    def _repeat_created(self, notice: Notice) -> None:
        if not isinstance(notice, (OwnerChanged, ResultChanged)):
            return
        result = self._machine.tables.results.get(notice.result_id)
        # What a client sent itself has no task as its owner.
        if result is not None and result.owner in self._machine.tables.tasks:
            created = ResultChanged(notice.session_id, result.id, ResultStatus.CREATED)
            self.watchers.publish(created)
