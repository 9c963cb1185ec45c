"""Objects of a session by their ids, for the task that runs in a worker: its agent brings them.

Enters: the request of the task, and ids. Leaves: contents and columns, out of the folder that agent
and worker share.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from typing import Any

import grpc
from armonik.protogen.common.agent_common_pb2 import DataRequest
from armonik.protogen.common.worker_common_pb2 import ProcessRequest

from pymonik.files.materialize import content_of_bytes
from pymonik.plan.requests import result_name
from pymonik.runtime.worker.agent import UNKNOWN, AgentStore, deadline_of
from pymonik.runtime.worker.in_task import agent, task_handler
from pymonik.runtime.worker.inputs import open_file
from pymonik.values.content import Content
from pymonik.values.outcome import OutOfLine
from pymonik.values.outputs import only_record, stored_in
from pymonik.wire import envelope

# An executor loads this module as its `Extension`: the handler is a part of it.
__all__ = ["declare", "fetch", "session_of", "task_handler"]


def session_of(raw_request: bytes) -> str:
    """Return the id of the session of a task."""
    return str(ProcessRequest.FromString(raw_request).session_id)


def declare(target: str, raw_request: bytes, name: str) -> str:
    """Declare a result that a sub-task of the running task will make; return its id."""
    store = AgentStore(agent(target), ProcessRequest.FromString(raw_request))
    return store.declare([result_name(name)])[0]


def fetch(target: str, raw_request: bytes, result_id: str) -> Content | Sequence[Sequence[Any]]:
    """Return the object of an id; raises LookupError.

    What other programs have stored are bytes, and stay so: they were not sent to be loaded.
    """
    request = ProcessRequest.FromString(raw_request)
    asked_for, (result_id, output, _) = result_id, stored_in(result_id)
    if os.path.basename(result_id) != result_id or not result_id:
        raise LookupError(f"{result_id!r} is not the id of a result")
    path = os.path.join(request.data_folder, result_id)
    is_input = os.path.exists(path)
    if not is_input:
        asked = DataRequest(communication_token=request.communication_token, result_id=result_id)
        try:
            agent(target).GetResourceData(asked, timeout=deadline_of(UNKNOWN))
        except grpc.RpcError as error:
            raise LookupError(f"the agent does not give {result_id!r}: {error.details()}") from None
    try:
        stored = _read(request.data_folder, result_id)
    finally:
        if not is_input:  # its value gets a file of its own, of the same name
            with contextlib.suppress(OSError):
                os.unlink(path)
    if isinstance(stored, Content):
        return stored
    columns = stored if output is None else [[only_record(stored, asked_for)]]
    return [
        [fetch(target, raw_request, r.id) if type(r) is OutOfLine else r for r in column]
        for column in columns
    ]


def _read(folder: str, result_id: str) -> Content | list[list[Any]]:
    with open(os.path.join(folder, result_id), "rb") as file:
        if not envelope.is_ours(file.read(envelope.MAGIC_SIZE)):
            file.seek(0)
            return content_of_bytes(file.read())
    opened = open_file(folder, result_id)
    if opened.kind == envelope.CONTENT:
        return envelope.content_of(opened)
    return envelope.records_of(opened)[0]
