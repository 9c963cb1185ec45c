"""What a real engine does beyond its rules: each quirk by itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from armonik.common import ResultStatus, Task, TaskStatus
from armonik.protogen.client.tasks_service_pb2_grpc import TasksStub
from armonik.protogen.common.tasks_common_pb2 import SubmitTasksRequest

from pymonik.emulator import Delay, Emulator, Quirks, RacedByAbort, SilentStream
from pymonik.emulator.engine import Engine, Refused
from pymonik.emulator.services.submission import under_way
from pymonik.emulator.state import ClusterSettings, events
from pymonik.emulator.state import ResultStatus as Status
from tests.emulator.plain_cluster import Client, Gate, code, emulator, eventually
from tests.emulator.plain_machine import OPTIONS
from tests.emulator.test_events import (
    COMPLETED,
    CREATED,
    NEW_RESULT,
    RESULT_STATUS,
    statuses,
    subscribe,
    take,
    watched,
)

HOUR = (3_600.0, 3_600.0)


@pytest.fixture(scope="module")
def quirky() -> Iterator[Emulator]:
    with emulator() as started:
        yield started


@pytest.fixture
def client(quirky: Emulator) -> Iterator[Client]:
    with Client(quirky.endpoint) as client:
        yield client
    defaults = Quirks()
    for name in Quirks.__slots__:
        setattr(quirky.quirks, name, getattr(defaults, name))


def completed(client: Client) -> tuple[str, str]:
    """Run a task until the event COMPLETED of its output; return the ids of both."""
    task, output = client.run("concat", text="x")
    stream = subscribe(client, NEW_RESULT, RESULT_STATUS)
    assert COMPLETED in (status for _, status in statuses(stream, output))
    stream.cancel()
    return task, output


def test_after_an_event_late_rows_are_read_as_they_were(quirky: Emulator, client: Client) -> None:
    quirky.quirks.late_rows = HOUR
    task, output = completed(client)
    assert client.status(output) == ResultStatus.CREATED
    listed = {result.result_id: result.status for result in client.all_results()}
    assert listed[output] == ResultStatus.CREATED
    assert client.tasks.get_task(task).ended_at is None
    assert client.tasks.list_tasks(Task.id == task)[1][0].ended_at is None
    with pytest.raises(grpc.RpcError) as late:
        client.results.download_result_data(output, client.session)
    assert code(late.value) == "NOT_FOUND"


def test_late_rows_can_be_read_in_the_end(quirky: Emulator, client: Client) -> None:
    quirky.quirks.late_rows = (0.0, 0.09)
    _, output = completed(client)
    eventually(lambda: client.status(output) == ResultStatus.COMPLETED)
    assert client.results.download_result_data(output, client.session) == b"x"


def test_embedded_data_of_a_late_row_is_empty(quirky: Emulator, client: Client) -> None:
    quirky.quirks.late_rows, quirky.quirks.embedded_data = HOUR, True
    _, output = completed(client)
    assert client.results.download_result_data(output, client.session) == b""


def test_what_a_client_did_itself_is_not_late(quirky: Emulator, client: Client) -> None:
    quirky.quirks.late_rows = HOUR
    (result,) = client.declare("result")
    client.results.upload_result_data(result, client.session, b"x")
    assert client.status(result) == ResultStatus.COMPLETED


def test_created_is_repeated_when_an_output_gets_its_owner_and_behind_its_end(
    quirky: Emulator, client: Client
) -> None:
    quirky.quirks.repeated_created = True
    (output,) = client.declare("output")
    stream = subscribe(client, NEW_RESULT, RESULT_STATUS)
    seen = statuses(stream, output)
    assert next(seen) == ("new_result", CREATED)
    client.submit(client.program("concat", text="x"), output)
    update = "result_status_update"
    assert [next(seen) for _ in range(3)] == [
        (update, CREATED),
        (update, COMPLETED),
        (update, CREATED),
    ]
    stream.cancel()


@pytest.mark.parametrize(
    ("quirks", "faults", "said"),
    [(Quirks(silent_streams=True), [], 0), (Quirks(), [SilentStream(after=2)], 2)],
)
def test_a_silent_stream_stays_open_and_says_nothing_more(
    quirks: Quirks, faults: list[SilentStream], said: int
) -> None:
    with (
        emulator(partitions={"main": 0}, quirks=quirks) as started,
        Client(started.endpoint) as client,
    ):
        for fault in faults:
            started.faults.add("GetEvents", fault)
        outputs = client.declare("a", "b")
        stream = subscribe(client, NEW_RESULT, RESULT_STATUS)
        first = take(stream, said)
        watched(started, client)
        for output in outputs:
            client.results.upload_result_data(output, client.session, b"x")
        assert {event.new_result.result_id for event in first} == set(outputs[:said])
        assert not stream.done()
        started.stop()
        assert list(stream) == []


def fetch(client: Client, result: str) -> bytes:
    data: bytes = client.results.download_result_data(result, client.session)
    return data


def test_without_its_database_the_control_plane_says_unknown_to_everything() -> None:
    with emulator() as started, Client(started.endpoint) as client:
        output = client.run("concat", text="x")[1]
        assert client.value(output) == b"x"
        started.database_away()
        for request in (
            client.all_results,
            lambda: client.put(b"x"),
            lambda: fetch(client, output),
        ):
            with pytest.raises(grpc.RpcError) as away:
                request()
            assert code(away.value) == "UNKNOWN"
        started.database_back()
        assert fetch(client, output) == b"x"


def test_what_ran_while_the_database_was_away_is_told_afterwards(gate: Gate) -> None:
    with emulator() as started, Client(started.endpoint) as client:
        task, output = client.run("wait", path=gate.path)
        eventually(lambda: client.task_status(task) == TaskStatus.PROCESSING)
        stream = subscribe(client, NEW_RESULT, RESULT_STATUS)
        take(stream, 2)
        started.database_away()
        gate.open()
        started.database_away(seconds=0.01)
        eventually(lambda: not started.engine.database.is_away)
        assert client.value(output) == b""
        started.stop()
        assert list(stream) == [], "a stream from before the outage is silent"


def test_a_submission_can_be_raced_by_the_abort_of_its_input(gate: Gate) -> None:
    with emulator(strict=False) as started, Client(started.endpoint) as client:
        failing, output = client.run("wait_then_error", path=gate.path)
        started.faults.add("SubmitTasks", RacedByAbort())
        with ThreadPoolExecutor(1) as beside:
            submission = beside.submit(client.run, "concat", output)
            eventually(lambda: client.session in started.engine.watchers)
            gate.open()
            waiting, late = submission.result()
        assert client.ended(failing).status == TaskStatus.ERROR
        assert client.status(output) == ResultStatus.ABORTED
        assert client.task_status(waiting) == TaskStatus.PENDING
        assert client.status(late) == ResultStatus.CREATED


def test_an_input_that_is_dead_already_is_refused_race_or_not() -> None:
    quirks = Quirks(raced_submissions=True)
    with emulator(strict=False, quirks=quirks) as started, Client(started.endpoint) as client:
        failing, output = client.run("error", text="too early")
        client.ended(failing)
        for fault in ([], [RacedByAbort()]):
            for action in fault:
                started.faults.add("SubmitTasks", action)
            with pytest.raises(grpc.RpcError) as refused:
                client.run("concat", output)
            assert code(refused.value) == "FAILED_PRECONDITION"


class Caller:
    """The context of a request whose client is there, or has given up."""

    def __init__(self, *, is_there: bool) -> None:
        self._is_there = is_there

    def is_active(self) -> bool:
        return self._is_there


def test_a_submission_whose_client_gave_up_is_rolled_back() -> None:
    cluster = Cluster()
    again = events.SubmitTasks("s", (events.NewTask("again", "payload", (), ("out",)),))
    assert under_way(cluster.engine, again, Caller(is_there=False)) == again
    cluster.engine.quirks.rolled_back_submissions = True
    assert under_way(cluster.engine, again, Caller(is_there=True)) == again
    with pytest.raises(Refused) as refused:
        under_way(cluster.engine, again, Caller(is_there=False))
    assert refused.value.code == "CANCELLED"


def test_the_server_sees_that_a_client_gave_up() -> None:
    arrived, go_on = threading.Event(), threading.Event()

    def sleep(seconds: float) -> None:
        arrived.set()
        go_on.wait()

    quirks = Quirks(rolled_back_submissions=True)
    slow = emulator(partitions={"main": 0}, quirks=quirks, sleep=sleep)
    with slow as started, Client(started.endpoint) as client:
        payload, (output,) = client.program("concat"), client.declare("output")
        started.faults.add("SubmitTasks", Delay(1.0))
        creation = SubmitTasksRequest.TaskCreation(
            payload_id=payload, expected_output_keys=[output]
        )
        request = SubmitTasksRequest(session_id=client.session, task_creations=[creation])
        call = TasksStub(client.channel).SubmitTasks.future(request)
        arrived.wait()
        call.cancel()
        client.all_results()  # on the same connection: the server has read the cancellation
        go_on.set()
        # Its own later submission passes through the same handler, and is the only one there.
        client.submit(payload, output)
        assert client.tasks.list_tasks(Task.session_id == client.session)[0] == 1


class Cluster:
    """An engine with a clock that stands still, late rows of 1 to 2 s, and one task on a pod."""

    def __init__(self) -> None:
        self.now = 0.0
        settings = ClusterSettings(("main",), "main")
        quirks = Quirks(late_rows=(1.0, 2.0))
        self.engine = Engine(settings, clock=lambda: self.now, quirks=quirks)
        for event in (
            events.CreateSession("s", OPTIONS, ("main",)),
            events.CreateResults("s", (events.NewResult("payload", "p", b"p", 1),)),
            events.CreateResults("s", (events.NewResult("out", "o"),)),
            events.SubmitTasks("s", (events.NewTask("task", "payload", (), ("out",)),)),
            events.Acquire("task", "pod"),
            events.Start("task"),
        ):
            self.engine.apply(event)
        self.now = 10.0

    def seen(self) -> tuple[TaskStatus, Status]:
        """Read the task first, as the next moment may end its lateness, then its output."""
        with self.engine.querying() as tables:
            return tables.tasks["task"].status, tables.results["out"].status

    def sequence(self) -> list[tuple[TaskStatus, Status]]:
        """Let time pass in small steps, and return what reads saw, without repetitions."""
        found = [self.seen()]
        for _ in range(300):
            self.now += 0.01
            if self.seen() != found[-1]:
                found.append(self.seen())
        return found


def test_a_result_is_read_completed_while_its_task_still_runs() -> None:
    cluster = Cluster()
    stored = events.StoredObject("out", *cluster.engine.objects.add([b"x"]))
    cluster.engine.apply(events.Succeed("task", stored=(stored,)))
    assert cluster.sequence() == [
        (TaskStatus.PROCESSING, Status.CREATED),
        (TaskStatus.PROCESSING, Status.COMPLETED),
        (TaskStatus.COMPLETED, Status.COMPLETED),
    ]


def test_a_task_is_read_error_while_its_result_is_still_created() -> None:
    cluster = Cluster()
    cluster.engine.apply(events.Fail("task", "why"))
    assert cluster.sequence() == [
        (TaskStatus.PROCESSING, Status.CREATED),
        (TaskStatus.ERROR, Status.CREATED),
        (TaskStatus.ERROR, Status.ABORTED),
    ]


def test_a_late_record_that_is_deleted_is_gone_at_once() -> None:
    cluster = Cluster()
    cluster.engine.apply(events.Fail("task", "why"))
    cluster.engine.apply(events.DeleteSession("s"))
    with cluster.engine.querying() as tables:
        assert list(tables.results) == list(tables.tasks) == []
        assert "s" not in tables.results_of or not tables.results_of["s"]
