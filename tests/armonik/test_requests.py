"""How many requests and bytes programs take, and that plans say so beforehand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.cluster.programs import PROGRAMS
from pymonik import Pymonik, task
from pymonik.backend.armonik.submit import Sender
from pymonik.emulator import Emulator
from pymonik.plan.plan import Plan, Request
from pymonik.testing import assert_requests
from tests.armonik.conftest import Connect, started
from tests.conformance.programs import add, identity, inc, square

METHODS = {
    "declare": "CreateResultsMetaData",
    "create": "CreateResults",
    "stream": "UploadResultData",
    "submit": "SubmitTasks",
}


@task
def join(left: Any, middle: Any, right: Any) -> Any:
    return left + middle + right


@task
def total(values: Any) -> Any:
    return sum(values)


@task
def price(spots: Any, strikes: Any, i: int, j: int) -> float:
    return float(max(spots[i] - strikes[j], 0.0))


@task
def mean(array: Any, _: int) -> float:
    return float(array.mean())


def sent_by(cluster: Emulator, kind: str) -> tuple[int, int]:
    count = cluster.counters[METHODS[kind]]
    return count.requests, count.request_bytes


def assert_exact(cluster: Emulator, plan: Plan) -> None:
    """Compare what was sent with what the plan said, to the byte."""
    for kind in METHODS:
        planned = [request for request in plan.requests if request.kind == kind]
        assert (len(planned), sum(r.size for r in planned)) == sent_by(cluster, kind), kind


def test_a_thousand_calls_and_a_reduction_take_three_requests(
    cluster: Emulator, connect: Connect
) -> None:
    with connect() as client:
        squares = square.map_invoke(range(1000))
        reduced = total.invoke(squares)
        plan = client.plan()
        client.flush()
        assert_exact(cluster, plan)
        assert len(plan.requests) == 3
        assert reduced.get() == sum(i * i for i in range(1000))


def test_a_stencil_by_single_calls_takes_three_requests(
    cluster: Emulator, connect: Connect
) -> None:
    with connect() as client:
        row: list[Any] = [identity.invoke(i) for i in range(50)]
        for _ in range(19):
            row = [join.invoke(row[i - 1], row[i], row[(i + 1) % 50]) for i in range(50)]
        plan = client.plan()
        client.flush()
        assert_exact(cluster, plan)
        assert len(plan.requests) == 3
        assert sum(h.get() for h in row) == 3**19 * sum(range(50))


def test_a_chain_of_two_hundred_is_one_task(cluster: Emulator, connect: Connect) -> None:
    with connect() as client, assert_requests(cluster, SubmitTasks=1, DownloadResultData=1):
        link = inc.invoke(0)
        for _ in range(199):
            link = inc.invoke(link)
        assert link.get() == 200
        assert cluster.counters["Worker.Process"].requests == 1
        assert client.stats.units == 1


def test_one_array_passed_to_a_hundred_calls_is_uploaded_once(
    cluster: Emulator, connect: Connect
) -> None:
    array = np.ones(1 << 17)
    with connect() as client:
        means = [mean.invoke(array, i) for i in range(100)]
        plan = client.plan()
        client.flush()
        assert_exact(cluster, plan)
        uploaded = cluster.counters.total.request_bytes
        assert array.nbytes < uploaded < 1.1 * array.nbytes
        assert {h.get() for h in means} == {1.0}


def test_a_later_plan_counts_no_blob_that_an_earlier_one_has_stored(
    cluster: Emulator, connect: Connect
) -> None:
    array, other = np.ones(1 << 15), np.zeros(1 << 15)
    with connect() as client:
        first = mean.invoke(array, 0)
        client.flush()
        cluster.counters.reset()
        later = [mean.invoke(array, 1), mean.invoke(other, 1)]
        plan = client.plan()
        client.flush()
        assert_exact(cluster, plan)
        assert other.nbytes < plan.size < 1.1 * other.nbytes
        assert [first.get(), *(h.get() for h in later)] == [1.0, 1.0, 0.0]


def test_a_put_is_uploaded_once_however_often_it_is_sent(
    cluster: Emulator, connect: Connect
) -> None:
    with connect() as client:
        array = client.put(np.ones(1 << 17))
        for i in range(3):
            assert mean.invoke(array, i).get() == 1.0
        assert cluster.counters.total.request_bytes < 1.1 * (8 << 17)


@pytest.mark.usefixtures("trusting")
def test_a_grid_over_two_arrays_takes_a_few_dozen_requests(
    cluster: Emulator, connect: Connect
) -> None:
    spots, strikes = np.linspace(50, 150, 1000), np.linspace(80, 120, 1000)
    with (
        assert_requests(cluster, total=range(36), max_bytes=300_000),
        connect(),
    ):
        grid = [price.invoke(spots, strikes, i, j) for i in range(41) for j in range(41)]
        values = [h.wait().get() for h in grid]
    assert values == [max(spots[i] - strikes[j], 0) for i in range(41) for j in range(41)]


@pytest.mark.thorough
def test_as_written_a_call_is_a_task_and_a_thousand_are_a_request(
    cluster: Emulator, connect: Connect
) -> None:
    with connect(optimize=False) as client:
        calls = inc.map_invoke(range(1001))
        plan = client.plan()
        assert len(plan.units) == 1001
        client.flush()
        assert_exact(cluster, plan)
        assert cluster.counters["SubmitTasks"].requests == 2
        assert calls.get() == list(range(1, 1002))


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 400, 3 << 20, 6 << 20, (8 << 20) + 12345])
def test_the_bytes_of_big_objects_are_counted_exactly(
    cluster: Emulator, connect: Connect, size: int
) -> None:
    with connect() as client:
        length = task(len).invoke(np.zeros(size, np.uint8))
        plan = client.plan()
        client.flush()
        assert_exact(cluster, plan)
        assert length.get() == size


def test_names_options_and_labels_are_counted_exactly(cluster: Emulator, connect: Connect) -> None:
    with connect(partition=["pymonik", "other"]) as client:
        named = inc.invoke(1, pmk_name="größer " * 20, pmk_priority=3)
        inc.invoke(named, pmk_partition="other", pmk_application_name="pricing")
        inc.map_invoke(range(4), pmk_options={"desk": "rates", "run": "7"}, pmk_name="several")
        client.put([1, 2], name="object")
        plan = client.plan()
        client.flush()
        assert_exact(cluster, plan)


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_send_what_their_plans_say(
    cluster: Emulator, connect: Connect, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    planned: list[Request] = []
    submit = Sender.submit

    def noted(self: Sender, plan: Plan) -> None:
        planned.extend(plan.requests)
        submit(self, plan)

    monkeypatch.setattr(Sender, "submit", noted)
    _, program, size, _ = PROGRAMS[name]
    with connect():
        program(task, min(size, 20) if name in ("naps", "unequal") else size)  # they sleep
    assert planned
    for kind in METHODS:
        sizes = [request.size for request in planned if request.kind == kind]
        assert (len(sizes), sum(sizes)) == sent_by(cluster, kind), kind


def test_a_loop_of_get_reads_ahead(connect: Connect, cluster: Emulator) -> None:
    with connect(optimize=False):
        handles = [inc.invoke(i) for i in range(200)]
        assert [h.get() for h in handles] == list(range(1, 201))
        assert cluster.counters["DownloadResultData"].requests == 200


def test_values_nobody_asks_for_are_not_fetched(connect: Connect, cluster: Emulator) -> None:
    with connect(optimize=False):
        assert total.invoke(square.map_invoke(range(20))).get() == sum(i * i for i in range(20))
    assert cluster.counters["DownloadResultData"].requests == 1


@pytest.mark.usefixtures("trusting")
def test_a_quiet_exit_asks_once_whether_all_has_ended(connect: Connect, cluster: Emulator) -> None:
    with connect():
        add.invoke(1, 2).get()
    assert cluster.counters["CountTasksByStatus"].requests == 1
    assert cluster.counters["CloseSession"].requests == 1
    assert cluster.counters["ListResults"].requests == 0


def test_a_submission_costs_no_more_with_latency() -> None:
    with (
        started(latency=0.005) as emulator,
        Pymonik(endpoint=emulator.endpoint),
        assert_requests(emulator, CreateResultsMetaData=1, CreateResults=1, SubmitTasks=1),
    ):
        assert total.invoke(square.map_invoke(range(100))).get() == 328350
