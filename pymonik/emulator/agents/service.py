"""The Agent service that a worker calls while it runs a task."""

from __future__ import annotations

from typing import Any

from armonik.protogen.common import agent_common_pb2 as messages
from armonik.protogen.common.result_status_pb2 import RESULT_STATUS_CREATED

from pymonik.emulator.agents.assignment import TaskAssignment
from pymonik.emulator.engine import Refused
from pymonik.emulator.interceptor import HANDLER_THREW
from pymonik.emulator.services.convert import options_of, timestamp
from pymonik.emulator.services.tasks import new_tasks, task_infos
from pymonik.emulator.state import events


class Agent:
    """armonik.api.grpc.v1.agent.Agent, for the assignment of the moment."""

    def __init__(self) -> None:
        self.assignment: TaskAssignment | None = None

    def CreateResultsMetaData(self, request: Any, context: Any) -> Any:
        assignment = self._assignment(request)
        session_id = request.session_id
        created = [assignment.create(session_id, item.name) for item in request.results]
        return messages.CreateResultsMetaDataResponse(
            communication_token=assignment.token, results=_meta(assignment, created)
        )

    def CreateResults(self, request: Any, context: Any) -> Any:
        assignment = self._assignment(request)
        session_id = request.session_id
        created = [assignment.create(session_id, i.name, i.data) for i in request.results]
        return messages.CreateResultsResponse(
            communication_token=assignment.token, results=_meta(assignment, created)
        )

    def NotifyResultData(self, request: Any, context: Any) -> Any:
        assignment = self._assignment(request)
        for item in request.ids:
            assignment.notify(item.result_id)
        return messages.NotifyResultDataResponse(result_ids=[i.result_id for i in request.ids])

    def SubmitTasks(self, request: Any, context: Any) -> Any:
        assignment = self._assignment(request)
        tasks = new_tasks(request)
        options = options_of(request, "task_options")
        if tasks:
            try:
                assignment.submit(events.Offer(assignment.task.id, tasks, options))
            except Refused as refused:
                raise Refused("UNKNOWN", f"{HANDLER_THREW} ({refused.reason})") from refused
        return messages.SubmitTasksResponse(
            communication_token=assignment.token,
            task_infos=task_infos(messages.SubmitTasksResponse, tasks),
        )

    def GetResourceData(self, request: Any, context: Any) -> Any:
        self._assignment(request).fetch(request.result_id)
        return messages.DataResponse(result_id=request.result_id)

    def GetCommonData(self, request: Any, context: Any) -> Any:
        raise Refused("UNKNOWN", HANDLER_THREW)

    def GetDirectData(self, request: Any, context: Any) -> Any:
        raise Refused("UNKNOWN", HANDLER_THREW)

    def _assignment(self, request: Any) -> TaskAssignment:
        assignment = self.assignment
        if assignment is None:
            raise Refused("UNAVAILABLE", "No task is currently being processed")
        if request.communication_token != assignment.token:
            raise Refused("INVALID_ARGUMENT", "Wrong communication token")
        return assignment


def _meta(assignment: TaskAssignment, created: list[events.NewResult]) -> list[Any]:
    return [
        messages.ResultMetaData(
            session_id=new.session_id,
            result_id=new.id,
            name=new.name,
            status=RESULT_STATUS_CREATED,
            created_at=timestamp(assignment.task.acquired_at),
        )
        for new in created
    ]
