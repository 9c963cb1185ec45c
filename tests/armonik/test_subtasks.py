"""Sub-tasks on a cluster: small trees stay in the task that made them, large ones spread."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from pymonik import Pymonik, Task, task
from pymonik.emulator import Emulator
from pymonik.errors import TaskFailed
from tests.armonik.conftest import REPOSITORY, Connect, started
from tests.conformance.programs import pass_gate
from tests.conftest import Gate, Ledger
from tests.emulator.plain_cluster import eventually


@pytest.fixture(scope="module", params=["0", "0.02"])
def restless(request: pytest.FixtureRequest) -> Iterator[Emulator]:
    """A cluster whose tasks hand out what they have not begun: all of it, or most."""
    environment = {"PYTHONPATH": str(REPOSITORY), "PYMONIK_UNIT_SECONDS": request.param}
    with started(environment=environment) as emulator:
        yield emulator


@task
def add(left: int, right: int) -> int:
    return left + right


@task
def fib(n: int) -> Any:
    return n if n < 2 else add.invoke(fib.invoke(n - 1), fib.invoke(n - 2))


@task
def both(n: int) -> Any:
    return {"tree": [fib.invoke(n), add.invoke(n, 1)], "n": n}


@task
def noted(path: str, x: int) -> int:
    with open(path, "a") as file:
        file.write(f"{x}\n")
    return x


@task
def fanned(path: str, n: int) -> Any:
    Task(sum).invoke([noted.invoke(path, x) for x in range(n)], delegate=True)


@task
def failing(n: int) -> int:
    return 1 // n


@task
def quiet(n: int) -> str:
    failing.invoke(n)
    return "done"


@task
def slow(x: int) -> int:
    time.sleep(0.15)
    return x


@task
def slowly(n: int) -> Any:
    return [slow.invoke(x) for x in range(n)]


@task
def elsewhere(n: int) -> Any:
    return add.invoke(add.invoke(n, 1, pmk_partition="other"), 1)


def processed(cluster: Emulator) -> int:
    return cluster.counters["Worker.Process"].requests


def test_a_tree_of_tiny_calls_is_one_task() -> None:
    with started(partitions={"pymonik": 1}) as cluster:
        with Pymonik(endpoint=cluster.endpoint):
            assert fib.invoke(7).get() == 13
        assert processed(cluster) == 1


def test_what_is_not_begun_within_a_beat_is_handed_out(restless: Emulator) -> None:
    before = processed(restless)
    with Pymonik(endpoint=restless.endpoint):
        assert slowly.invoke(20).get() == list(range(20))
    assert processed(restless) - before > 2


@pytest.mark.parametrize("n", [0, 1, 2, 6])
def test_a_tree_that_spreads_has_the_same_values(restless: Emulator, n: int) -> None:
    with Pymonik(endpoint=restless.endpoint):
        assert fib.invoke(n).get() == [0, 1, 1, 2, 3, 5, 8][n]
        trees = both.map_invoke([(n,), (3,), (n,)], pmk_chunk_size=3).get()
        assert [made["tree"] for made in trees] == [[fib_of(m), m + 1] for m in (n, 3, n)]


def fib_of(n: int) -> int:
    return [0, 1, 1, 2, 3, 5, 8][n]


def test_every_call_of_a_tree_that_spreads_runs_once(restless: Emulator, ledger: Ledger) -> None:
    with Pymonik(endpoint=restless.endpoint):
        assert fanned.invoke(ledger.path, 30).get() == sum(range(30))
    assert sorted(map(int, ledger.lines())) == list(range(30))


@pytest.mark.parametrize("is_restless", [False, True])
def test_a_failure_that_nobody_returned_is_raised_by_the_block(
    cluster: Emulator, restless: Emulator, is_restless: bool
) -> None:
    endpoint = (restless if is_restless else cluster).endpoint
    with pytest.raises(ZeroDivisionError), Pymonik(endpoint=endpoint):
        assert quiet.invoke(0).get() == "done"


@pytest.mark.parametrize("is_restless", [False, True])
def test_a_failure_below_has_its_path(
    cluster: Emulator, restless: Emulator, is_restless: bool
) -> None:
    endpoint = (restless if is_restless else cluster).endpoint

    def above(n: int) -> Any:
        return add.invoke(failing.invoke(n), 1)

    with Pymonik(endpoint=endpoint):
        handle = Task(above).invoke(0)
        with pytest.raises(ZeroDivisionError) as caught:
            handle.get()
    assert isinstance(caught.value.__cause__, TaskFailed)
    assert "failing" in str(caught.value.__cause__)


def test_what_is_not_known_to_be_short_does_not_keep_its_siblings(
    connect: Connect, gate: Gate, ledger: Ledger
) -> None:
    """A cluster takes sub-tasks when their parent ends: a blocked one must not be part of it."""
    # By a name of its own: its workers have seen gates that were open.
    unknown = Task(pass_gate.func, func_name=f"gate at {gate.path}")

    def blocked_and_free(gate: str, path: str) -> Any:
        return [unknown.invoke(gate, 1), noted.invoke(path, 2)]

    with connect() as client:
        handle = Task(blocked_and_free).invoke(gate.path, ledger.path)
        client.flush()
        eventually(ledger.lines)
        gate.open()
        assert handle.get() == [1, 2]


def test_a_call_for_another_partition_leaves(cluster: Emulator) -> None:
    with Pymonik(endpoint=cluster.endpoint, partition=["pymonik", "other"]):
        assert elsewhere.invoke(5).get() == 7
    assert processed(cluster) == 3
