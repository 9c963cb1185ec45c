"""The Events service: live watchers first, then a snapshot, then what the watchers bring.

Everything goes through one channel, so snapshot and live events interleave and duplicates happen.
An unknown session gives an empty stream; a shutdown ends the stream without an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from armonik.protogen.common import events_common_pb2 as messages

from pymonik.emulator.engine import Engine, Refused
from pymonik.emulator.services.fields import result_field, task_field
from pymonik.emulator.services.filters import Filter, compile_filter
from pymonik.emulator.state import Result, TaskRecord
from pymonik.emulator.state.instructions import (
    Notice,
    OwnerChanged,
    ResultChanged,
    ResultCreated,
    TaskChanged,
    TaskCreated,
)
from pymonik.emulator.watchers import Watcher

Update = messages.EventSubscriptionResponse

KINDS: dict[type[Any], int] = {
    TaskCreated: messages.EVENTS_ENUM_NEW_TASK,
    TaskChanged: messages.EVENTS_ENUM_TASK_STATUS_UPDATE,
    ResultCreated: messages.EVENTS_ENUM_NEW_RESULT,
    ResultChanged: messages.EVENTS_ENUM_RESULT_STATUS_UPDATE,
    OwnerChanged: messages.EVENTS_ENUM_RESULT_OWNER_UPDATE,
}


class Events:
    """Serve armonik.api.grpc.v1.events.Events."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def GetEvents(self, request: Any, context: Any) -> Iterator[Any]:
        kinds = set(request.returned_events) or set(KINDS.values())
        tasks = compile_filter(request.tasks_filters, task_field)
        results = compile_filter(request.results_filters, result_field)
        self._check_session(request.session_id)
        # Before the snapshot, as on the engine: nothing falls between the two, and some comes
        # twice.
        watcher = self._engine.watchers.open(request.session_id)
        try:
            # False where the client has left already: nobody would end the watcher.
            if not context.add_callback(watcher.end):
                return
            self._put_snapshot(watcher, kinds)
            for notice in watcher:
                if KINDS[type(notice)] in kinds:
                    yield from self._updates(notice, tasks, results)
        finally:
            self._engine.watchers.close(watcher)

    def _check_session(self, session_id: str) -> None:
        with self._engine.reading() as tables:
            if self._engine.settings.strict and session_id not in tables.sessions:
                raise Refused(
                    "INVALID_ARGUMENT",
                    f"strict: session '{session_id}' does not exist: a cluster would send "
                    "nothing, for ever",
                )

    def _put_snapshot(self, watcher: Watcher, kinds: set[int]) -> None:
        session_id = watcher.session_id
        with self._engine.reading() as tables:
            tasks = (
                list(tables.tasks_of[session_id].values()) if KINDS[TaskCreated] in kinds else []
            )
            results = list(tables.results_of[session_id]) if KINDS[ResultCreated] in kinds else []
        for task in tasks:
            watcher.put(TaskCreated(session_id, task.id, task.status))
        for result_id in results:
            watcher.put(ResultCreated(session_id, result_id))

    def _updates(self, notice: Notice, tasks: Filter, results: Filter) -> Iterator[Any]:
        """Write a notice, if its record still exists and passes the filter of its kind."""
        with self._engine.reading() as tables:
            match notice:
                case TaskCreated(task_id=task_id) | TaskChanged(task_id=task_id):
                    task = tables.tasks.get(task_id)
                    # Looked up when it is sent, not when it happened: a filter sees the record of
                    # now.
                    if task is None or not tasks(task):
                        return
                    update = _task_update(notice, task)
                case _:
                    result = tables.results.get(notice.result_id)
                    if result is None or not results(result):
                        return
                    update = _result_update(notice, result)
        yield Update(session_id=notice.session_id, **update)


def _task_update(notice: TaskCreated | TaskChanged, task: TaskRecord) -> dict[str, Any]:
    if isinstance(notice, TaskChanged):
        changed = Update.TaskStatusUpdate(task_id=task.id, status=notice.status.value)
        return {"task_status_update": changed}
    new = Update.NewTask(
        task_id=task.id,
        payload_id=task.payload_id,
        origin_task_id=task.initial_id,
        status=notice.status.value,
        expected_output_keys=task.outputs,
        data_dependencies=task.dependencies,
        retry_of_ids=task.retry_of,
        parent_task_ids=task.parents,
    )
    return {"new_task": new}


def _result_update(
    notice: ResultCreated | ResultChanged | OwnerChanged, result: Result
) -> dict[str, Any]:
    match notice:
        # With the status of now, which may be an end: a client must not take a new result for an
        # open one.
        case ResultCreated():
            new = Update.NewResult(
                result_id=result.id, owner_id=result.owner, status=result.status.value
            )
            return {"new_result": new}
        case ResultChanged(status=status):
            changed = Update.ResultStatusUpdate(result_id=result.id, status=status.value)
            return {"result_status_update": changed}
        case OwnerChanged(previous=previous, current=current):
            owner = Update.ResultOwnerUpdate(
                result_id=result.id, previous_owner_id=previous, current_owner_id=current
            )
            return {"result_owner_update": owner}
