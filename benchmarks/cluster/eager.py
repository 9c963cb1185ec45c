"""The pattern of eager clients, which PymoniK 0.2.5 set: a task a call, sent when it is called.

A call is three requests: the metadata of its result, its payload, the task. A map sends the same
three in groups of 32, 32 and 100. A wait is an event stream for the result, a `get` a download. It
goes through the clients of the armonik package, as that release does, and does no more than it
must: what is measured is the pattern, not somebody's slow code.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from datetime import timedelta
from types import TracebackType
from typing import Any, Protocol

import cloudpickle
import grpc
from armonik.client import ArmoniKEvents, ArmoniKResults, ArmoniKSessions, ArmoniKTasks
from armonik.common import TaskDefinition, TaskOptions

GROUP = 32
CURRENT: ContextVar[Eager] = ContextVar("eager")


class Sender(Protocol):
    """What sends for a client, or for a task."""

    def metadata(self, names: list[str]) -> Any: ...
    def create(self, data: dict[str, bytes]) -> Any: ...
    def submit(self, tasks: list[TaskDefinition]) -> None: ...


class Remote:
    """The id of a result, in the arguments of a call; of several, when they are a list."""

    def __init__(self, ids: Sequence[str] | str) -> None:
        self.ids = ids


class Handle:
    """A result that a task will make."""

    def __init__(self, eager: Eager, id: str) -> None:
        self.eager = eager
        self.id = id

    def wait(self) -> Handle:
        """Wait for the result by an event stream of its own."""
        self.eager.wait([self.id])
        return self

    def get(self) -> Any:
        """Download the value."""
        return cloudpickle.loads(self.eager.download(self.id))


class EagerTask:
    """A function whose calls are sent when they are made."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.name = function.__name__

    def invoke(self, *args: Any, delegate: bool = False) -> Handle:
        """Send one call."""
        return CURRENT.get().send(self, [args], delegate)[0]

    def map_invoke(self, calls: Iterable[tuple[Any, ...]]) -> list[Handle]:
        """Send many calls."""
        return CURRENT.get().send(self, list(calls), delegate=False)


class Eager:
    """What sends calls: the same for a client and within a task; their senders differ."""

    def __init__(self, sender: Sender, session_id: str, output: str = "") -> None:
        self._sender = sender
        self._session_id = session_id
        self._output = output
        self._functions: dict[str, str] = {}

    def send(self, task: EagerTask, calls: list[tuple[Any, ...]], delegate: bool) -> list[Handle]:
        """Send calls by the three kinds of requests."""
        function = self._function(task)
        outputs = [self._name("output", task) for _ in calls]
        payloads, needs = {}, []
        for args in calls:
            needs.append([function, *_ids(args)])
            payload = cloudpickle.dumps((function, [_remote(arg) for arg in args]))
            payloads[self._name("payload", task)] = payload
        if delegate:
            ids = [self._output]
        else:
            made = self._sender.metadata(outputs)
            ids = [made[name].result_id for name in outputs]
        stored = self._sender.create(payloads)
        self._sender.submit(
            [
                TaskDefinition(
                    payload_id=stored[name].result_id,
                    expected_output_ids=[id],
                    data_dependencies=list(dict.fromkeys(need)),
                )
                for name, id, need in zip(payloads, ids, needs)
            ]
        )
        return [Handle(self, id) for id in ids]

    def _function(self, task: EagerTask) -> str:
        if task.name not in self._functions:
            name = f"{self._session_id}__function__{task.name}"
            made = self._sender.create({name: cloudpickle.dumps(task.function)})
            self._functions[task.name] = made[name].result_id
        return self._functions[task.name]

    def _name(self, what: str, task: EagerTask) -> str:
        return f"{self._session_id}__{what}__{task.name}__{uuid.uuid4()}"

    def wait(self, ids: list[str]) -> None:
        """Wait for results: clients only."""
        raise NotImplementedError

    def download(self, id: str) -> bytes:
        """Download a result: clients only."""
        raise NotImplementedError


class EagerClient(Eager):
    """A client: a session from its beginning to its end."""

    def __init__(self, endpoint: str, partition: str = "pymonik") -> None:
        self._channel = grpc.insecure_channel(endpoint)
        self._options = TaskOptions(
            max_duration=timedelta(seconds=300), priority=1, max_retries=5, partition_id=partition
        )
        self._results = ArmoniKResults(self._channel)
        self._tasks = ArmoniKTasks(self._channel)
        self._events = ArmoniKEvents(self._channel)
        self._sessions = ArmoniKSessions(self._channel)
        super().__init__(self, self._sessions.create_session(self._options, [partition]))
        self._token = CURRENT.set(self)

    def metadata(self, names: list[str]) -> Any:
        """Declare results."""
        return self._results.create_results_metadata(names, self._session_id, batch_size=GROUP)

    def create(self, data: dict[str, bytes]) -> Any:
        """Store results."""
        return self._results.create_results(data, self._session_id, batch_size=GROUP)

    def submit(self, tasks: list[TaskDefinition]) -> None:
        """Submit tasks."""
        self._tasks.submit_tasks(self._session_id, tasks, default_task_options=self._options)

    def wait(self, ids: list[str]) -> None:
        """Wait for results by events."""
        self._events.wait_for_result_availability(ids, self._session_id, bucket_size=GROUP)

    def download(self, id: str) -> bytes:
        """Download a result."""
        return self._results.download_result_data(id, self._session_id)  # type: ignore[no-any-return]

    def __enter__(self) -> EagerClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        CURRENT.reset(self._token)
        self._sessions.close_session(self._session_id)
        self._channel.close()


def _remote(arg: Any) -> Any:
    if isinstance(arg, Handle):
        return Remote(arg.id)
    if isinstance(arg, list) and arg and isinstance(arg[0], Handle):
        return Remote([handle.id for handle in arg])
    return arg


def _ids(args: tuple[Any, ...]) -> list[str]:
    found: list[str] = []
    for remote in map(_remote, args):
        if isinstance(remote, Remote):
            found += [remote.ids] if isinstance(remote.ids, str) else remote.ids
    return found
