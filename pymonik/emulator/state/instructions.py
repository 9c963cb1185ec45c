"""What the machine asks of the world after an event: queue, run, stop, drop, tell, refuse."""

from __future__ import annotations

from dataclasses import dataclass

from pymonik.emulator.state.status import ResultStatus, TaskStatus


@dataclass(frozen=True, slots=True)
class Enqueue:
    """Put a message for the task into the queue of a partition; bigger priorities first."""

    task_id: str
    partition: str
    priority: int


@dataclass(frozen=True, slots=True)
class Run:
    """The pod that asked now owns the task: fetch its inputs, then report `Start`."""

    task_id: str


@dataclass(frozen=True, slots=True)
class Proceed:
    """Call the worker."""

    task_id: str


@dataclass(frozen=True, slots=True)
class Poison:
    """The end of the task cannot be written: the pod does nothing else while its session lives."""

    task_id: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Interrupt the pod that owns the task."""

    task_id: str
    pod: str


@dataclass(frozen=True, slots=True)
class Drop:
    """Delete an object from storage."""

    object_id: bytes


@dataclass(frozen=True, slots=True)
class DatabaseLoad:
    """The database updates `units` tasks with `inputs` completed inputs each."""

    units: int
    inputs: int


@dataclass(frozen=True, slots=True)
class TaskCreated:
    """Tell who listens that there is a task."""

    session_id: str
    task_id: str
    status: TaskStatus = TaskStatus.CREATING


@dataclass(frozen=True, slots=True)
class TaskChanged:
    """Tell who listens of the status of a task."""

    session_id: str
    task_id: str
    status: TaskStatus


@dataclass(frozen=True, slots=True)
class ResultCreated:
    """Tell who listens that there is a result."""

    session_id: str
    result_id: str


@dataclass(frozen=True, slots=True)
class ResultChanged:
    """Tell who listens of the status of a result."""

    session_id: str
    result_id: str
    status: ResultStatus


@dataclass(frozen=True, slots=True)
class OwnerChanged:
    """Tell who listens that another task makes a result now."""

    session_id: str
    result_id: str
    previous: str
    current: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer the request with this gRPC status; what precedes it has happened all the same."""

    code: str
    reason: str


Notice = TaskCreated | TaskChanged | ResultCreated | ResultChanged | OwnerChanged
Instruction = Enqueue | Run | Proceed | Poison | Stop | Drop | DatabaseLoad | Refuse | Notice
