"""No task has more than some inputs: packs are gathered by tasks that run nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from armonik.protogen.common.task_status_pb2 import TASK_STATUS_COMPLETED

from pymonik import Pymonik, task
from pymonik.backend.armonik import messages
from pymonik.emulator import DropBefore, Emulator
from pymonik.errors import TaskFailed
from pymonik.settings import settings
from tests.armonik.conftest import settle, started
from tests.armonik.test_requests import assert_exact
from tests.conformance.programs import add, inc, square
from tests.conftest import REPOSITORY, Gate

LIMIT = 4


@task
def total(values: Any) -> Any:
    return sum(values)


@task
def block(number: int) -> bytes:
    return bytes([number]) * 100_000


@task
def sizes(blocks: Any) -> list[int]:
    return [len(data) for data in blocks]


@task
def square_or_error(number: int) -> int:
    if number == 7:
        raise ValueError("no seven")
    return number * number


@task
def fail_behind(path: str) -> int:
    with open(path):
        pass
    raise ValueError("behind the gate")


# Calls that are known to be long are tasks of their own, also where sub-tasks could run inside.
LONG = {"pmk_chunk_size": 1, "pmk_cost": 60}


@task
def summed_inside(n: int) -> Any:
    return total.invoke(square.map_invoke(range(n), **LONG))


@task
def listed_inside(n: int) -> Any:
    return list(square.map_invoke(range(n), **LONG))


@pytest.fixture(scope="module", params=["HEAD", "0.37.2"])
def narrow(request: pytest.FixtureRequest) -> Iterator[Emulator]:
    """A cluster whose workers take few inputs."""
    with started(
        generation=request.param,
        environment={"PYTHONPATH": str(REPOSITORY), "PYMONIK_FAN_IN": str(LIMIT)},
    ) as emulator:
        yield emulator


@pytest.fixture
def cluster(narrow: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """The cluster, and a client that knows the limit; no task was ever given more."""
    monkeypatch.setenv("PYMONIK_FAN_IN", str(LIMIT))
    settings.cache_clear()
    settle(narrow)
    yield narrow
    monkeypatch.undo()
    settings.cache_clear()


def widest(client: Pymonik) -> int:
    """Give the most results of other tasks that a completed task of the session waited for."""
    session = client.parts.engine.backend._session  # type: ignore[union-attr]
    made = {r.result_id for r in session.list_results() if r.owner_task_id not in ("", session.id)}
    answer = session.tasks.ListTasksDetailed(messages.list_tasks(session.id, TASK_STATUS_COMPLETED))
    return max(len(made.intersection(one.data_dependencies)) for one in answer.tasks)


def test_a_tree_of_gathers_stands_before_a_wide_reduction(cluster: Emulator) -> None:
    with Pymonik(cluster.endpoint) as client:
        squares = square.map_invoke(range(30), pmk_chunk_size=1)
        reduced = total.invoke(squares)
        plan = client.plan()
        client.flush()
        assert_exact(cluster, plan)
        assert reduced.get() == sum(i * i for i in range(30))
        assert squares.get() == [i * i for i in range(30)]
        assert widest(client) == LIMIT
    # 30 squares, 8 and 2 gathers, the reduction.
    assert cluster.counters["Worker.Process"].requests == 41


def test_as_written_there_is_one_task_a_call(cluster: Emulator) -> None:
    with Pymonik(cluster.endpoint, optimize=False):
        assert total.invoke(square.map_invoke(range(10))).get() == 285
    assert cluster.counters["Worker.Process"].requests == 11


def test_consumers_of_the_same_inputs_share_their_gathers(cluster: Emulator) -> None:
    with Pymonik(cluster.endpoint) as client:
        squares = square.map_invoke(range(8), pmk_chunk_size=1)
        totals = [total.invoke(squares, pmk_retries=i) for i in range(3)]
        assert [t.get() for t in totals] == [140] * 3
        assert widest(client) == LIMIT
    assert cluster.counters["Worker.Process"].requests == 8 + 2 + 3


def test_maps_slices_and_nested_handles_find_their_values(cluster: Emulator) -> None:
    with Pymonik(cluster.endpoint) as client:
        squares = square.map_invoke(range(12), pmk_chunk_size=1)
        more = inc.map_invoke(squares[::-1], pmk_chunk_size=12)
        pairs = add.map_invoke(list(zip(squares, more)), pmk_chunk_size=6)
        nested = total.invoke([squares[3], *more[2:9:3], 1, pairs[11]])
        assert more.get() == [i * i + 1 for i in reversed(range(12))]
        assert pairs.get() == [i * i + (11 - i) ** 2 + 1 for i in range(12)]
        assert nested.get() == 9 + (81 + 1) + (36 + 1) + (9 + 1) + 1 + 121 + 1
        assert widest(client) <= LIMIT


def test_large_values_are_gathered_by_their_ids(cluster: Emulator) -> None:
    with Pymonik(cluster.endpoint):
        blocks = block.map_invoke(range(12), pmk_chunk_size=2)
        assert sizes.invoke(blocks).get() == [100_000] * 12
    assert cluster.counters["DownloadResultData"].response_bytes < 10_000


def test_a_failure_passes_a_gather_without_a_trace_of_it(cluster: Emulator) -> None:
    with Pymonik(cluster.endpoint) as client:
        values = square_or_error.map_invoke(range(10), pmk_chunk_size=2)
        client.flush()
        each = inc.map_invoke(values, pmk_chunk_size=10)
        error = total.invoke(values).exception()
        assert isinstance(error, ValueError)
        assert isinstance(error.__cause__, TaskFailed)
        assert error.__cause__.path == ("square_or_error", "total")
        assert isinstance(each[7].exception(), ValueError)
        assert each[8].get() == 65


def test_an_aborted_input_of_a_gather_fails_only_who_needs_it(
    cluster: Emulator, gate: Gate
) -> None:
    with Pymonik(cluster.endpoint) as client:
        lost = fail_behind.invoke(gate.path)
        squares = square.map_invoke(range(9), pmk_chunk_size=1)
        each = inc.map_invoke([*squares, lost], pmk_chunk_size=10)
        reduced = total.invoke([*squares, lost])
        client.flush()
        gate.open()
        assert each[:9].get() == [i * i + 1 for i in range(9)]
        for handle in (each[9], reduced, lost):
            assert isinstance(handle.exception(), ValueError)


def test_lost_requests_lose_no_gather(cluster: Emulator) -> None:
    for method in ("CreateResultsMetaData", "CreateResults", "SubmitTasks"):
        cluster.faults.add(method, DropBefore())
    with Pymonik(cluster.endpoint):
        assert total.invoke(square.map_invoke(range(10), pmk_chunk_size=1)).get() == 285


@pytest.mark.parametrize(("inside", "value"), [(summed_inside, 285), (listed_inside, None)])
def test_sub_tasks_and_what_puts_them_together_are_bounded(
    cluster: Emulator, inside: Any, value: Any
) -> None:
    with Pymonik(cluster.endpoint) as client:
        assert inside.invoke(10).get() == (value or [i * i for i in range(10)])
        assert widest(client) == LIMIT
