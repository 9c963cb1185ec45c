"""Every error a user can meet, in one tree.

    PymonikError
    ├── CaptureError (TypeError)          an argument or a function cannot be pickled
    ├── SignatureError (TypeError)        a call does not fit the task's signature
    ├── LazyValueError (TypeError)        a handle was used as if it were its value
    ├── TaskDefinitionError (TypeError)   a task cannot be made of this
    ├── OptionsError (ValueError)         an option, a setting or an argument of a client is wrong
    │   ├── EnvironmentSpecError          an environment was described wrongly
    │   └── BackendError                  the backend asked for cannot be had
    │       └── PartitionError            a partition is not one of the cluster's, or the session's
    ├── NoClientError (RuntimeError)      no client, several clients, or a closed one
    ├── LostValueError (RuntimeError)     nothing will bring the value that is waited for: a bug
    ├── WaitInTaskError (RuntimeError)    a task asked for a value instead of returning the handle
    ├── EnvironmentMismatch (RuntimeError) this interpreter does not satisfy the environment
    ├── EnvironmentBuildError (RuntimeError) an environment could not be built where a call runs
    ├── TreeError (ValueError)            a file or folder holds what cannot travel
    ├── SourceChangedError (RuntimeError) a file or folder is not what it was when it was named
    ├── ArchiveError (ValueError)         an archive is damaged, or reaches out of its folder
    ├── MaterializeError (RuntimeError)   a file or folder cannot be put in its place
    ├── GraphError (AssertionError)       a graph breaks a law of the IR: a bug of a pass
    ├── GraphFileError (ValueError)       a file holds no graph, or a graph cannot be one
    ├── RunNotFound (LookupError)         no recorded run has this id
    ├── WireError (ValueError)            a stored object is not ours, or of another version
    ├── ClusterError (ConnectionError)    a control plane refuses what it was asked, or fails at it
    │   ├── ClusterUnreachable            nothing answers at the endpoint, or not in time
    │   └── StaleError                    what was asked for is gone there, or has ended
    └── TaskFailed                        a call failed where it ran
        ├── TaskTimeout (TimeoutError)    it ran longer than its `max_duration`
        ├── ExecutorDied                  the process that ran it died, `max_retries` times over
        ├── ValueLost                     it has ended, and its value is gone from the cluster
        └── Cancelled                     it was cancelled before it had run

`get` raises the exception the task raised, chained to the `TaskFailed` that tells its story.
"""

from __future__ import annotations


class PymonikError(Exception):
    """Base of all errors of PymoniK."""


class CaptureError(PymonikError, TypeError):
    """An object cannot leave this process: the message names the path to the culprit."""


class SignatureError(PymonikError, TypeError):
    """The arguments of a call do not fit the signature of its task."""


class LazyValueError(PymonikError, TypeError):
    """A handle was used as a value: it names one that does not exist yet."""


class TaskDefinitionError(PymonikError, TypeError):
    """A task cannot be made of what was given."""


class OptionsError(PymonikError, ValueError):
    """An option has a value it cannot have."""


class EnvironmentSpecError(OptionsError):
    """An environment was described wrongly; the message names what is wrong and what is valid."""


class BackendError(OptionsError):
    """The backend asked for is unknown or cannot be reached."""


class PartitionError(BackendError):
    """A partition is not one of the cluster's, or of the session's: the message lists those."""


class NoClientError(PymonikError, RuntimeError):
    """No client is open here, several are, or the one named is closed."""


class LostValueError(PymonikError, RuntimeError):
    """Nothing will bring a value that is waited for: no pending call, no open unit, no fetch."""


class WaitInTaskError(PymonikError, RuntimeError):
    """A task asked for the value of a sub-task: a worker never waits."""


class EnvironmentMismatch(PymonikError, RuntimeError):
    """The environment asked for is not the one of this interpreter."""


class EnvironmentBuildError(PymonikError, RuntimeError):
    """An environment could not be built where a call was to run; the message has uv's own words."""


class TreeError(PymonikError, ValueError):
    """A folder holds something that cannot be shipped."""


class SourceChangedError(PymonikError, RuntimeError):
    """A file or folder is no longer what it was when it was named by its content."""


class ArchiveError(PymonikError, ValueError):
    """An archive is damaged, or holds what no folder of ours would."""


class MaterializeError(PymonikError, RuntimeError):
    """A file or folder could not be put in place; the message says which, where and why."""


class GraphError(PymonikError, AssertionError):
    """A graph breaks a law of the IR; the message shows the lines around it."""


class GraphFileError(PymonikError, ValueError):
    """A file holds no graph that this version reads, or a graph cannot be written to one."""


class RunNotFound(PymonikError, LookupError):
    """No run that was recorded has this id, or several begin with it."""


class WireError(PymonikError, ValueError):
    """Bytes are not an object of PymoniK, or of a version this one cannot read."""


class ClusterError(PymonikError, ConnectionError):
    """A control plane cannot be reached, or refuses what it was asked.

    Attributes: `code`, the gRPC status that it answered with, or ""; `http_status`, that of a proxy
    that answered in its place, or 0; `is_outage`, whether no server could be asked any more, and
    what was sent goes on without this client.
    """

    code = ""
    http_status = 0
    is_outage = False


class ClusterUnreachable(ClusterError):
    """Nothing answers at the endpoint, or not in time: the message names it, and what to check."""


class StaleError(ClusterError):
    """What was asked for is gone, such as a session, or is not in the state it should be in."""


class TaskFailed(PymonikError):
    """A call failed; the attributes tell which, where and how.

    Attributes: `task` (its name), `site` ("file:line" of the `invoke`), `element` (place in its
    map, or None), `worker`, `attempts` (how often it was tried), `traceback` (remote text) and
    `path` (names of the calls from the root cause down to the value asked for).
    """

    def __init__(
        self,
        message: str,
        *,
        task: str = "",
        site: str = "",
        element: int | None = None,
        worker: str = "",
        attempts: int = 1,
        traceback: str = "",
        path: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.task = task
        self.site = site
        self.element = element
        self.worker = worker
        self.attempts = attempts
        self.traceback = traceback
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        state = {key: value for key, value in vars(self).items() if not key.startswith("__")}
        return (type(self), self.args, state)


class TaskTimeout(TaskFailed, TimeoutError):
    """A call ran longer than its `max_duration`."""


class ExecutorDied(TaskFailed):
    """The process that ran a call died, as often as `max_retries` allows and once more."""


class ValueLost(TaskFailed):
    """A call has ended, or was to, and its cluster has lost the records: expired, or deleted."""


class Cancelled(TaskFailed):
    """A call was cancelled before it had run."""
