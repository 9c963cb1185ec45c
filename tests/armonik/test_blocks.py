"""Blocks on a cluster: levels of small calls are one task, which hands back what is left."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pymonik import Pymonik, task
from pymonik.emulator import Emulator
from tests.armonik.conftest import REPOSITORY, Connect, started
from tests.conftest import Ledger

LEVELS, WIDTH = 6, 8


@pytest.fixture(scope="module", params=["0", "0.02"])
def restless(request: pytest.FixtureRequest) -> Iterator[Emulator]:
    """A cluster whose tasks hand out what they have not begun: all of it, or most."""
    environment = {"PYTHONPATH": str(REPOSITORY), "PYMONIK_UNIT_SECONDS": request.param}
    with started(environment=environment) as emulator:
        yield emulator


def summed(path: str, *neighbours: int) -> int:
    with open(path, "a") as file:
        file.write("x\n")
    return sum(neighbours) % 1009


cell = task(summed)


@task
def dividing(*neighbours: int) -> int:
    return sum(neighbours) + 10 // (neighbours[0] - 3)


def windows(row: list[Any]) -> list[list[Any]]:
    return [row[max(0, x - 1) : x + 2] for x in range(len(row))]


def expected() -> list[int]:
    row: list[Any] = [[x] for x in range(WIDTH)]
    for _ in range(LEVELS):
        values = [sum(xs) % 1009 for xs in row]
        row = windows(values)
    return values


def stencil(path: str) -> list[Any]:
    row: list[Any] = [[x] for x in range(WIDTH)]
    for _ in range(LEVELS):
        handles = [cell.invoke(path, *xs) for xs in row]
        row = windows(handles)
    return handles


def test_levels_of_small_calls_are_few_tasks(
    cluster: Emulator, connect: Connect, ledger: Ledger
) -> None:
    before = cluster.counters["Worker.Process"].requests
    with connect(workers=2):
        row = stencil(ledger.path)
    assert [handle.get() for handle in row] == expected()
    assert cluster.counters["Worker.Process"].requests - before < 2 * LEVELS
    assert len(ledger.lines()) == LEVELS * WIDTH


def test_what_a_block_hands_back_has_the_same_values_and_runs_once(
    restless: Emulator, ledger: Ledger
) -> None:
    with Pymonik(restless.endpoint, workers=2):
        row = stencil(ledger.path)
    assert [handle.get() for handle in row] == expected()
    assert len(ledger.lines()) == LEVELS * WIDTH


@pytest.mark.parametrize("is_restless", [False, True])
def test_a_failure_in_a_block_is_that_of_its_call_alone(
    cluster: Emulator, restless: Emulator, is_restless: bool
) -> None:
    with Pymonik((restless if is_restless else cluster).endpoint, workers=1):
        first = dividing.map_invoke([(x,) for x in range(6)])
        second = dividing.map_invoke([(first[x], first[x - 1]) for x in range(6)])
        third = dividing.map_invoke([(second[x], 1) for x in range(6)])
        assert first[2].get() == 2 - 10
        assert type(first[3].exception()) is ZeroDivisionError
        error = third[4].exception()
        assert type(error) is ZeroDivisionError
        assert "task 'dividing', element 3" in str(error.__cause__)
        assert "dividing → dividing → dividing" in str(error.__cause__)
        assert third[2].exception() is None
