"""Objects of a session by their ids, for the task that runs in a worker: its agent brings them.

Enters: the request of the task, and ids. Leaves: contents and columns, out of the folder that agent
and worker share.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import grpc
from armonik.protogen.common.agent_common_pb2 import DataRequest
from armonik.protogen.common.worker_common_pb2 import ProcessRequest

from pymonik.content import Content
from pymonik.errors import WireError
from pymonik.runtime import envelope
from pymonik.runtime.agent_handler import agent
from pymonik.runtime.agent_inputs import open_file
from pymonik.runtime.outcome import Apart


def fetch(target: str, order: bytes, result_id: str) -> Content | Sequence[Sequence[Any]]:
    """Give the object of an id; raises LookupError.

    What other programs have stored is taken for a pickle.
    """
    request = ProcessRequest.FromString(order)
    if os.path.basename(result_id) != result_id or not result_id:
        raise LookupError(f"{result_id!r} is no id of a result")
    path = os.path.join(request.data_folder, result_id)
    if not os.path.exists(path):
        asked = DataRequest(communication_token=request.communication_token, result_id=result_id)
        try:
            agent(target).GetResourceData(asked)
        except grpc.RpcError as error:
            raise LookupError(f"the agent does not give {result_id!r}: {error.details()}") from None
    try:
        opened = open_file(request.data_folder, result_id)
    except WireError:
        with open(path, "rb") as file:
            return Content(file.read())
    if opened.kind == envelope.CONTENT:
        return envelope.content_of(opened)
    columns, _ = envelope.records_of(opened)
    return [
        [fetch(target, order, r.id) if type(r) is Apart else r for r in column]
        for column in columns
    ]
