"""GetEvents: watch first, then the snapshot, then live; filters; ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from armonik.common import Result, Task, TaskStatus
from armonik.protogen.client.events_service_pb2_grpc import EventsStub
from armonik.protogen.common import events_common_pb2 as messages
from armonik.protogen.common.filters_common_pb2 import FilterNumber
from armonik.protogen.common.results_fields_pb2 import (
    RESULT_RAW_ENUM_FIELD_NAME,
    ResultField,
    ResultRawField,
)
from armonik.protogen.common.results_filters_pb2 import FilterField, Filters, FiltersAnd

from pymonik.emulator import Emulator
from tests.emulator.plain_cluster import Client, code, emulator, eventually

NEW_RESULT = messages.EVENTS_ENUM_NEW_RESULT
RESULT_STATUS = messages.EVENTS_ENUM_RESULT_STATUS_UPDATE
CREATED, COMPLETED = 1, 2


def subscribe(client: Client, *kinds: int, **filters: Any) -> Any:
    """Open a stream. Without NEW_RESULT among the kinds, see `watched` too."""
    request = messages.EventSubscriptionRequest(
        session_id=client.session, returned_events=kinds, **filters
    )
    return EventsStub(client.channel).GetEvents(request)


def watched(started: Emulator, client: Client) -> None:
    """Wait until a stream really watches the session: without a snapshot nothing else shows it."""
    eventually(lambda: client.session in started.engine.watchers)


def take(stream: Any, count: int) -> list[Any]:
    return [next(stream) for _ in range(count)]


def statuses(stream: Iterator[Any], wanted: str) -> Iterator[tuple[str, int]]:
    for event in stream:
        kind = event.WhichOneof("update")
        update = getattr(event, kind)
        if kind.endswith(("new_result", "result_status_update")) and update.result_id == wanted:
            yield kind, update.status


def test_the_snapshot_shows_what_is_there_with_its_current_status(strict: Client) -> None:
    done, open_ = strict.put(b"x"), *strict.declare("open")
    stream = subscribe(strict, NEW_RESULT)
    found = {e.new_result.result_id: e.new_result.status for e in take(stream, 2)}
    assert found == {done: COMPLETED, open_: CREATED}
    stream.cancel()


def test_live_events_follow_the_snapshot(strict: Client) -> None:
    (result,) = strict.declare("result")
    stream = subscribe(strict, NEW_RESULT, RESULT_STATUS)
    seen = statuses(stream, result)
    assert next(seen) == ("new_result", CREATED)
    strict.results.upload_result_data(result, strict.session, b"x")
    assert next(seen) == ("result_status_update", COMPLETED)
    stream.cancel()


def test_without_new_results_there_is_no_snapshot(
    strict_emulator: Emulator, strict: Client
) -> None:
    strict.put(b"before")
    (result,) = strict.declare("result")
    stream = subscribe(strict, RESULT_STATUS)
    watched(strict_emulator, strict)
    strict.results.upload_result_data(result, strict.session, b"x")
    (event,) = take(stream, 1)
    assert event.result_status_update.result_id == result
    stream.cancel()


def test_results_are_filtered_by_id_and_name(strict: Client) -> None:
    strict.declare("noise")
    (result,) = strict.declare("signal")
    for wanted in (Result.result_id == result, Result.name.startswith("sig")):
        filters = wanted.to_disjunction().to_message()
        stream = subscribe(strict, NEW_RESULT, results_filters=filters)
        assert take(stream, 1)[0].new_result.result_id == result
        stream.cancel()


def test_results_can_be_filtered_by_any_field(strict: Client) -> None:
    done, _ = strict.put(b"x"), *strict.declare("open")
    filters = (Result.status == COMPLETED).to_disjunction().to_message()
    stream = subscribe(strict, NEW_RESULT, results_filters=filters)
    assert [event.new_result.result_id for event in take(stream, 1)] == [done]
    stream.cancel()


def test_a_task_that_is_new_is_being_created_and_one_of_the_snapshot_is_as_it_is(
    strict: Client,
) -> None:
    (unmade,) = strict.declare("unmade")
    stream = subscribe(strict, NEW_RESULT, messages.EVENTS_ENUM_NEW_TASK)
    take(stream, 1)
    task = strict.run("concat", unmade)[0]
    [event] = [e for e in take(stream, 3) if e.WhichOneof("update") == "new_task"]
    assert (event.new_task.task_id, event.new_task.status) == (task, TaskStatus.CREATING)
    stream.cancel()
    again = subscribe(strict, messages.EVENTS_ENUM_NEW_TASK)
    assert next(again).new_task.status == TaskStatus.PENDING
    again.cancel()


def test_all_kinds_come_when_none_is_named(strict: Client) -> None:
    task, output = strict.run("concat")
    strict.ended(task)
    filters = (Task.id == task).to_disjunction().to_message()
    kinds = {event.WhichOneof("update") for event in take(subscribe(strict), 3)}
    assert kinds == {"new_task", "new_result"}
    stream = subscribe(strict, messages.EVENTS_ENUM_NEW_TASK, tasks_filters=filters)
    (event,) = take(stream, 1)
    assert (event.new_task.task_id, list(event.new_task.expected_output_keys)) == (task, [output])
    stream.cancel()


def test_a_change_of_owner_is_an_event(strict_emulator: Emulator, strict: Client) -> None:
    stream = subscribe(strict, messages.EVENTS_ENUM_RESULT_OWNER_UPDATE)
    watched(strict_emulator, strict)
    parent, output = strict.run("delegate")
    owners = []
    for event in stream:
        update = event.result_owner_update
        if update.result_id == output:
            owners.append((update.previous_owner_id, update.current_owner_id))
        if len(owners) == 2:
            break
    child = strict.results.get_result(output).owner_task_id
    assert owners == [("", parent), (parent, child)]
    stream.cancel()


def test_an_unknown_session_sends_nothing_and_strict_says_so(
    strict: Client, lenient: Client
) -> None:
    strict.session = lenient.session = "nope"
    with pytest.raises(grpc.RpcError) as refused:
        next(subscribe(strict))
    assert code(refused.value) == "INVALID_ARGUMENT"
    stream = subscribe(lenient, NEW_RESULT)
    stream.cancel()
    with pytest.raises(grpc.RpcError) as cancelled:
        next(stream)
    assert code(cancelled.value) == "CANCELLED"


def test_a_shutdown_ends_the_stream_without_an_error() -> None:
    started = emulator(partitions={"main": 0}).start()
    with Client(started.endpoint) as client:
        client.put(b"x")
        stream = subscribe(client)
        take(stream, 1)
        started.stop()
        assert list(stream) == []


def test_a_hundred_streams_are_served_at_once(strict: Client) -> None:
    strict.put(b"x")
    streams = [subscribe(strict, NEW_RESULT) for _ in range(100)]
    assert all(take(stream, 1) for stream in streams)
    for stream in streams:
        stream.cancel()


def test_a_filter_of_the_wrong_kind_is_a_fault_of_the_control_plane(strict: Client) -> None:
    condition = FilterField(
        field=ResultField(result_raw_field=ResultRawField(field=RESULT_RAW_ENUM_FIELD_NAME)),
        filter_number=FilterNumber(value=1),
    )
    filters = Filters(**{"or": [FiltersAnd(**{"and": [condition]})]})
    with pytest.raises(grpc.RpcError) as refused:
        next(subscribe(strict, NEW_RESULT, results_filters=filters))
    assert code(refused.value) == "UNKNOWN"
