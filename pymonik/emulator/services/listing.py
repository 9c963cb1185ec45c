"""Pages of records for the List requests: validate, narrow, filter, sort, cut."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from pymonik.emulator.engine import Refused
from pymonik.emulator.services.fields import Resolver
from pymonik.emulator.services.filters import Filter, Getter, compile_filter

Record = TypeVar("Record")
# As `SORT_DIRECTION_DESC` of all services.
DESCENDING = 2


def listed(
    request: Any, resolve: Resolver, records: Callable[[Filter], Iterable[Record]]
) -> tuple[int, list[Record]]:
    """Return the answer to a List request: how many records match, and those of the page asked for.

    `records` gives the records worth testing. A page_size of 0 asks for the count alone.
    """
    _validate(request)
    matches = compile_filter(request.filters, resolve)
    keys = [resolve(field).get for field in _sort_fields(request.sort)]
    matching = [record for record in records(matches) if matches(record)]
    if not request.page_size:
        return len(matching), []
    descending = request.sort.direction == DESCENDING
    # Sorting is stable: the last key first, so that the first one decides.
    for key in reversed(keys):
        matching.sort(key=_sortable(key), reverse=descending)
    start = request.page * request.page_size
    return len(matching), matching[start : start + request.page_size]


def narrow(
    matches: Filter,
    by_id: tuple[Any, Mapping[str, Record]],
    by_session: tuple[Any, Mapping[str, Mapping[str, Record]]],
) -> Iterable[Record]:
    """Choose the records worth testing: a few by id, those of a few sessions, or all.

    A wait asks for some hundred ids among a hundred thousand records; testing every record
    against every alternative would take seconds.
    """
    id_field, records = by_id
    ids = matches.pinned(id_field)
    if ids is not None:
        return [records[i] for i in ids if i in records]
    session_field, sessions = by_session
    pinned = matches.pinned(session_field)
    if pinned is not None:
        return [r for session in pinned if session in sessions for r in sessions[session].values()]
    return records.values()


def _validate(request: Any) -> None:
    if not request.HasField("filters"):
        raise Refused("INVALID_ARGUMENT", "filters is required (it may be empty)")
    if not request.HasField("sort") or not request.sort.direction:
        raise Refused("INVALID_ARGUMENT", "sort is required, with a field and a direction")
    if request.page < 0 or request.page_size < 0:
        raise Refused("INVALID_ARGUMENT", "page and page_size must not be negative")


def _sort_fields(sort: Any) -> list[Any]:
    # Only applications sort by several fields.
    return list(sort.fields) if hasattr(sort, "fields") else [sort.field]


def _sortable(key: Getter) -> Getter:
    def sort_key(record: Any) -> tuple[bool, Any]:
        value = key(record)
        return (value is not None, value)

    return sort_key
