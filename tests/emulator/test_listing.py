"""Lists, filters, sorting, paging, and the services that describe the cluster."""

from __future__ import annotations

import grpc
import pytest
from armonik.client import ArmoniKHealthChecks
from armonik.common import Direction, Partition, Result, ResultStatus, Session, Task, TaskStatus
from armonik.protogen.client.applications_service_pb2_grpc import ApplicationsStub
from armonik.protogen.client.auth_service_pb2_grpc import AuthenticationStub
from armonik.protogen.client.partitions_service_pb2_grpc import PartitionsStub
from armonik.protogen.client.tasks_service_pb2_grpc import TasksStub
from armonik.protogen.common.applications_common_pb2 import ListApplicationsRequest
from armonik.protogen.common.applications_fields_pb2 import (
    APPLICATION_RAW_ENUM_FIELD_NAME,
    ApplicationField,
    ApplicationRawField,
)
from armonik.protogen.common.auth_common_pb2 import GetCurrentUserRequest
from armonik.protogen.common.partitions_common_pb2 import ListPartitionsRequest
from armonik.protogen.common.results_common_pb2 import WatchResultRequest
from armonik.protogen.common.sort_direction_pb2 import SORT_DIRECTION_ASC
from armonik.protogen.common.tasks_common_pb2 import ListTasksRequest

from pymonik.emulator import Emulator
from tests.emulator.plain_cluster import Client, code, emulator, options


@pytest.fixture(scope="module")
def idle_emulator():
    """A cluster without workers: what is submitted stays where it is."""
    with emulator(partitions={"main": 0, "gpu": 0}, idle_grace=1e9) as started:
        yield started


@pytest.fixture
def client(idle_emulator: Emulator):
    with Client(idle_emulator.endpoint) as client:
        yield client


def names(results: list[Result]) -> list[str]:
    return [result.name for result in results]


def test_results_are_filtered_by_name_and_session_and_sorted(client: Client) -> None:
    client.declare("b", "a", "c", "other")
    mine = (Result.session_id == client.session) & (Result.name != "other")
    total, found = client.results.list_results(mine, sort_field=Result.name)
    assert (total, names(found)) == (3, ["a", "b", "c"])
    _, found = client.results.list_results(
        mine, sort_field=Result.name, sort_direction=Direction.DESC
    )
    assert names(found) == ["c", "b", "a"]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (Result.name.startswith("pre"), ["prefix", "prefix suffix"]),
        (Result.name.endswith("suffix"), ["prefix suffix", "suffix"]),
        (Result.name.contains("x s"), ["prefix suffix"]),
        (~Result.name.contains("suffix"), ["prefix"]),
        ((Result.name == "prefix") | (Result.name == "suffix"), ["prefix", "suffix"]),
        (Result.status == ResultStatus.COMPLETED, []),
        (Result.size == 0, ["prefix", "prefix suffix", "suffix"]),
        (Result.size > 0, []),
    ],
)
def test_operators(client: Client, condition: object, expected: list[str]) -> None:
    client.declare("prefix", "suffix", "prefix suffix")
    mine = (Result.session_id == client.session) & condition
    assert names(client.results.list_results(mine, sort_field=Result.name)[1]) == expected


def test_a_date_is_equal_to_itself(client: Client) -> None:
    for name in "abcdefghijklmnopqrstuvwxyz":  # each has a date of its own
        client.declare(name)
    mine = Result.session_id == client.session
    for row in client.results.list_results(mine)[1]:
        assert client.results.list_results(mine & (Result.created_at == row.created_at))[0] == 1


def test_pages_cut_the_list_and_a_page_size_of_zero_counts(client: Client) -> None:
    client.declare(*"abcde")
    mine = Result.session_id == client.session
    pages = [names(client.results.list_results(mine, page, 2, Result.name)[1]) for page in range(4)]
    assert pages == [["a", "b"], ["c", "d"], ["e"], []]
    assert client.results.list_results(mine, 0, 0) == (5, [])


def test_results_are_found_by_many_ids(client: Client) -> None:
    wanted = client.declare(*(f"r{n}" for n in range(50)))[10:20]
    condition = Result.result_id == wanted[0]
    for result_id in wanted[1:]:
        condition = condition | (Result.result_id == result_id)
    _, found = client.results.list_results(condition, sort_field=Result.result_id)
    assert sorted(result.result_id for result in found) == sorted(wanted)


