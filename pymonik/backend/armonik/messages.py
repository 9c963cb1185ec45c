"""Messages: options and filters as the control plane wants to see them.

Enters: placements, ids, statuses. Leaves: protocol buffers, complete and checked: servers take a
zero in an options message literally, and refuse filters without an operator.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from armonik.protogen.common import (
    filters_common_pb2 as operators,
)
from armonik.protogen.common import (
    partitions_common_pb2,
    partitions_fields_pb2,
    partitions_filters_pb2,
    results_common_pb2,
    results_fields_pb2,
    results_filters_pb2,
    sessions_common_pb2,
    sessions_fields_pb2,
    sessions_filters_pb2,
    sort_direction_pb2,
    tasks_common_pb2,
    tasks_fields_pb2,
    tasks_filters_pb2,
)
from armonik.protogen.common.objects_pb2 import TaskOptions
from armonik.protogen.common.result_status_pb2 import (
    RESULT_STATUS_ABORTED,
    RESULT_STATUS_COMPLETED,
    RESULT_STATUS_DELETED,
)
from armonik.protogen.common.session_status_pb2 import SESSION_STATUS_RUNNING
from google.protobuf.duration_pb2 import Duration

from pymonik.plan.requests import Placement
from pymonik.plan.sizes import HOURS, RETRIES
from pymonik.values.foreign import storable

# How many ids one filter names: servers nest an expression as deep as that.
FILTER_IDS = 100
# Rows of results have a few hundred bytes: a page of them stays below 4 MiB.
PAGE = 5_000
# The long form of a task names all its inputs.
TASK_PAGE = 1_000
# Rows of what is read in one page: a cluster has tens of partitions, one session at most has a tag
# of ours, and of tasks in a status the first ones are an example.
_PARTITIONS, _SESSIONS, _FIRST_TASKS = 1_000, 100, 100
SESSION_RUNNING = SESSION_STATUS_RUNNING
ENDED = {RESULT_STATUS_COMPLETED: "stored", RESULT_STATUS_ABORTED: "aborted"}
ENDED[RESULT_STATUS_DELETED] = "deleted"

_ASCENDING = sort_direction_pb2.SORT_DIRECTION_ASC
_EQUAL = operators.FILTER_STRING_OPERATOR_EQUAL


def task_options(placement: Placement, labels: Mapping[str, str] | None = None) -> Any:
    """Make complete options; limits and retries of single calls are the business of hosts."""
    return TaskOptions(
        options={**dict(placement.labels), **(labels or {})},
        max_duration=Duration(seconds=HOURS * 3600),
        max_retries=RETRIES,
        priority=placement.priority,
        partition_id=placement.partition,
        application_name=placement.application_name,
        application_version=placement.application_version,
        application_namespace=placement.application_namespace,
        application_service=placement.application_service,
        engine_type=placement.engine_type,
    )


def list_partitions() -> Any:
    """Ask for all partitions."""
    field = partitions_fields_pb2.PartitionField(
        partition_raw_field=partitions_fields_pb2.PartitionRawField(
            field=partitions_fields_pb2.PARTITION_RAW_ENUM_FIELD_ID
        )
    )
    return partitions_common_pb2.ListPartitionsRequest(
        page=0,
        page_size=_PARTITIONS,
        filters=partitions_filters_pb2.Filters(),
        sort=partitions_common_pb2.ListPartitionsRequest.Sort(field=field, direction=_ASCENDING),
    )


def list_sessions(key: str, text: str) -> Any:
    """Ask for the sessions that have an option."""
    generic = sessions_fields_pb2.TaskOptionGenericField(field=key)
    is_tagged = sessions_filters_pb2.FilterField(
        field=sessions_fields_pb2.SessionField(task_option_generic_field=generic),
        filter_string=operators.FilterString(value=storable(text), operator=_EQUAL),
    )
    by_id = sessions_fields_pb2.SessionField(
        session_raw_field=sessions_fields_pb2.SessionRawField(
            field=sessions_fields_pb2.SESSION_RAW_ENUM_FIELD_SESSION_ID
        )
    )
    return sessions_common_pb2.ListSessionsRequest(
        page=0,
        page_size=_SESSIONS,
        filters=sessions_filters_pb2.Filters(
            **{"or": [sessions_filters_pb2.FiltersAnd(**{"and": [is_tagged]})]}
        ),
        sort=sessions_common_pb2.ListSessionsRequest.Sort(field=by_id, direction=_ASCENDING),
    )


def list_results(session_id: str, page: int = 0, since: Any = None, **equal: Iterable[str]) -> Any:
    """Ask for results of a session: `result_id` or `name` one of some texts, or all.

    since: a timestamp; only results that were made then or later.
    """
    all_of = [_result_is("session_id", session_id)]
    all_of += [_result_since(since)] if since is not None else []
    ands = [
        results_filters_pb2.FiltersAnd(**{"and": [*all_of, _result_is(name, text)]})
        for name, texts in equal.items()
        for text in texts
    ] or [results_filters_pb2.FiltersAnd(**{"and": all_of})]
    return results_common_pb2.ListResultsRequest(
        page=page,
        page_size=PAGE,
        filters=results_filters_pb2.Filters(**{"or": ands}),
        # Sorted by id: with any other order pages may skip rows or give them twice.
        sort=results_common_pb2.ListResultsRequest.Sort(
            field=_result_field("result_id"), direction=_ASCENDING
        ),
    )


def _result_field(name: str) -> Any:
    number = getattr(results_fields_pb2, f"RESULT_RAW_ENUM_FIELD_{name.upper()}")
    return results_fields_pb2.ResultField(
        result_raw_field=results_fields_pb2.ResultRawField(field=number)
    )


def _result_is(name: str, text: str) -> Any:
    return results_filters_pb2.FilterField(
        field=_result_field(name),
        filter_string=operators.FilterString(value=storable(text), operator=_EQUAL),
    )


def _result_since(moment: Any) -> Any:
    return results_filters_pb2.FilterField(
        field=_result_field("created_at"),
        filter_date=operators.FilterDate(
            value=moment, operator=operators.FILTER_DATE_OPERATOR_AFTER_OR_EQUAL
        ),
    )


def count_tasks(session_id: str, **labels: str) -> Any:
    """Ask how many tasks of a session are in which status; `labels` narrow it to some."""
    return tasks_common_pb2.CountTasksByStatusRequest(filters=_tasks(session_id, labels))


def list_tasks(session_id: str, status: int) -> Any:
    """Ask for the tasks of a session in one status, the oldest first."""
    return _listing(0, _FIRST_TASKS, "CREATED_AT", _tasks(session_id, {}, status))


def list_all_tasks(session_id: str, page: int) -> Any:
    """Ask for all that is known of the tasks of a session."""
    return _listing(page, TASK_PAGE, "TASK_ID", _tasks(session_id, {}))


def _listing(page: int, size: int, order: str, filters: Any) -> Any:
    return tasks_common_pb2.ListTasksRequest(
        page=page,
        page_size=size,
        filters=filters,
        sort=tasks_common_pb2.ListTasksRequest.Sort(
            field=_summary_field(order), direction=_ASCENDING
        ),
        with_errors=True,
    )


def _summary_field(name: str) -> Any:
    number = getattr(tasks_fields_pb2, f"TASK_SUMMARY_ENUM_FIELD_{name}")
    return tasks_fields_pb2.TaskField(
        task_summary_field=tasks_fields_pb2.TaskSummaryField(field=number)
    )


def _tasks(session_id: str, labels: Mapping[str, str], status: int | None = None) -> Any:
    def equal(field: Any, text: str) -> Any:
        return tasks_filters_pb2.FilterField(
            field=field,
            filter_string=operators.FilterString(value=storable(text), operator=_EQUAL),
        )

    conditions = [equal(_summary_field("SESSION_ID"), session_id)]
    for key, text in labels.items():
        generic = tasks_fields_pb2.TaskOptionGenericField(field=key)
        conditions.append(
            equal(tasks_fields_pb2.TaskField(task_option_generic_field=generic), text)
        )
    if status is not None:
        is_status = tasks_filters_pb2.FilterStatus(
            value=status,
            operator=operators.FILTER_STATUS_OPERATOR_EQUAL,
        )
        conditions.append(
            tasks_filters_pb2.FilterField(field=_summary_field("STATUS"), filter_status=is_status)
        )
    return tasks_filters_pb2.Filters(
        **{"or": [tasks_filters_pb2.FiltersAnd(**{"and": conditions})]}
    )
