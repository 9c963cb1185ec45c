"""What the rules share: tables, settings, the time of the event, the instructions so far.

The few changes of state that several rules make are here too, each with the notices it causes.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass, field

from pymonik.emulator.state.generation import GENERATIONS, Generation
from pymonik.emulator.state.instructions import (
    Drop,
    Enqueue,
    Instruction,
    OwnerChanged,
    ResultChanged,
    TaskChanged,
)
from pymonik.emulator.state.records import Result, SessionRecord, Tables, TaskRecord
from pymonik.emulator.state.status import FINAL, ResultStatus, SessionStatus, TaskStatus

OPAQUE = "Unknown exception, see ArmoniK logs"


class Refusal(Exception):
    """A rule turns its event down with a gRPC status code and a reason."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """How the emulated cluster is configured."""

    partitions: tuple[str, ...]
    default_partition: str
    generation: Generation = GENERATIONS["HEAD"]
    strict: bool = False
    delete_payload: bool = True
    max_priority: int | None = 10


@dataclass(slots=True)
class World:
    """The state of the engine while one event is handled."""

    settings: ClusterSettings
    tables: Tables = field(default_factory=Tables)
    now: float = 0.0
    out: list[Instruction] = field(default_factory=list)
    before: dict[str, Result | TaskRecord] | None = None

    def remember(self, record: Result | TaskRecord) -> None:
        """Keep a copy of a record that is about to change, if anybody asked for it."""
        if self.before is not None and record.id not in self.before:
            self.before[record.id] = copy.copy(record)

    def session(self, session_id: str) -> SessionRecord:
        """Find a session or refuse with NOT_FOUND."""
        session = self.tables.sessions.get(session_id)
        if session is None:
            raise Refusal("NOT_FOUND", f"Session was not found: '{session_id}'")
        return session

    def result(self, result_id: str) -> Result:
        """Find a result or refuse with NOT_FOUND."""
        result = self.tables.results.get(result_id)
        if result is None:
            raise Refusal("NOT_FOUND", f"Result was not found: '{result_id}'")
        return result

    def server_error(self, reason: str, code: str = "UNKNOWN") -> Refusal:
        """Describe a server fault: a cluster says UNKNOWN and no more, strict mode says why."""
        opaque = code == "UNKNOWN" and not self.settings.strict
        return Refusal(code, OPAQUE if opaque else reason)

    def check_texts(self, texts: Iterable[str]) -> None:
        """Refuse a text that PostgreSQL refuses: one with a NUL character."""
        for text in texts:
            if "\0" in text:
                raise self.server_error(f"{text!r} holds a NUL character, which no database keeps")

    def require_strict(self, condition: object, reason: str) -> None:
        """Refuse, in strict mode, what a cluster would leave hanging or silently ignore."""
        if self.settings.strict and not condition:
            raise Refusal("INVALID_ARGUMENT", f"strict: {reason}")

    def set_task(self, task: TaskRecord, status: TaskStatus, error: str = "") -> None:
        """Change the status of a task; a final one ends it."""
        self.remember(task)
        task.status = status
        if status in FINAL:
            task.ended_at = self.now
            task.error = error
        self.out.append(TaskChanged(task.session_id, task.id, status))

    def set_result(self, result: Result, status: ResultStatus) -> None:
        """Change the status of a result."""
        self.remember(result)
        result.status = status
        # A deletion leaves the time at which the data came.
        if status is not ResultStatus.DELETED:
            result.completed_at = self.now
        self.out.append(ResultChanged(result.session_id, result.id, status))

    def set_owner(self, result: Result, owner: str) -> None:
        """Change the task that shall produce a result."""
        if result.owner != owner:
            self.remember(result)
            previous, result.owner = result.owner, owner
            self.out.append(OwnerChanged(result.session_id, result.id, previous, owner))

    def delete_data(self, result: Result) -> None:
        """Drop the bytes of a result, unless only its creator may delete them."""
        if result.manual_deletion:
            return
        self.remember(result)
        if result.object_id:
            self.out.append(Drop(result.object_id))
            result.object_id = b""
        if result.status is not ResultStatus.DELETED:
            self.set_result(result, ResultStatus.DELETED)

    def enqueue(self, ready: Iterable[TaskRecord], session: SessionRecord | None) -> None:
        """Queue ready tasks, bigger priorities first, or pause them with their session."""
        paused = session is not None and session.status is SessionStatus.PAUSED
        for task in sorted(ready, key=lambda t: -t.options.priority):
            self.set_task(task, TaskStatus.PAUSED if paused else TaskStatus.SUBMITTED)
            if not paused:
                self.send_message(task)

    def send_message(self, task: TaskRecord) -> None:
        """Put a submitted task into its queue; above the highest priority nobody reads it."""
        task.submitted_at = self.now
        priority = task.options.priority
        highest = self.settings.max_priority
        if highest is None or priority <= highest:
            task.queued = True
            # AMQP turns (0 - 1) into the byte 255: forgotten priorities come first.
            self.out.append(Enqueue(task.id, task.options.partition, priority or 255))