def test_tasks_are_listed_and_counted_by_option_and_status(client: Client) -> None:
    tagged = options(options={"tag": "42"}, application_name="app")
    outputs = client.declare("a", "b", "c")
    for output, given in zip(outputs, [tagged, tagged, None], strict=True):
        client.submit(client.program("concat"), output, options=given)
    mine = Task.session_id == client.session
    tag = Task.options["tag"] == "42"
    assert client.tasks.count_tasks_by_status(mine & tag) == {TaskStatus.SUBMITTED: 2}
    assert client.tasks.count_tasks_by_status(mine & (Task.options["tag"] != "42")) == {
        TaskStatus.SUBMITTED: 1
    }
    assert client.tasks.list_tasks(mine & (Task.options.application_name == "app"))[0] == 2
    total, detailed = client.tasks.list_tasks(mine, sort_field=Task.created_at)
    assert (total, [task.expected_output_ids[0] for task in detailed]) == (3, outputs)
    _, summaries = client.tasks.list_tasks(mine, detailed=False)
    assert {task.status for task in summaries} == {TaskStatus.SUBMITTED}
    ids = [task.id for task in detailed]
    assert client.tasks.get_result_ids(ids) == {
        task: [output] for task, output in zip(ids, outputs, strict=True)
    }


def test_sessions_are_listed_and_filtered(client: Client) -> None:
    _, found = client.sessions.list_sessions(Session.session_id == client.session)
    assert [session.partition_ids for session in found] == [["main"]]
    assert client.sessions.list_sessions(Session.partition_ids.contains("gpu"))[0] == 0


def test_lists_need_filters_sort_and_a_page(client: Client) -> None:
    tasks, partitions = TasksStub(client.channel), PartitionsStub(client.channel)
    negative = ListTasksRequest(page=-1)
    negative.filters.SetInParent()
    negative.sort.direction = SORT_DIRECTION_ASC
    no_field = ListTasksRequest()
    no_field.filters.SetInParent()
    no_field.sort.direction = SORT_DIRECTION_ASC
    for call, request in [
        (tasks.ListTasks, ListTasksRequest()),
        (tasks.ListTasks, negative),
        (tasks.ListTasksDetailed, no_field),
        (partitions.ListPartitions, ListPartitionsRequest()),
    ]:
        with pytest.raises(grpc.RpcError) as refused:
            call(request)
        assert code(refused.value) == "INVALID_ARGUMENT"


def test_partitions_show_their_workers() -> None:
    with (
        emulator(partitions={"one": 1, "two": 0}) as started,
        Client(started.endpoint, partitions=["one"], options={"partition_id": "one"}) as client,
    ):
        total, found = client.partitions.list_partitions(sort_field=Partition.id)
        assert (total, [(p.id, p.pod_reserved) for p in found]) == (2, [("one", 1), ("two", 0)])
        assert client.partitions.get_partition("two").id == "two"
        with pytest.raises(grpc.RpcError) as missing:
            client.partitions.get_partition("three")
        assert code(missing.value) == "NOT_FOUND"


@pytest.mark.parametrize(("generation", "core"), [("HEAD", "0.41.0"), ("0.37.2", "0.37.2")])
def test_versions_tell_the_generations_apart(generation: str, core: str) -> None:
    empty = emulator(partitions={"main": 0}, generation=generation)
    with empty as started, Client(started.endpoint) as client:
        assert client.versions.list_versions()["core"] == core


def test_health_user_and_applications(client: Client) -> None:
    health = ArmoniKHealthChecks(client.channel).check_health()
    assert sorted(health) == ["database", "object", "queue"]
    user = AuthenticationStub(client.channel).GetCurrentUser(GetCurrentUserRequest()).user
    assert user.username == "Anonymous"
    (output,) = client.declare("out")
    client.submit(client.program("concat"), output, options=options(application_name="mine"))
    request = ListApplicationsRequest(page_size=100)
    request.filters.SetInParent()
    request.sort.direction = SORT_DIRECTION_ASC
    raw = ApplicationRawField(field=APPLICATION_RAW_ENUM_FIELD_NAME)
    request.sort.fields.append(ApplicationField(application_field=raw))
    found = ApplicationsStub(client.channel).ListApplications(request).applications
    assert "mine" in [application.name for application in found]


def test_the_owner_of_a_result_is_answered_under_its_name(client: Client) -> None:
    (output,) = client.declare("the name")
    task = client.submit(client.program("concat"), output)
    owners = client.results.get_owner_task_id([output], client.session)
    assert owners == {"the name": task}


def test_watching_results_is_not_implemented(client: Client) -> None:
    with pytest.raises(grpc.RpcError) as missing:
        next(client.stub.WatchResults(iter([WatchResultRequest()])))
    assert code(missing.value) == "UNIMPLEMENTED"


def test_tasks_of_an_unknown_id_are_not_found(client: Client) -> None:
    with pytest.raises(grpc.RpcError) as missing:
        client.tasks.get_task("nope")
    assert code(missing.value) == "NOT_FOUND"
