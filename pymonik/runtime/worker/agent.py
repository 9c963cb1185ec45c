"""The agent of a worker as a place to send plans to.

Enters: steps of sub-tasks, and the pack of the task itself. Leaves: requests to the agent, who
holds them back until the task has ended well. Data go through files in the folder that both can
see: what the agent takes in one message is limited to 4 MiB.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import grpc
from armonik.protogen.common import agent_common_pb2 as messages
from armonik.protogen.common.objects_pb2 import TaskOptions
from google.protobuf.duration_pb2 import Duration

from pymonik.plan.requests import Placement, Submit, TaskSubmission, packed
from pymonik.plan.sizes import HOURS, RETRIES
from pymonik.wire.envelope import Parts, size_of
from pymonik.wire.statuses import code_of, status_of

# Well below the 4 MiB that an agent takes in one message.
MESSAGE_BYTES = 3 << 20
# What an id takes in a message at most, with its tag and its length.
_NAME_BYTES = 128
# Seconds between tries of what may be asked twice; then the task is given back.
_PAUSES = (0.05, 0.2, 1.0, 4.0)
# Seconds that an agent has for a request, and bytes a second of the slowest storage that it may
# have to wait for: an agent that stands still must not hold a worker for ever.
_DEADLINE, _SLOWEST = 60.0, 1 << 20
# Bytes: more than an entry takes beside its texts (ids of a payload and an output, numbers, heads
# of fields), and than an input does, an id of 36 characters.
_ENTRY, _INPUT = 300, 40
# Bytes to expect where the size of an answer is unknown.
UNKNOWN = 1 << 30


class AgentLostError(Exception):
    """The agent does not answer: what it has taken of this task is unknown."""


class AgentStore:
    """The requests of one task to its agent."""

    def __init__(self, agent: Any, request: Any) -> None:
        self._agent = agent
        self._request = request
        self.folder: str = request.data_folder
        # Ids of files, and their bytes.
        self._written: list[tuple[str, int]] = []

    def declare(self, names: Sequence[str]) -> Sequence[str]:
        """Return an id for each name."""
        kind = messages.CreateResultsMetaDataRequest
        ids: list[str] = []
        for batch in packed(names, MESSAGE_BYTES, lambda name: len(name.encode()) + _NAME_BYTES):
            request = kind(
                communication_token=self._request.communication_token,
                session_id=self._request.session_id,
                results=[kind.ResultCreate(name=name) for name in batch],
            )
            # Asked twice, it leaves rows that nothing refers to.
            answer = self._retry(self._agent.CreateResultsMetaData, request)
            ids += [made.result_id for made in answer.results]
        return ids

    def create(self, items: Sequence[tuple[str, Parts]]) -> Sequence[str]:
        """Write objects to files; return their ids."""
        ids = self.declare([name for name, _ in items])
        for id, (_, parts) in zip(ids, items):
            self.stream(id, parts)
        return ids

    def stream(self, id: str, parts: Parts) -> None:
        """Write the data of a declared object to its file."""
        with open(os.path.join(self.folder, id), "wb") as file:
            file.writelines(parts)
        self._written.append((id, size_of(parts)))

    def at_once(self, actions: Sequence[Callable[[], None]]) -> None:
        """Write files one after the other: it is one disk."""
        for action in actions:
            action()

    def submit(self, request: Submit) -> None:
        """Submit sub-tasks."""
        kind = messages.SubmitTasksRequest
        for batch in packed(request.entries, MESSAGE_BYTES, _entry_size):
            message = kind(
                communication_token=self._request.communication_token,
                session_id=self._request.session_id,
                task_options=self._options(request.placement),
                task_creations=self._creations(batch, request.placement),
            )
            try:
                self._agent.SubmitTasks(message, timeout=deadline_of(message.ByteSize()))
            except grpc.RpcError as error:
                # Sent again, sub-tasks might run twice; given back, the task runs again alone.
                _raise_lost(error)
                raise

    def _creations(self, entries: Sequence[TaskSubmission], common: Placement) -> Iterator[Any]:
        for entry in entries:
            own = entry.placement != common
            yield messages.SubmitTasksRequest.TaskCreation(
                payload_id=entry.payload.id,
                expected_output_keys=[entry.output.id],
                data_dependencies=[source.id for source in entry.inputs],
                task_options=self._options(entry.placement) if own else None,
            )

    def _options(self, placement: Placement) -> Any:
        """Return complete options: those of this task where the placement has none."""
        parent = self._request.task_options
        return TaskOptions(
            options=dict(placement.labels),
            max_duration=Duration(seconds=HOURS * 3600),
            max_retries=RETRIES,
            priority=placement.priority,
            partition_id=placement.partition or parent.partition_id,
            application_name=placement.application_name,
            application_version=placement.application_version,
            application_namespace=placement.application_namespace,
            application_service=placement.application_service,
            engine_type=placement.engine_type,
        )

    def fetch_files(self, sizes: Mapping[str, int]) -> set[str]:
        """Let the agent write completed results into the folder; give those that there are.

        sizes: bytes of what is asked for, by ids.
        """
        token = self._request.communication_token
        requests = [messages.DataRequest(communication_token=token, result_id=id) for id in sizes]
        size = sum(sizes.values())  # they come at the same time, over one line
        get = self._agent.GetResourceData
        answers = [get.future(request, timeout=deadline_of(size)) for request in requests]
        brought = set()
        for id, request, answer in zip(sizes, requests, answers):
            try:
                if answer.exception() is not None:
                    self._retry(get, request, size)
                brought.add(id)
            except grpc.RpcError as error:
                if code_of(error) != "NOT_FOUND":
                    raise
        return brought

    def _retry(self, method: Any, request: Any, size: int = 0) -> Any:
        """Ask, and ask again while the trouble may pass: for what may be asked twice.

        size: bytes that the agent moves for it, beyond those of the request.
        """
        deadline = deadline_of(size + request.ByteSize())
        for pause in _PAUSES:
            try:
                return method(request, timeout=deadline)
            except grpc.RpcError as error:
                if not status_of(code_of(error)).is_transient:
                    raise
            time.sleep(pause)
        try:
            return method(request, timeout=deadline)
        except grpc.RpcError as error:
            _raise_lost(error)
            raise

    def notify(self) -> None:
        """Tell the agent which files are there."""
        kind = messages.NotifyResultDataRequest
        for batch in packed(self._written, MESSAGE_BYTES // _NAME_BYTES, lambda file: 1):
            session_id = self._request.session_id
            ids = [kind.ResultIdentifier(session_id=session_id, result_id=id) for id, _ in batch]
            token = self._request.communication_token
            request = kind(communication_token=token, ids=ids)
            # The agent stores the files before it answers.
            self._retry(self._agent.NotifyResultData, request, sum(size for _, size in batch))
        self._written = []


def deadline_of(size: int) -> float:
    """Return the seconds after which an agent that moves so many bytes is given up."""
    return _DEADLINE + size / _SLOWEST


def _raise_lost(error: Any) -> None:
    status = status_of(code_of(error))
    if status.is_transient and status.is_ambiguous:
        raise AgentLostError(f"the agent does not answer: {error.details()}") from error


def _entry_size(entry: TaskSubmission) -> int:
    labels = sum(len(text.encode()) for label in entry.placement.labels for text in label)
    texts = sum(len(text.encode()) for text in (entry.placement.partition, *entry.placement[2:7]))
    return _ENTRY + labels + texts + _INPUT * len(entry.inputs)
