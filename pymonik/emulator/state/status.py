"""The statuses of the engine, numbered as in its protocol, and the groups that rules speak of."""

from __future__ import annotations

from enum import IntEnum


class SessionStatus(IntEnum):
    """Where a session stands."""

    RUNNING = 1
    CANCELLED = 2
    PAUSED = 3
    CLOSED = 4
    PURGED = 5
    DELETED = 6


class ResultStatus(IntEnum):
    """Where a result stands."""

    CREATED = 1
    COMPLETED = 2
    ABORTED = 3
    DELETED = 4


class TaskStatus(IntEnum):
    """Where a task stands."""

    CREATING = 1
    SUBMITTED = 2
    DISPATCHED = 3
    COMPLETED = 4
    ERROR = 5
    TIMEOUT = 6
    CANCELLING = 7
    CANCELLED = 8
    PROCESSING = 9
    PROCESSED = 10
    RETRIED = 11
    PENDING = 12
    PAUSED = 13


# A task with one of these never changes again.
FINAL = frozenset(
    {
        TaskStatus.COMPLETED,
        TaskStatus.CANCELLED,
        TaskStatus.ERROR,
        TaskStatus.RETRIED,
        TaskStatus.TIMEOUT,
    }
)

# A pod owns a task with one of these.
HELD = frozenset({TaskStatus.DISPATCHED, TaskStatus.PROCESSING})

# A task that a pod picks up in such a session is cancelled instead of run.
ENDED_SESSIONS = frozenset(
    {
        SessionStatus.CANCELLED,
        SessionStatus.CLOSED,
        SessionStatus.PURGED,
        SessionStatus.DELETED,
    }
)
