"""Counts, latency and injected faults."""

from __future__ import annotations

import grpc
import pytest
from armonik.common import ResultStatus, Task, TaskDefinition, TaskStatus

from pymonik.emulator import (
    Count,
    CutStream,
    Delay,
    DropAfter,
    DropBefore,
    Emulator,
    FailUpload,
    KillWorker,
    LoseAgent,
    SlowUpload,
)
from tests.armonik.conftest import settle
from tests.emulator.plain_cluster import Client, code, emulator, eventually
from tests.emulator.test_data import upload
from tests.emulator.test_events import NEW_RESULT, subscribe, take


@pytest.fixture
def client(strict_emulator: Emulator, strict: Client) -> Client:
    settle(strict_emulator)
    return strict


def test_requests_and_bytes_are_counted_by_method(
    strict_emulator: Emulator, client: Client
) -> None:
    counters = strict_emulator.counters
    data = client.put(bytes(1_000))
    client.results.download_result_data(data, client.session)
    assert dict(counters.items()).keys() == {"CreateResults", "DownloadResultData"}
    created, downloaded = counters["CreateResults"], counters["DownloadResultData"]
    assert (created.requests, downloaded.requests) == (1, 1)
    assert 1_000 < created.request_bytes < 1_100
    assert 1_000 < downloaded.response_bytes < 1_100
    assert counters.total == created + downloaded
    assert counters["SubmitTasks"] == Count()
    counters.reset()
    assert len(counters) == 0


def test_what_workers_ask_is_counted_apart(strict_emulator: Emulator, client: Client) -> None:
    _, output = client.run("delegate")
    client.value(output)
    counters = strict_emulator.counters
    assert counters["Worker.Process"].requests == 3
    assert counters["Agent.SubmitTasks"].requests == 1
    assert counters["SubmitTasks"].requests == 1


def test_a_request_dropped_before_its_effect_has_none(
    strict_emulator: Emulator, client: Client
) -> None:
    strict_emulator.faults.add("CreateResults", DropBefore())
    with pytest.raises(grpc.RpcError) as lost:
        client.put(b"x")
    assert code(lost.value) == "UNAVAILABLE"
    assert client.all_results() == []
    assert client.put(b"x")


def test_a_request_dropped_after_its_effect_cannot_be_told_apart(
    strict_emulator: Emulator, client: Client
) -> None:
    strict_emulator.faults.add("SubmitTasks", DropAfter())
    with pytest.raises(grpc.RpcError) as lost:
        client.run("concat")
    assert code(lost.value) == "UNAVAILABLE"
    count, (task,) = client.tasks.list_tasks(Task.session_id == client.session)
    assert count == 1
    client.ended(task.id)  # or else it meets the faults of later tests


def test_faults_hit_the_occurrences_they_were_planned_for(
    strict_emulator: Emulator, client: Client
) -> None:
    strict_emulator.faults.add("CreateResults", DropBefore(), at=2, times=2)
    outcomes = []
    for _ in range(5):
        try:
            client.put(b"x")
            outcomes.append("OK")
        except grpc.RpcError as error:
            outcomes.append(code(error))
    assert outcomes == ["OK", "UNAVAILABLE", "UNAVAILABLE", "OK", "OK"]
    assert len(strict_emulator.faults) == 0


@pytest.mark.parametrize("ending", [None, "UNAVAILABLE"])
def test_an_event_stream_can_be_cut_normally_or_with_an_error(
    strict_emulator: Emulator, client: Client, ending: str | None
) -> None:
    client.declare("a", "b", "c")
    strict_emulator.faults.add("GetEvents", CutStream(after=2, code=ending))
    stream = subscribe(client, NEW_RESULT)
    assert len(take(stream, 2)) == 2
    if ending is None:
        assert list(stream) == []
    else:
        with pytest.raises(grpc.RpcError) as cut:
            next(stream)
        assert code(cut.value) == ending


