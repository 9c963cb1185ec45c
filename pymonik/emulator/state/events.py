"""What can happen to the engine: requests of clients, reports of pods, the passing of time.

Ids of new records are part of the event, so that the rules stay deterministic: whoever talks to
the machine draws them. Only `Refuse` among the instructions says that an event was turned down.
"""

from __future__ import annotations

from dataclasses import dataclass

from pymonik.emulator.state.records import Options


@dataclass(frozen=True, slots=True)
class CreateSession:
    """A client opens a session, with the options of tasks that have none."""

    session_id: str
    options: Options | None
    partitions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PauseSession:
    """A client holds back the tasks of a session that do not run yet."""

    session_id: str


@dataclass(frozen=True, slots=True)
class ResumeSession:
    """A client lets the tasks of a paused session go on."""

    session_id: str


@dataclass(frozen=True, slots=True)
class CloseSession:
    """A client ends a session once what was submitted has ended."""

    session_id: str


@dataclass(frozen=True, slots=True)
class CancelSession:
    """A client cancels a session with all of its tasks."""

    session_id: str


@dataclass(frozen=True, slots=True)
class PurgeSession:
    """A client has the data of an ended session removed."""

    session_id: str


@dataclass(frozen=True, slots=True)
class DeleteSession:
    """A client has an ended session forgotten, with its tasks and results."""

    session_id: str


@dataclass(frozen=True, slots=True)
class StopSubmission:
    """A client lets clients, or workers, submit no more to a session."""

    session_id: str
    client: bool
    worker: bool


@dataclass(frozen=True, slots=True)
class NewResult:
    """A result to declare; with an `object_id` its bytes are stored already.

    `session_id` is what a worker gave with it, None for that of its task.
    """

    id: str
    name: str
    object_id: bytes = b""
    size: int = 0
    manual_deletion: bool = False
    session_id: str | None = None


@dataclass(frozen=True, slots=True)
class CreateResults:
    """A client or a task announces results, some with their data."""

    session_id: str
    results: tuple[NewResult, ...]


@dataclass(frozen=True, slots=True)
class StoredObject:
    """Bytes in object storage that belong to an existing result."""

    result_id: str
    object_id: bytes
    size: int


@dataclass(frozen=True, slots=True)
class UploadResult:
    """The data of a result has arrived."""

    session_id: str
    stored: StoredObject


@dataclass(frozen=True, slots=True)
class ImportResults:
    """A client names objects of the storage as the data of results."""

    session_id: str
    stored: tuple[StoredObject, ...]


@dataclass(frozen=True, slots=True)
class DeleteResults:
    """A client has the data of results removed."""

    session_id: str
    result_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task to create. `options` is what its creator sent, or None."""

    id: str
    payload_id: str
    dependencies: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    options: Options | None = None


@dataclass(frozen=True, slots=True)
class SubmitTasks:
    """`inputs_checked` says that the inputs were alive a moment ago, when they were looked at."""

    session_id: str
    tasks: tuple[NewTask, ...]
    options: Options | None = None
    inputs_checked: bool = False


@dataclass(frozen=True, slots=True)
class CancelTasks:
    """A client cancels tasks."""

    task_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Acquire:
    """A pod took the message of a task from its queue."""

    task_id: str
    pod: str


@dataclass(frozen=True, slots=True)
class Start:
    """The inputs are in the folder of the task; the worker is about to be called."""

    task_id: str


@dataclass(frozen=True, slots=True)
class Offer:
    """A running task asks for sub-tasks. They are only checked now: see `Succeed`."""

    task_id: str
    tasks: tuple[NewTask, ...]
    options: Options | None = None


@dataclass(frozen=True, slots=True)
class Succeed:
    """The worker answered ok; all that the task asked for takes effect now, in one go."""

    task_id: str
    created: tuple[NewResult, ...] = ()
    stored: tuple[StoredObject, ...] = ()
    offers: tuple[Offer, ...] = ()


@dataclass(frozen=True, slots=True)
class Fail:
    """The worker answered with an error, or an input was missing: never retried."""

    task_id: str
    error: str


@dataclass(frozen=True, slots=True)
class Crash:
    """The call of the worker broke: retried while retries are left."""

    task_id: str
    error: str


@dataclass(frozen=True, slots=True)
class TimeOut:
    """The deadline of the call passed: never retried."""

    task_id: str


@dataclass(frozen=True, slots=True)
class Release:
    """The pod gives the task back unharmed."""

    task_id: str


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing has happened in the session for a while."""

    session_id: str


@dataclass(frozen=True, slots=True)
class Expire:
    """Everything created before the given time leaves the database."""

    before: float


Event = (
    CreateSession
    | PauseSession
    | ResumeSession
    | CloseSession
    | CancelSession
    | PurgeSession
    | DeleteSession
    | StopSubmission
    | CreateResults
    | UploadResult
    | ImportResults
    | DeleteResults
    | SubmitTasks
    | CancelTasks
    | Acquire
    | Start
    | Offer
    | Succeed
    | Fail
    | Crash
    | TimeOut
    | Release
    | Idle
    | Expire
)
