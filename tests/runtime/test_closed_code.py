"""Functions that call nothing leave nothing to put back: their elements run without a look."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from pymonik.runtime.executor import state as running
from pymonik.runtime.executor.calls import Assignment, ExecutionServices
from pymonik.runtime.executor.closed_code import is_closed
from pymonik.runtime.executor.restorer import Restorer
from pymonik.runtime.executor.run import run
from pymonik.runtime.executor.subtasks import Subtasks
from pymonik.values.outcome import Failure
from pymonik.wire.program import Program
from tests.conftest import Set

from .runs import Page
from .units import step

NUMBER = 7


def counted(n: int) -> int:
    total = 0
    while n > 0:
        total, n = total + n, n - 1
    return total


def outer(factor: int) -> Callable[[int], int]:
    return lambda x: x * factor


def numbers(n: int) -> Any:
    yield n


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x,
        lambda x: 3 * x**2 - x // 7 + 1,
        lambda x, y=2.5: -x if x > y else (x, not y),
        lambda *values: values[0] is None or "a" in values[1],
        counted,
    ],
)
def test_code_that_computes_with_what_it_is_given_is_closed(function: Any) -> None:
    assert is_closed(function)


def keyword(x: int, *, held: Any = []) -> int:  # noqa: B006
    return x + held


@pytest.mark.parametrize(
    "function",
    [
        abs,
        os.chdir,
        keyword,
        numbers,
        outer(3),
        lambda x: abs(x),
        lambda x: x.real,
        lambda x: x + NUMBER,
        lambda x, held=[]: held + x,
        lambda x: lambda: x,
        lambda x: f"{x}",
        lambda x: [one for one in x],  # noqa: C416
    ],
)
def test_code_that_may_reach_anything_else_is_not(function: Any) -> None:
    assert not is_closed(function)


def looks(function: Any, n: int) -> tuple[int, list[Any]]:
    """Return how often it was looked what calls have changed, and what they made."""
    count, restore = 0, Restorer(watch=False)
    running.CHANGES.clear()
    inner = restore.is_changed

    def is_changed() -> bool:
        nonlocal count
        count += 1
        return inner()

    restore.is_changed = is_changed  # type: ignore[method-assign]
    subtasks: Any = Subtasks(8, False, True)
    hosting = ExecutionServices("here", lambda code: code.load(), Page(), (), subtasks, restore)
    program = Program((step(function, ("s", list(range(n))), name="f"),), n)
    made: list[Any] = []
    for report in run(Assignment(program, (), 0, n), hosting):
        made += report.columns[0]
    running.CHANGES.clear()
    return count, made


def test_elements_of_closed_code_are_not_looked_behind(set_settings: Set) -> None:
    set_settings(report_seconds=3600, unit_seconds=3600)
    count, made = looks(lambda x: x + 1, 500)
    assert made == list(range(1, 501))
    assert count < 5
    count, made = looks(lambda x: abs(x), 500)
    assert made == list(range(500))
    assert count >= 500


def test_those_that_fail_or_are_not_plain_are_as_others() -> None:
    _, made = looks(lambda x: (x, 1 // (x - 3)) if x > 1 else x, 5)
    assert made[:3] == [0, 1, (2, -1)]
    assert isinstance(made[3], Failure)
    assert "ZeroDivisionError" in made[3].message
    assert made[4] == (4, 1)
