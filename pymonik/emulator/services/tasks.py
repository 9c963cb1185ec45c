"""The Tasks service: submission, cancellation, and the views of tasks."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from armonik.protogen.common import tasks_common_pb2 as messages
from armonik.protogen.common.objects_pb2 import StatusCount

from pymonik.emulator.engine import Engine, Refused
from pymonik.emulator.services.convert import detailed_message, options_of, summary_message
from pymonik.emulator.services.fields import TASK_ID, TASK_SESSION, task_field
from pymonik.emulator.services.filters import Filter, compile_filter
from pymonik.emulator.services.listing import listed, narrow
from pymonik.emulator.services.submission import under_way
from pymonik.emulator.state import Tables, TaskRecord, events


class Tasks:
    """Serve armonik.api.grpc.v1.tasks.Tasks."""

    def __init__(self, engine: Engine, sleep: Callable[[float], None]) -> None:
        self._engine = engine
        self._sleep = sleep

    def SubmitTasks(self, request: Any, context: Any) -> Any:
        tasks = new_tasks(request)
        options = options_of(request, "task_options")
        event = events.SubmitTasks(request.session_id, tasks, options)
        self._engine.apply(under_way(self._engine, event, context, self._sleep))
        return messages.SubmitTasksResponse(
            task_infos=task_infos(messages.SubmitTasksResponse, tasks)
        )

    def GetTask(self, request: Any, context: Any) -> Any:
        with self._engine.querying() as tables:
            task = tables.tasks.get(request.task_id)
            if task is None:
                raise Refused("NOT_FOUND", f"Task was not found: '{request.task_id}'")
            return messages.GetTaskResponse(task=detailed_message(task))

    def ListTasks(self, request: Any, context: Any) -> Any:
        def written(task: TaskRecord) -> Any:
            return summary_message(task, with_error=request.with_errors)

        return self._page(request, messages.ListTasksResponse, written)

    def ListTasksDetailed(self, request: Any, context: Any) -> Any:
        def written(task: TaskRecord) -> Any:
            return detailed_message(task, with_error=request.with_errors)

        return self._page(request, messages.ListTasksDetailedResponse, written)

    def _page(self, request: Any, response: Any, written: Callable[[TaskRecord], Any]) -> Any:
        """Return the page of tasks that a request asks for, each written in one of two ways."""
        with self._engine.querying() as tables:
            total, page = listed(request, task_field, lambda m: _worth_testing(tables, m))
            return response(
                tasks=list(map(written, page)),
                page=request.page,
                page_size=request.page_size,
                total=total,
            )

    def CountTasksByStatus(self, request: Any, context: Any) -> Any:
        matches = compile_filter(request.filters, task_field)
        with self._engine.querying() as tables:
            counted = (task for task in _worth_testing(tables, matches) if matches(task))
            counts = Counter(task.status.value for task in counted)
        return messages.CountTasksByStatusResponse(
            status=[StatusCount(status=s, count=n) for s, n in sorted(counts.items())]
        )

    def GetResultIds(self, request: Any, context: Any) -> Any:
        with self._engine.querying() as tables:
            rows = [tables.tasks[i] for i in request.task_id if i in tables.tasks]
            return messages.GetResultIdsResponse(
                task_results=[
                    messages.GetResultIdsResponse.MapTaskResult(
                        task_id=task.id, result_ids=task.outputs
                    )
                    for task in rows
                ]
            )

    def CancelTasks(self, request: Any, context: Any) -> Any:
        self._engine.apply(events.CancelTasks(tuple(request.task_ids)))
        with self._engine.reading() as tables:
            rows = [tables.tasks[i] for i in request.task_ids if i in tables.tasks]
            return messages.CancelTasksResponse(tasks=map(summary_message, rows))


def new_tasks(request: Any) -> tuple[events.NewTask, ...]:
    """Read the creations of a SubmitTasks request, of a client or of a worker, and draw ids."""
    return tuple(
        events.NewTask(
            id=str(uuid.uuid4()),
            payload_id=creation.payload_id,
            dependencies=tuple(creation.data_dependencies),
            outputs=tuple(creation.expected_output_keys),
            options=options_of(creation, "task_options"),
        )
        for creation in request.task_creations
    )


def task_infos(response: Any, tasks: Sequence[events.NewTask]) -> list[Any]:
    """Write what a SubmitTasks response, of either protocol, says of each new task."""
    return [
        response.TaskInfo(
            task_id=task.id,
            expected_output_ids=task.outputs,
            data_dependencies=task.dependencies,
            payload_id=task.payload_id,
        )
        for task in tasks
    ]


def _worth_testing(tables: Tables, matches: Filter) -> list[TaskRecord]:
    return list(narrow(matches, (TASK_ID, tables.tasks), (TASK_SESSION, tables.tasks_of)))
