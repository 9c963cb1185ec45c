"""Records to messages of the protocol, and back where requests carry options."""

from __future__ import annotations

from typing import Any

from armonik.protogen.common.objects_pb2 import TaskOptions
from armonik.protogen.common.results_common_pb2 import ResultRaw
from armonik.protogen.common.sessions_common_pb2 import SessionRaw
from armonik.protogen.common.tasks_common_pb2 import TaskDetailed, TaskSummary
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from pymonik.emulator.state import (
    Options,
    Result,
    SessionRecord,
    SessionStatus,
    TaskRecord,
    TaskStatus,
)

# Nanoseconds of a second, which `Duration` and `Timestamp` count.
NANO = 1_000_000_000
# The database keeps dates in microseconds.
MICRO = 1_000_000


def seconds(message: Any) -> float:
    """Read a Duration or a Timestamp."""
    return float(message.seconds + message.nanos / NANO)


def duration(value: float | None) -> Any:
    """Write a Duration, or nothing."""
    if value is None:
        return None
    whole, nanos = divmod(round(value * NANO), NANO)
    return Duration(seconds=whole, nanos=nanos)


def timestamp(value: float | None) -> Any:
    """Write a Timestamp, or nothing."""
    if value is None:
        return None
    whole, micros = divmod(round(value * MICRO), MICRO)
    return Timestamp(seconds=whole, nanos=micros * (NANO // MICRO))


def options_of(request: Any, name: str) -> Options | None:
    """Read the options field of a request, or None if it was left out."""
    if not request.HasField(name):
        return None
    message = getattr(request, name)
    return Options(
        max_duration=seconds(message.max_duration) if message.HasField("max_duration") else None,
        max_retries=message.max_retries,
        priority=message.priority,
        partition=message.partition_id,
        application_name=message.application_name,
        application_version=message.application_version,
        application_namespace=message.application_namespace,
        application_service=message.application_service,
        engine_type=message.engine_type,
        entries=dict(message.options),
    )


def options_message(options: Options) -> Any:
    """Write options."""
    return TaskOptions(
        max_duration=duration(options.max_duration),
        max_retries=options.max_retries,
        priority=options.priority,
        partition_id=options.partition,
        application_name=options.application_name,
        application_version=options.application_version,
        application_namespace=options.application_namespace,
        application_service=options.application_service,
        engine_type=options.engine_type,
        options=options.entries,
    )


def session_message(session: SessionRecord) -> Any:
    """Write a session."""
    ended = session.closed_at or session.cancelled_at
    return SessionRaw(
        session_id=session.id,
        status=session.status.value,
        client_submission=session.client_open,
        worker_submission=session.worker_open,
        partition_ids=session.partitions,
        options=options_message(session.options),
        created_at=timestamp(session.created_at),
        cancelled_at=timestamp(session.cancelled_at),
        closed_at=timestamp(session.closed_at),
        purged_at=timestamp(session.purged_at),
        deleted_at=timestamp(session.deleted_at),
        duration=None if ended is None else duration(ended - session.created_at),
    )


def deleted_session_message(session_id: str) -> Any:
    """Write what is left of a session that was deleted."""
    return SessionRaw(session_id=session_id, status=SessionStatus.DELETED.value)


def result_message(result: Result) -> Any:
    """Write a result."""
    return ResultRaw(
        session_id=result.session_id,
        name=result.name,
        owner_task_id=result.owner,
        status=result.status.value,
        created_at=timestamp(result.created_at),
        completed_at=timestamp(result.completed_at),
        result_id=result.id,
        size=result.size,
        created_by=result.created_by,
        opaque_id=result.object_id,
        manual_deletion=result.manual_deletion,
    )


def summary_message(task: TaskRecord, *, with_error: bool = True) -> Any:
    """Write the short form of a task."""
    return TaskSummary(
        **_common(task),
        count_parent_task_ids=len(task.parents),
        count_data_dependencies=len(task.dependencies),
        count_expected_output_ids=len(task.outputs),
        count_retry_of_ids=len(task.retry_of),
        error=task.error if with_error else "",
    )


def detailed_message(task: TaskRecord, *, with_error: bool = True) -> Any:
    """Write the long form of a task."""
    return TaskDetailed(
        **_common(task),
        parent_task_ids=task.parents,
        data_dependencies=task.dependencies,
        expected_output_ids=task.outputs,
        retry_of_ids=task.retry_of,
        output=TaskDetailed.Output(
            success=task.status is TaskStatus.COMPLETED,
            error=task.error if with_error else "",
        ),
    )


def _common(task: TaskRecord) -> dict[str, Any]:
    ended = task.ended_at
    return {
        "id": task.id,
        "session_id": task.session_id,
        "owner_pod_id": task.pod,
        "pod_hostname": task.pod,
        "initial_task_id": task.initial_id,
        "status": task.status.value,
        "options": options_message(task.options),
        "created_at": timestamp(task.created_at),
        "submitted_at": timestamp(task.submitted_at),
        "received_at": timestamp(task.acquired_at),
        "acquired_at": timestamp(task.acquired_at),
        "fetched_at": timestamp(task.started_at),
        "started_at": timestamp(task.started_at),
        "processed_at": timestamp(task.processed_at),
        "ended_at": timestamp(ended),
        "creation_to_end_duration": _span(task.created_at, ended),
        "processing_to_end_duration": _span(task.started_at, ended),
        "pod_ttl": timestamp(task.acquired_at),
        "payload_id": task.payload_id,
        "created_by": task.created_by,
    }


def _span(start: float | None, end: float | None) -> Any:
    return None if start is None or end is None else duration(end - start)
