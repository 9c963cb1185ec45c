"""What the engine remembers: options, sessions, results, tasks, and the tables that hold them.

Records are plain and mutable; only the rules beside this module change them. Times are seconds
since the epoch, as the events carry them: nothing here reads a clock.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field

from pymonik.emulator.state.status import ResultStatus, SessionStatus, TaskStatus


@dataclass(frozen=True, slots=True)
class Options:
    """Task options. `max_duration` is in seconds; None when the message came without one."""

    max_duration: float | None = None
    max_retries: int = 0
    priority: int = 0
    partition: str = ""
    application_name: str = ""
    application_version: str = ""
    application_namespace: str = ""
    application_service: str = ""
    engine_type: str = ""
    entries: Mapping[str, str] = field(default_factory=dict)

    @property
    def texts(self) -> tuple[str, ...]:
        """Every text of the options."""
        return (
            self.partition,
            self.application_name,
            self.application_version,
            self.application_namespace,
            self.application_service,
            self.engine_type,
            *self.entries.keys(),
            *self.entries.values(),
        )


@dataclass(slots=True, eq=False)
class SessionRecord:
    """A session and its two submission flags."""

    id: str
    partitions: tuple[str, ...]
    options: Options
    created_at: float
    status: SessionStatus = SessionStatus.RUNNING
    client_open: bool = True
    worker_open: bool = True
    cancelled_at: float | None = None
    closed_at: float | None = None
    purged_at: float | None = None
    deleted_at: float | None = None


@dataclass(slots=True, eq=False)
class Result:
    """A result: `owner` is the task that shall produce it, the session id for client data."""

    id: str
    session_id: str
    name: str
    created_at: float
    created_by: str = ""
    owner: str = ""
    status: ResultStatus = ResultStatus.CREATED
    completed_at: float | None = None
    size: int = 0
    object_id: bytes = b""
    manual_deletion: bool = False
    dependents: list[str] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class TaskRecord:
    """A task.

    `remaining` are the inputs, payload included, that are not completed yet; `queued` says
    that a message for it is under way; `worker_open` is the session's flag as it was when a pod
    took the task; `created` are the results that the task itself declared.
    """

    id: str
    session_id: str
    options: Options
    payload_id: str
    dependencies: tuple[str, ...]
    outputs: tuple[str, ...]
    created_at: float
    initial_id: str
    created_by: str = ""
    parents: tuple[str, ...] = ()
    retry_of: tuple[str, ...] = ()
    status: TaskStatus = TaskStatus.CREATING
    remaining: set[str] = field(default_factory=set)
    queued: bool = False
    worker_open: bool = True
    created: list[str] = field(default_factory=list)
    pod: str = ""
    error: str = ""
    submitted_at: float | None = None
    acquired_at: float | None = None
    started_at: float | None = None
    processed_at: float | None = None
    ended_at: float | None = None


@dataclass(slots=True, eq=False)
class Tables:
    """All records by id, and by session (a result may name a session that does not exist)."""

    sessions: dict[str, SessionRecord] = field(default_factory=dict)
    results: MutableMapping[str, Result] = field(default_factory=dict)
    tasks: MutableMapping[str, TaskRecord] = field(default_factory=dict)
    results_of: MutableMapping[str, MutableMapping[str, Result]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    payload_users: dict[str, str] = field(default_factory=dict)
    tasks_of: MutableMapping[str, MutableMapping[str, TaskRecord]] = field(
        default_factory=lambda: defaultdict(dict)
    )

    def add_result(self, result: Result) -> None:
        """Store a result under its id and its session."""
        self.results[result.id] = result
        self.results_of[result.session_id][result.id] = result

    def add_task(self, task: TaskRecord) -> None:
        """Store a task under its id and its session."""
        self.tasks[task.id] = task
        self.payload_users.setdefault(task.payload_id, task.id)
        self.tasks_of[task.session_id][task.id] = task

    def remove_result(self, result: Result) -> None:
        """Forget a result."""
        del self.results[result.id]
        del self.results_of[result.session_id][result.id]

    def remove_task(self, task: TaskRecord) -> None:
        """Forget a task."""
        del self.tasks[task.id]
        self.payload_users.pop(task.payload_id, None)
        del self.tasks_of[task.session_id][task.id]
