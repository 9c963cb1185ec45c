"""Looking at a session that anybody submitted: its tasks and objects, as the cluster knows them.

Enters: the id of a session, and where its cluster is. Leaves: plain tasks and objects, to be drawn.
Nothing is changed, and no data is downloaded.
"""

from __future__ import annotations

from typing import Any

from armonik.protogen.common.task_status_pb2 import TaskStatus

from pymonik.analysis.session.diff import facts_of
from pymonik.analysis.session.tasks import SessionObject, SessionTask, without_ids
from pymonik.backend.armonik.connection import Connection
from pymonik.backend.armonik.session import Session
from pymonik.plan.requests import PAYLOAD, Placement
from pymonik.plan.sizes import SESSION_TAG, TAG
from pymonik.wire import error_text

_STATUS = {
    "COMPLETED": "done",
    "ERROR": "failed",
    "TIMEOUT": "failed",
    "CANCELLED": "cancelled",
    "CANCELLING": "cancelled",
    "PROCESSING": "running",
    "PROCESSED": "running",
}


def look(
    session_id: str, **connection: str | None
) -> tuple[list[SessionTask], dict[str, SessionObject]]:
    """Return the tasks and the objects of a session.

    connection: as for a client. Raises BackendError when there is no such session, ClusterError
    when the control plane cannot be asked.
    """
    session = Session(Connection.find(**connection))
    try:
        session.join(session_id)
        objects = {
            r.result_id: SessionObject(without_ids(r.name), r.size) for r in session.list_results()
        }
        return _tasks(list(session.all_tasks()), objects), objects
    finally:
        session.disconnect()


def partitions_of(session_id: str, **connection: str | None) -> list[str]:
    """Return the partitions of a session that its cluster still has; raises as `look` does."""
    session = Session(Connection.find(**connection))
    try:
        session.join(session_id)
        listed = session.list_partitions()
        return [name for name in session.partition_ids if name in listed]
    finally:
        session.disconnect()


def _tasks(rows: list[Any], objects: dict[str, SessionObject]) -> list[SessionTask]:
    # Of a task that was tried again, the last attempt stands for all; others know it by the first.
    last: dict[str, Any] = {}
    first = {task.id: task.initial_task_id or task.id for task in rows}
    attempts: dict[str, int] = {}
    for task in sorted(rows, key=lambda task: task.created_at.ToNanoseconds()):
        attempts[first[task.id]] = attempts.get(first[task.id], 0) + 1
        last[first[task.id]] = task
    return [_task(task, objects, first, attempts[id], id) for id, task in last.items()]


def _task(
    task: Any, objects: dict[str, SessionObject], first: dict[str, str], attempts: int, id: str
) -> SessionTask:
    outputs = tuple(task.expected_output_ids)
    named = [objects[output].name for output in outputs if output in objects]
    payload = objects[task.payload_id].name if task.payload_id in objects else ""
    if payload.startswith(f"{PAYLOAD} of "):  # it makes what another task has promised, and named
        named = [payload.removeprefix(f"{PAYLOAD} of ")]
    status = TaskStatus.Name(task.status).removeprefix("TASK_STATUS_")
    return SessionTask(
        id=id,
        name=next(filter(None, named), "") or task.options.application_service or "task",
        status=_STATUS.get(status, "waiting"),
        inputs=tuple(dict.fromkeys(task.data_dependencies)),
        outputs=outputs,
        ancestors=tuple(first[one] for one in task.parent_task_ids if one in first),
        seconds=_seconds(task),
        facts=_facts(task.options),
        # Whoever submitted it: what its error text carries besides words is not unpickled.
        error=error_text.words(task.output.error),
        attempts=attempts,
        worker=task.pod_hostname or task.owner_pod_id,
        started=task.started_at.ToNanoseconds() / 1e9,
        limit=task.options.max_duration.ToNanoseconds() / 1e9 or None,
    )


def _seconds(task: Any) -> float | None:
    if not task.HasField("started_at") or not task.HasField("ended_at"):
        return None
    return float(task.ended_at.ToNanoseconds() - task.started_at.ToNanoseconds()) / 1e9


def _facts(options: Any) -> tuple[tuple[str, str], ...]:
    options_of_user = sorted(options.options.items())
    labels = ((key, value) for key, value in options_of_user if key not in (TAG, SESSION_TAG))
    return facts_of(
        Placement(
            options.partition_id,
            options.priority,
            options.application_name,
            options.application_version,
            options.application_namespace,
            options.application_service,
            options.engine_type,
            tuple(labels),
        )
    )
