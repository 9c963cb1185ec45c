"""Fields of sessions, results, tasks and partitions by which they are filtered and sorted."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import Any

from armonik.protogen.common import (
    applications_fields_pb2,
    partitions_fields_pb2,
    results_fields_pb2,
    sessions_fields_pb2,
    tasks_fields_pb2,
)

from pymonik.emulator.engine import Refused
from pymonik.emulator.services.filters import Field, Getter

Resolver = Callable[[Any], Field]
# Which filter carries a field goes by its name: those of numbers, of truth values, and the rest by
# how their names end; all others are texts.
NUMBERS = {"MAX_RETRIES", "PRIORITY", "SIZE", "POD_RESERVED", "POD_MAX", "PREEMPTION_PERCENTAGE"}
BOOLEANS = {"WORKER_SUBMISSION", "CLIENT_SUBMISSION", "MANUAL_DELETION"}
ENDINGS = {
    "_AT": "filter_date",
    "DURATION": "filter_duration",
    "PARTITION_IDS": "filter_array",
}
NamedField = tuple[Getter, str]


def _numbered(enum: Any, prefix: str, getters: dict[str, Getter]) -> dict[int, NamedField]:
    return {enum.Value(prefix + name): (get, _kind(name)) for name, get in getters.items()}


def _kind(name: str) -> str:
    """Name the member of a filter that carries values of a field."""
    if name in NUMBERS:
        return "filter_number"
    if name in BOOLEANS:
        return "filter_boolean"
    if name == "STATUS":
        return "filter_status"
    for ending, kind in ENDINGS.items():
        if name.endswith(ending):
            return kind
    return "filter_string"


def _span(start: str, end: str) -> Getter:
    def get(record: Any) -> float | None:
        begun, ended = getattr(record, start), getattr(record, end)
        return None if begun is None or ended is None else ended - begun

    return get


OPTIONS: dict[str, Getter] = {
    "MAX_DURATION": attrgetter("options.max_duration"),
    "MAX_RETRIES": attrgetter("options.max_retries"),
    "PRIORITY": attrgetter("options.priority"),
    "PARTITION_ID": attrgetter("options.partition"),
    "APPLICATION_NAME": attrgetter("options.application_name"),
    "APPLICATION_VERSION": attrgetter("options.application_version"),
    "APPLICATION_NAMESPACE": attrgetter("options.application_namespace"),
    "APPLICATION_SERVICE": attrgetter("options.application_service"),
    "ENGINE_TYPE": attrgetter("options.engine_type"),
}
TASK_OPTIONS = _numbered(tasks_fields_pb2.TaskOptionEnumField, "TASK_OPTION_ENUM_FIELD_", OPTIONS)
SESSION_OPTIONS = _numbered(
    sessions_fields_pb2.TaskOptionEnumField, "TASK_OPTION_ENUM_FIELD_", OPTIONS
)
SESSIONS = _numbered(
    sessions_fields_pb2.SessionRawEnumField,
    "SESSION_RAW_ENUM_FIELD_",
    {
        "SESSION_ID": attrgetter("id"),
        "STATUS": attrgetter("status"),
        "PARTITION_IDS": attrgetter("partitions"),
        "CREATED_AT": attrgetter("created_at"),
        "CANCELLED_AT": attrgetter("cancelled_at"),
        "CLOSED_AT": attrgetter("closed_at"),
        "PURGED_AT": attrgetter("purged_at"),
        "DELETED_AT": attrgetter("deleted_at"),
        "DURATION": _span("created_at", "closed_at"),
        "WORKER_SUBMISSION": attrgetter("worker_open"),
        "CLIENT_SUBMISSION": attrgetter("client_open"),
    },
)
RESULTS = _numbered(
    results_fields_pb2.ResultRawEnumField,
    "RESULT_RAW_ENUM_FIELD_",
    {
        "SESSION_ID": attrgetter("session_id"),
        "NAME": attrgetter("name"),
        "OWNER_TASK_ID": attrgetter("owner"),
        "STATUS": attrgetter("status"),
        "CREATED_AT": attrgetter("created_at"),
        "COMPLETED_AT": attrgetter("completed_at"),
        "RESULT_ID": attrgetter("id"),
        "SIZE": attrgetter("size"),
        "CREATED_BY": attrgetter("created_by"),
        "OPAQUE_ID": attrgetter("object_id"),
        "MANUAL_DELETION": attrgetter("manual_deletion"),
    },
)
TASKS = _numbered(
    tasks_fields_pb2.TaskSummaryEnumField,
    "TASK_SUMMARY_ENUM_FIELD_",
    {
        "TASK_ID": attrgetter("id"),
        "SESSION_ID": attrgetter("session_id"),
        "OWNER_POD_ID": attrgetter("pod"),
        "INITIAL_TASK_ID": attrgetter("initial_id"),
        "STATUS": attrgetter("status"),
        "CREATED_AT": attrgetter("created_at"),
        "SUBMITTED_AT": attrgetter("submitted_at"),
        "RECEIVED_AT": attrgetter("acquired_at"),
        "ACQUIRED_AT": attrgetter("acquired_at"),
        "FETCHED_AT": attrgetter("started_at"),
        "STARTED_AT": attrgetter("started_at"),
        "PROCESSED_AT": attrgetter("processed_at"),
        "ENDED_AT": attrgetter("ended_at"),
        "CREATION_TO_END_DURATION": _span("created_at", "ended_at"),
        "PROCESSING_TO_END_DURATION": _span("started_at", "ended_at"),
        "RECEIVED_TO_END_DURATION": _span("acquired_at", "ended_at"),
        "POD_HOSTNAME": attrgetter("pod"),
        "ERROR": attrgetter("error"),
        "PAYLOAD_ID": attrgetter("payload_id"),
        "CREATED_BY": attrgetter("created_by"),
    },
)
PARTITIONS = _numbered(
    partitions_fields_pb2.PartitionRawEnumField,
    "PARTITION_RAW_ENUM_FIELD_",
    {
        "ID": attrgetter("id"),
        "PARENT_PARTITION_IDS": attrgetter("parent_partition_ids"),
        "POD_RESERVED": attrgetter("pod_reserved"),
        "POD_MAX": attrgetter("pod_max"),
        "PREEMPTION_PERCENTAGE": attrgetter("preemption_percentage"),
        "PRIORITY": attrgetter("priority"),
    },
)
APPLICATIONS = _numbered(
    applications_fields_pb2.ApplicationRawEnumField,
    "APPLICATION_RAW_ENUM_FIELD_",
    {name: attrgetter(name.lower()) for name in ("NAME", "VERSION", "NAMESPACE", "SERVICE")},
)


def _entry(key: str, record: Any) -> str | None:
    value: str | None = record.options.entries.get(key)
    return value


def _resolver(raw: str, fields: dict[int, NamedField], options: dict[int, NamedField]) -> Resolver:
    def resolve(field: Any) -> Field:
        kind = field.WhichOneof("field")
        if kind == "task_option_generic_field":
            key = field.task_option_generic_field.field
            entry = partial(_entry, key)
            return Field((kind, key), entry, "filter_string")
        if kind is None:
            raise Refused("INVALID_ARGUMENT", "a filter or sort names no field")
        number = getattr(field, kind).field
        named = (fields if kind == raw else options).get(number)
        if named is None:  # the engine stumbles over it, and counts that as a fault of its own
            raise Refused("UNKNOWN", f"{kind} {number} cannot be filtered or sorted by")
        return Field((kind, number), *named)

    return resolve


session_field = _resolver("session_raw_field", SESSIONS, SESSION_OPTIONS)
result_field = _resolver("result_raw_field", RESULTS, {})
task_field = _resolver("task_summary_field", TASKS, TASK_OPTIONS)
partition_field = _resolver("partition_raw_field", PARTITIONS, {})
application_field = _resolver("application_field", APPLICATIONS, {})

RESULT_ID = ("result_raw_field", results_fields_pb2.RESULT_RAW_ENUM_FIELD_RESULT_ID)
RESULT_SESSION = ("result_raw_field", results_fields_pb2.RESULT_RAW_ENUM_FIELD_SESSION_ID)
TASK_ID = ("task_summary_field", tasks_fields_pb2.TASK_SUMMARY_ENUM_FIELD_TASK_ID)
TASK_SESSION = ("task_summary_field", tasks_fields_pb2.TASK_SUMMARY_ENUM_FIELD_SESSION_ID)
