"""Calls that run where they were made: the death of their executor takes nothing along, either."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pymonik import Pymonik, task
from pymonik.errors import ExecutorDied
from tests.conftest import Ledger
from tests.runtime.trees import units_of

from .test_executor_death import die


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pymonik]:
    """Nobody is idle, and there is time: all that is short stays in one unit."""
    monkeypatch.setenv("PYMONIK_UNIT_SECONDS", "3600")
    with Pymonik(backend="local", workers=1) as opened:
        yield opened


@task(cost=1e-6)
def tell(path: str, line: str, value: Any = None) -> Any:
    """Leave a line for every body that ran."""
    with open(path, "a") as lines:
        lines.write(line + "\n")
    return value


@task(cost=1e-6)
def die_until(path: str, good: int, how: str = "kill") -> int:
    """Die in every attempt before the attempt `good`."""
    with open(path, "a+") as lines:
        lines.write("attempt\n")
        lines.seek(0)
        count = len(lines.readlines())
    if count < good:
        die(how)
    return count


@task
def family(path: str, deaths: str, good: int, how: str = "kill", size: int = 3) -> Any:
    tell.func(path, "parent")
    before = [tell.invoke(path, f"before-{i}", {"number": i}) for i in range(size)]
    middle = die_until.invoke(deaths, good, how, pmk_max_retries=2)
    return [*before, middle, tell.invoke(path, "behind", middle)]


@pytest.mark.parametrize("how", ["kill", "segfault", "exit"])
def test_what_had_ended_does_not_run_again(
    client: Pymonik, ledger: Ledger, tmp_path: Path, how: str
) -> None:
    values = family.invoke(ledger.path, str(tmp_path / "deaths"), 3, how).get()
    assert values == [{"number": 0}, {"number": 1}, {"number": 2}, 3, 3]
    assert ledger.lines() == ["parent", "before-0", "before-1", "before-2", "behind"]
    assert units_of(client) == 1


def test_a_call_that_kills_for_good_fails_by_its_own_name(
    client: Pymonik, ledger: Ledger, tmp_path: Path
) -> None:
    error = family.invoke(ledger.path, str(tmp_path / "deaths"), 99).exception()
    assert isinstance(error, ExecutorDied)
    assert (error.task, error.attempts) == ("die_until", 3)
    assert "test_lazy_deaths.py" in error.site
    assert ledger.lines() == ["parent", "before-0", "before-1", "before-2"]
    assert (tmp_path / "deaths").read_text().split() == ["attempt"] * 3


@task(cost=1e-6)
def node(path: str, deaths: str, depth: int) -> Any:
    tell.func(path, f"node-{depth}")
    if depth == 0:
        return die_until.invoke(deaths, 2)
    return add.invoke(node.invoke(path, deaths, depth - 1), tell.invoke(path, f"leaf-{depth}", 1))


@task(cost=1e-6)
def add(left: int, right: int) -> int:
    return left + right


def test_ancestors_of_a_call_that_kills_do_not_run_again(
    client: Pymonik, ledger: Ledger, tmp_path: Path
) -> None:
    assert node.invoke(ledger.path, str(tmp_path / "deaths"), 5).get() == 2 + 5
    nodes = [f"node-{depth}" for depth in range(5, -1, -1)]
    assert ledger.lines() == [*nodes, *(f"leaf-{depth}" for depth in range(1, 6))]
    assert units_of(client) == 1


def test_elements_with_graphs_of_their_own_go_on_where_they_were(
    client: Pymonik, ledger: Ledger, tmp_path: Path
) -> None:
    rows = [(ledger.path, str(tmp_path / f"deaths-{i}"), 1 + i % 2) for i in range(4)]
    values = family.map_invoke([(*row, "kill", 0) for row in rows]).get()
    assert values == [[1, 1], [2, 2], [1, 1], [2, 2]]
    assert sorted(ledger.lines()) == ["behind"] * 4 + ["parent"] * 4
