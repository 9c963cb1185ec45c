"""`retries=` and `retry_on=`: exceptions tried again, in place, a counted number of times."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pymonik import Pymonik, Task, TaskOptions, task
from pymonik.errors import TaskFailed
from tests.conftest import Ledger

from .programs import attempt, inc


def flaky(path: str, good: int, kind: type[Exception] = RuntimeError) -> int:
    """Fail until the attempt `good`, then return how many there were."""
    with open(path, "a") as lines:
        lines.write("attempt\n")
    with open(path) as lines:
        count = len(lines.readlines())
    if count < good:
        raise kind(f"attempt {count}")
    return count


def test_without_retries_a_call_is_tried_once(client: Pymonik, ledger: Ledger) -> None:
    h = Task(flaky).invoke(ledger.path, 2)
    assert isinstance(h.exception(), RuntimeError)
    assert len(ledger.lines()) == 1


def test_a_call_is_tried_again_until_it_works(client: Pymonik, ledger: Ledger) -> None:
    assert task(retries=4)(flaky).invoke(ledger.path, 3).get() == 3
    assert len(ledger.lines()) == 3


def test_the_last_error_is_raised_with_the_number_of_attempts(
    client: Pymonik, ledger: Ledger
) -> None:
    with pytest.raises(RuntimeError, match="attempt 3") as caught:
        task(retries=2)(flaky).invoke(ledger.path, 10).get()
    cause = caught.value.__cause__
    assert isinstance(cause, TaskFailed)
    assert cause.attempts == 3
    assert len(ledger.lines()) == 3


@pytest.mark.parametrize("retry_on", [OSError, (OSError,), [KeyError, OSError]])
def test_only_the_named_types_are_tried_again(
    client: Pymonik, ledger: Ledger, retry_on: Any
) -> None:
    picky = task(retries=3, retry_on=retry_on)(flaky)
    assert picky.invoke(ledger.path, 2, ConnectionError).get() == 2
    h = picky.invoke(ledger.path, 10, ValueError)
    assert isinstance(h.exception(), ValueError)
    assert len(ledger.lines()) == 3


def test_retries_can_be_given_at_the_call(client: Pymonik, ledger: Ledger) -> None:
    assert Task(flaky).invoke(ledger.path, 3, pmk_retries=2).get() == 3


def test_retries_can_be_given_by_options(client: Pymonik, ledger: Ledger) -> None:
    h = Task(flaky).invoke(ledger.path, 3, task_options=TaskOptions(retries=2))
    assert h.get() == 3


@pytest.mark.shares_files
def test_each_element_of_a_map_has_its_own_attempts(client: Pymonik, tmp_path: Any) -> None:
    steady = task(retries=2)(flaky)
    rows = [(str(tmp_path / f"ledger{i}"), i) for i in (1, 2, 3, 4, 2)]
    rows[4] = (str(tmp_path / "last"), 2)
    handles = steady.map_invoke(rows)
    assert isinstance(handles[3].exception(), RuntimeError)
    assert [h.get() for i, h in enumerate(handles) if i != 3] == [1, 2, 3, 2]


def test_a_retry_gets_its_arguments_anew(client: Pymonik, ledger: Ledger) -> None:
    @task(retries=3)
    def spoiling(path: str, xs: list[int]) -> list[int]:
        xs.append(99)
        with open(path, "a") as lines:
            lines.write("attempt\n")
        with open(path) as lines:
            if len(lines.readlines()) < 3:
                raise RuntimeError("again")
        return xs

    assert spoiling.invoke(ledger.path, [1]).get() == [1, 99]


@pytest.mark.parametrize("size", [3, 100_000])
def test_a_retry_gets_the_value_of_a_fused_input_anew(
    client: Pymonik, ledger: Ledger, size: int
) -> None:
    @task(retries=3)
    def spoiling(path: str, xs: Any) -> float:
        xs[0] += 99
        flaky(path, 3)
        return float(sum(xs))

    made = Task(np.ones).invoke(size)
    assert spoiling.invoke(ledger.path, made).get() == size + 99


def test_a_fused_input_is_not_computed_again_for_a_retry(
    client: Pymonik, ledger: Ledger, tmp_path: Any
) -> None:
    second = str(tmp_path / "second")
    first = attempt.invoke(second)
    retried = task(retries=3, function_name="retried")(lambda path, n, _: flaky(path, n))
    assert retried.invoke(ledger.path, 3, first).get() == 3
    with open(second) as lines:
        assert len(lines.readlines()) == 1


def test_what_follows_a_retried_call_runs_once(client: Pymonik, ledger: Ledger) -> None:
    assert inc.invoke(task(retries=4)(flaky).invoke(ledger.path, 3)).get() == 4
    assert len(ledger.lines()) == 3


@pytest.mark.parametrize("bad", [{"retries": -1}, {"retries": "2"}, {"retry_on": "OSError"}])
def test_senseless_retries_are_refused_where_they_are_written(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        task(**bad)(flaky)