def test_an_upload_can_fail_halfway_and_leaves_the_result_open(
    strict_emulator: Emulator, client: Client
) -> None:
    (result,) = client.declare("result")
    strict_emulator.faults.add("UploadResultData", FailUpload(after=2))
    with pytest.raises(grpc.RpcError) as broken:
        client.stub.UploadResultData(upload(result, b"a", b"b", b"c", session=client.session))
    assert code(broken.value) == "UNAVAILABLE"
    assert client.status(result) == ResultStatus.CREATED
    client.stub.UploadResultData(upload(result, b"a", session=client.session))
    assert client.value(result) == b"a"


def test_a_worker_can_be_killed_in_the_middle_of_a_task(
    strict_emulator: Emulator, client: Client
) -> None:
    strict_emulator.faults.add("Worker.Process", KillWorker())
    task, output = client.run("concat", text="survived")
    assert client.value(output) == b"survived"
    assert client.task_status(task) in (TaskStatus.RETRIED, TaskStatus.COMPLETED)


def test_an_agent_can_be_lost_together_with_its_task(
    strict_emulator: Emulator, client: Client
) -> None:
    strict_emulator.faults.add("Worker.Process", LoseAgent(seconds=3_600))
    lost, output = client.run("concat", text="lost")
    eventually(lambda: strict_emulator.counters["Worker.Process"].requests == 1)
    other = client.run("concat", text="other")[1]
    assert client.value(other) == b"other"
    assert client.task_status(lost) == TaskStatus.PROCESSING
    assert client.status(output) == ResultStatus.CREATED


def test_a_lost_task_is_retried_in_the_end(strict_emulator: Emulator, client: Client) -> None:
    strict_emulator.faults.add("Worker.Process", LoseAgent(seconds=0.01))
    task, output = client.run("concat", text="found")
    assert client.value(output) == b"found"
    ended = client.tasks.get_task(task)
    assert ended.status == TaskStatus.RETRIED
    assert "main-0 seems to have crashed" in ended.output.error


def test_an_idle_worker_can_be_killed_and_is_replaced_without_costing_a_retry(
    strict_emulator: Emulator, client: Client
) -> None:
    (before,) = eventually(lambda: strict_emulator.worker_pids)
    strict_emulator.kill_worker("main")
    eventually(lambda: strict_emulator.worker_pids != [before])
    task, output = client.run("concat", text="x")
    assert client.value(output) == b"x"
    assert client.tasks.get_task(task).status == TaskStatus.COMPLETED


@pytest.mark.parametrize(
    ("method", "action"), [("SubmitTasks", KillWorker()), ("Worker.Process", DropBefore())]
)
def test_a_fault_that_fits_no_method_is_refused(
    strict_emulator: Emulator, method: str, action: KillWorker | DropBefore
) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        strict_emulator.faults.add(method, action)


class Sleeps:
    """Stands in for the clock of the emulator: remembers instead of waiting."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)


def test_latency_is_added_to_every_request_and_delays_to_chosen_ones() -> None:
    sleeps = Sleeps()
    slow = emulator(partitions={"main": 0}, latency=0.005, sleep=sleeps)
    with slow as started, Client(started.endpoint) as client:
        assert sleeps.taken == [0.005]
        started.faults.add("CreateResultsMetaData", Delay(3.0))
        started.faults.add("UploadResultData", SlowUpload(0.25))
        (result,) = client.declare("r")
        client.stub.UploadResultData(upload(result, b"a", b"b", session=client.session))
    assert sleeps.taken == [0.005, 0.005, 3.0, 0.005, 0.25, 0.25, 0.25]


def test_a_submission_costs_units_times_completed_inputs() -> None:
    sleeps = Sleeps()
    costly = emulator(partitions={"main": 0}, submission_cost=0.001, sleep=sleeps)
    with costly as started, Client(started.endpoint) as client:
        outputs = client.declare(*(f"o{n}" for n in range(4)))
        tasks = [TaskDefinition(client.program("concat"), [output]) for output in outputs]
        client.tasks.submit_tasks(client.session, tasks)
    assert sleeps.taken == [pytest.approx(4 * 4 * 0.001)]


def test_a_port_that_is_taken_is_named(strict_emulator: Emulator) -> None:
    with pytest.raises(OSError, match=str(strict_emulator.port)):
        emulator(port=strict_emulator.port).start()
