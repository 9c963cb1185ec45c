"""Options of a call: client, decorator, `task_options=`, `pmk_…`; the nearest given one wins."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pymonik import Pymonik, Task, TaskOptions, task
from pymonik.errors import NoClientError, OptionsError

from .conftest import Connect
from .programs import add, square


def options_of(client: Pymonik) -> list[TaskOptions]:
    """Return the options of the units that would be sent now."""
    return [unit.options for unit in client.plan().units]


def triple(x: int) -> int:
    return 3 * x


def test_a_call_takes_the_options_of_the_client(connect: Connect) -> None:
    with connect(task_options=TaskOptions(priority=3, max_retries=1)) as client:
        h = square.invoke(2)
        [options] = options_of(client)
        assert (options.priority, options.max_retries) == (3, 1)
        assert h.get() == 4


def test_the_decorator_wins_over_the_client(connect: Connect) -> None:
    with connect(task_options=TaskOptions(priority=3, max_retries=1)) as client:
        task(priority=4)(triple).invoke(2)
        [options] = options_of(client)
        assert (options.priority, options.max_retries) == (4, 1)


def test_the_shortcuts_of_the_decorator_win_over_its_task_options(client: Pymonik) -> None:
    task(task_options=TaskOptions(priority=5, max_retries=7), priority=6)(triple).invoke(2)
    [options] = options_of(client)
    assert (options.priority, options.max_retries) == (6, 7)


def test_the_call_wins_over_the_decorator(client: Pymonik) -> None:
    task(priority=4, max_retries=2)(triple).invoke(2, task_options=TaskOptions(priority=5))
    [options] = options_of(client)
    assert (options.priority, options.max_retries) == (5, 2)


def test_keywords_win_over_everything(connect: Connect) -> None:
    with connect(task_options=TaskOptions(priority=1)) as client:
        tripled = task(priority=2)(triple)
        tripled.invoke(2, task_options=TaskOptions(priority=3), pmk_priority=4)
        [options] = options_of(client)
        assert options.priority == 4


def test_a_map_takes_the_same_options(client: Pymonik) -> None:
    square.map_invoke(range(3), pmk_priority=4, task_options=TaskOptions(max_retries=1))
    assert {(o.priority, o.max_retries) for o in options_of(client)} == {(4, 1)}


@pytest.mark.parametrize("limit", [60, 60.0, timedelta(minutes=1)])
def test_a_duration_is_seconds_or_a_timedelta(client: Pymonik, limit: Any) -> None:
    square.invoke(2, pmk_max_duration=limit)
    [options] = options_of(client)
    assert options.max_duration == timedelta(minutes=1)


def test_a_task_object_takes_options(client: Pymonik) -> None:
    Task(triple, task_options=TaskOptions(priority=3)).invoke(2)
    [options] = options_of(client)
    assert options.priority == 3


def test_labels_merge_key_by_key(connect: Connect) -> None:
    with connect(task_options=TaskOptions(options={"desk": "rates", "run": "1"})) as client:
        square.invoke(2, task_options=TaskOptions(options={"run": "2"}))
        [options] = options_of(client)
        assert dict(options.options or {}) == {"desk": "rates", "run": "2"}


@pytest.mark.names_partitions
def test_options_of_armonik_are_welcome(client: Pymonik) -> None:
    from armonik.common import TaskOptions as Theirs

    theirs = Theirs(timedelta(seconds=30), 2, 4, partition_id="pymonik")
    square.invoke(2, task_options=theirs)  # type: ignore[arg-type]
    [options] = options_of(client)
    assert (options.max_duration, options.priority, options.max_retries) == (
        timedelta(seconds=30),
        2,
        4,
    )


def test_calls_of_different_priority_do_not_share_a_unit(client: Pymonik) -> None:
    handles = [square.invoke(i, pmk_priority=1 + i % 2) for i in range(40)]
    by_priority = {options.priority for options in options_of(client)}
    assert by_priority == {1, 2}
    assert [h.get() for h in handles] == [i * i for i in range(40)]


@pytest.mark.names_partitions
def test_calls_of_different_partitions_do_not_share_a_unit(connect: Connect) -> None:
    with connect(partition=["a", "b"]) as client:
        first = square.invoke(2, pmk_partition="a")
        second = add.invoke(first, 1, pmk_partition_id="b")
        assert [o.partition_id for o in options_of(client)] == ["a", "b"]
        assert second.get() == 5


@pytest.mark.names_partitions
def test_the_first_of_several_partitions_is_the_default(connect: Connect) -> None:
    with connect(partition=["a", "b"]) as client:
        square.invoke(2)
        assert [o.partition_id for o in options_of(client)] == ["a"]


def test_an_unknown_keyword_option_is_an_error_that_lists_the_known(client: Pymonik) -> None:
    with pytest.raises(OptionsError, match="pmk_priority"):
        square.invoke(2, pmk_prioritty=3)
    with pytest.raises(OptionsError, match="pmk_priority"):
        square.map_invoke([2], pmk_prioritty=3)


@pytest.mark.parametrize(
    "bad",
    [
        {"priority": 0},
        {"priority": 11},
        {"priority": "high"},
        {"max_retries": -1},
        {"max_duration": 0},
        {"max_duration": -1.0},
        {"max_duration": "1h"},
        {"partition_id": ""},
        {"cost": 0},
        {"cost": float("inf")},
        {"chunk_size": 0},
    ],
    ids=repr,
)
def test_a_senseless_option_is_refused_where_it_is_written(bad: dict[str, Any]) -> None:
    with pytest.raises(OptionsError, match=next(iter(bad))):
        TaskOptions(**bad)


def test_a_senseless_keyword_option_is_refused_at_the_call(client: Pymonik) -> None:
    with pytest.raises(OptionsError, match="priority"):
        square.invoke(2, pmk_priority=0)
    assert client.plan().calls == 0


def test_chunk_size_overrules_the_compiler(client: Pymonik) -> None:
    squares = square.map_invoke(range(20), pmk_chunk_size=5)
    assert len(client.plan().units) == 4
    assert squares.get() == [i * i for i in range(20)]


def test_pure_calls_with_equal_arguments_are_shared(client: Pymonik, ledger: Any) -> None:
    @task(pure=True)
    def counted(path: str, x: int) -> int:
        with open(path, "a") as lines:
            lines.write(f"{x}\n")
        return x

    handles = [counted.invoke(ledger.path, i % 2) for i in range(6)]
    assert [h.get() for h in handles] == [0, 1, 0, 1, 0, 1]
    assert sorted(ledger.lines()) == ["0", "1"]


def test_pure_calls_nobody_needs_are_dropped(client: Pymonik, ledger: Any) -> None:
    @task(pure=True)
    def counted(path: str, x: int) -> int:
        with open(path, "a") as lines:
            lines.write(f"{x}\n")
        return x

    counted.invoke(ledger.path, 1)
    kept = counted.invoke(ledger.path, 2)
    assert kept.get() == 2
    assert ledger.lines() == ["2"]


def test_labels_leave_options_hashable_and_calls_folded(client: Pymonik) -> None:
    one, other = (TaskOptions(options=labels) for labels in ({"a": "1", "b": "2"},
                                                             {"b": "2", "a": "1"}))  # fmt: skip
    assert hash(one) == hash(other)
    handles = [square.invoke(i, task_options=one) for i in range(64)]
    assert len(client.plan().units) < 64
    assert [h.get() for h in handles] == [i * i for i in range(64)]


@pytest.mark.recorded
@pytest.mark.parametrize("given", [{"priority": 2}, 3, "high"])
def test_task_options_of_a_wrong_type_are_refused_at_the_call(client: Pymonik, given: Any) -> None:
    with pytest.raises(OptionsError, match="task_options takes TaskOptions"):
        square.invoke(1, task_options=given)
    with pytest.raises(OptionsError, match="task_options takes TaskOptions"):
        square.map_invoke([1], task_options=given)


def test_a_client_that_is_none_is_refused(client: Pymonik) -> None:
    with pytest.raises(NoClientError, match="pymonik= takes a client"):
        square.invoke(1, pymonik=3)
    with pytest.raises(NoClientError, match=r"argument tuples: map_invoke\(zip\("):
        add.map_invoke([1, 2], [3, 4])


@pytest.mark.parametrize("name", ["", 5])
def test_a_name_that_is_none_is_refused_and_nothing_is_recorded(client: Pymonik, name: Any) -> None:
    with pytest.raises(OptionsError, match="a name is a non-empty string"):
        square.invoke(1, pmk_name=name)
    with pytest.raises(OptionsError, match="a name is a non-empty string"):
        square.map_invoke([1], pmk_name=name)
    assert client.pending == []


@pytest.mark.recorded
@pytest.mark.parametrize("seconds", [float("nan"), "1", True])
def test_a_limit_that_is_no_time_is_refused(client: Pymonik, seconds: Any) -> None:
    with pytest.raises(OptionsError, match=r"max_duration takes .*seconds"):
        square.invoke(1, pmk_max_duration=seconds)


@pytest.mark.parametrize("limit", [float("inf"), 1e300, timedelta.max, timedelta(days=10**6)])
def test_an_endless_limit_is_none(connect: Connect, limit: Any) -> None:
    with connect(task_options=TaskOptions(max_duration=1.0)):
        assert square.invoke(3, pmk_max_duration=limit).get(timeout=limit) == 9
        assert square.map_invoke([1, 2], pmk_max_duration=limit).get(timeout=limit) == [1, 4]


def test_a_limit_of_less_than_nothing_is_told_in_seconds(client: Pymonik) -> None:
    with pytest.raises(OptionsError, match="longer than nothing, not -1 s"):
        square.invoke(1, pmk_max_duration=-1)
