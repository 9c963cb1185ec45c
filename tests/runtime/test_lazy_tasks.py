"""Lazy task creation: what a call has recorded runs where it was made, as long as that is short."""

from __future__ import annotations

from typing import Any

import pytest

from pymonik import Pymonik, task
from pymonik.runtime.executor.calls import Durations
from pymonik.runtime.executor.resume import DeathRecord
from tests.conftest import Set

from .trees import Host, Ticks, units_of


@task(cost=1e-6)
def add(left: int, right: int) -> int:
    return left + right


@task(cost=1e-6)
def fib(n: int) -> Any:
    return n if n < 2 else add.invoke(fib.invoke(n - 1), fib.invoke(n - 2))


@task(cost=1e-6)
def countdown(n: int) -> Any:
    return "done" if n == 0 else countdown.invoke(n - 1)


@task
def unknown(n: int) -> int:
    return n


@task
def two(n: int) -> Any:
    return add.invoke(unknown.invoke(n), unknown.invoke(n))


@task(cost=1e-6)
def tick(n: int) -> int:
    """Let a millisecond pass."""
    from tests.runtime.trees import Ticks

    Ticks.now += 0.001
    return n


@task(cost=1e-6)
def tree(depth: int) -> Any:
    """Be a tree whose leaves take a millisecond each."""
    if depth == 0:
        return tick.invoke(1)
    return add.invoke(tree.invoke(depth - 1), tree.invoke(depth - 1))


@pytest.fixture
def no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let units of executors take their time: what is short stays here."""
    monkeypatch.setenv("PYMONIK_UNIT_SECONDS", "3600")


def test_a_tree_of_short_calls_is_one_unit(no_hurry: None) -> None:
    with Pymonik(backend="local", workers=1) as client:
        assert fib.invoke(10).get() == 55
        assert units_of(client) == 1
        assert fib.map_invoke(range(8)).get() == [0, 1, 1, 2, 3, 5, 8, 13]
        assert units_of(client) <= 3


def test_calls_that_only_hand_on_need_no_room(no_hurry: None) -> None:
    """The log of an executor holds some thousand graphs: these are four times as many."""
    with Pymonik(backend="local", workers=1) as client:
        assert countdown.invoke(4000).get() == "done"
        assert units_of(client) == 1


def test_without_optimizing_each_call_is_a_unit() -> None:
    with Pymonik(backend="local", workers=1, optimize=False) as client:
        assert fib.invoke(4).get() == 3
        assert units_of(client) == 9 + 4


@pytest.mark.parametrize(
    "options", [{"pmk_max_duration": 60}, {"pmk_priority": 3}, {"pmk_partition": "other"}]
)
def test_a_call_that_needs_a_place_of_its_own_is_handed_out(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    def parent() -> Any:
        return unknown.invoke(3, pmk_cost=1e-6, **options)

    host = Host(monkeypatch)
    host.run(task(parent))
    assert host.left() == ["unknown × 1"]


def test_calls_of_which_nothing_is_known_are_handed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(monkeypatch, is_idle=True)
    assert host.run(two, 3).columns == [[None]]
    assert sum(unit.startswith("unknown") for unit in host.left()) >= 1
    for _ in range(3):
        host.hosting.durations.observe_duration("unknown", 1e-5)
    assert host.run(two, 3).columns == [[6]]
    assert host.left() == []
    for _ in range(3):
        host.hosting.durations.observe_duration("unknown", 1.0)
    assert host.run(two, 3).columns == [[None]]


@task(cost=1e-6)
def zeros(n: int) -> Any:
    import numpy as np

    return np.zeros(n)


@task(cost=1e-6)
def size(array: Any) -> int:
    return len(array)


@task
def large(n: int) -> Any:
    return [size.invoke(zeros.invoke(5)), size.invoke(zeros.invoke(n))]


@task
def combined(n: int) -> Any:
    return unknown.invoke(add.invoke(n, n))


@pytest.mark.parametrize("is_idle", [False, True])
def test_what_a_graph_ends_with_runs_here_if_nothing_waits_for_somebody_idle(
    monkeypatch: pytest.MonkeyPatch, is_idle: bool
) -> None:
    @task
    def beside(n: int) -> Any:
        return add.invoke(combined.invoke(n), combined.invoke(n))

    host = Host(monkeypatch, is_idle)
    host.hosting.durations.observe_duration("combined", 1e-6)
    ran = host.run(beside, 3).columns == [[12]]
    assert (ran, bool(host.left())) == (not is_idle, is_idle)


@pytest.mark.parametrize("is_idle", [False, True])
def test_no_value_waits_for_a_call_of_which_nothing_is_known(
    monkeypatch: pytest.MonkeyPatch, is_idle: bool
) -> None:
    @task
    def leaves_behind(n: int) -> str:
        unknown.invoke(n)
        return "done"

    host = Host(monkeypatch, is_idle)
    assert host.run(leaves_behind, 3).columns == [["done"]]
    assert host.left() == ["unknown × 1"]


def test_values_that_are_not_copied_into_a_log_are_handed_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host = Host(monkeypatch)
    (((value,),),) = (host.run(large, 50).columns,)
    assert (value.load(), host.left()) == ([5, 50], [])
    assert host.run(large, 200_000).columns == [[None]]
    assert host.left() == ["size; identity × 1"]


def test_one_call_that_was_slow_by_chance_changes_nothing() -> None:
    seen = Durations()
    assert seen.expected("f") is None
    for seconds in (5.0, 1e-5, 1e-5, 9.0):
        seen.observe_duration("f", seconds)
        assert seen.expected("f") == (5.0 if seconds == 5.0 else 1e-5)


def test_it_goes_on_while_nobody_is_idle_and_hands_the_older_half_out_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    busy = Host(monkeypatch)
    assert busy.run(tree, 6).columns == [[64]]
    assert busy.left() == []
    began, idle = Ticks.now, Host(monkeypatch, is_idle=True)
    assert idle.run(tree, 6).columns == [[None]]
    # Of seven levels the four youngest are done: eight leaves, a beat for each half.
    assert Ticks.now - began == pytest.approx(0.008)
    assert sorted(idle.left()) == ["add × 1", "add; add × 1", *["tree × 1"] * 3]


@task(cost=1e-6)
def bad(n: int) -> int:
    raise ValueError(n)


@task
def failing(unknown_last: bool) -> Any:
    return [bad.invoke(1), bad.invoke(2), *([unknown.invoke(3)] if unknown_last else [])]


def test_a_call_fails_of_all_its_inputs_wherever_they_have_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host = Host(monkeypatch)
    report = host.run(failing, False)
    ((record,),) = report.columns
    one, two = report.errors
    assert (record.mark, record.beside) == (one.mark, (two.mark,))
    assert (record.path, one.path, two.path) == (("bad", "identity"), (), ())
    # What has failed here waits for what has not run yet.
    assert host.run(failing, True).columns == [[None]]
    left = host.left()
    assert sum(name.count("unknown") for name in left) == 1
    assert sum(name.count("identity") for name in left) == 3


def test_after_the_seconds_of_a_unit_it_hands_out_in_any_case(
    monkeypatch: pytest.MonkeyPatch, set_settings: Set
) -> None:
    set_settings(unit_seconds=0.0995)
    began, host = Ticks.now, Host(monkeypatch)
    assert host.run(tree, 8).columns == [[None]]
    assert Ticks.now - began == pytest.approx(0.1)
    assert host.left()


def test_a_graph_goes_on_from_its_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when its executor died: nothing that had ended runs again."""
    first = Host(monkeypatch, is_idle=True)
    first.run(tree, 6)
    log = first.page.journal().log
    began = Ticks.now
    assert Host(monkeypatch).run(tree, 6, death=DeathRecord(log)).columns == [[64]]
    assert Ticks.now - began == pytest.approx(0.056)


def test_a_log_that_says_nothing_lets_the_call_run_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Host(monkeypatch).run(tree, 2, death=DeathRecord(b"")).columns == [[4]]


@task
def storing(n: int) -> Any:
    from pymonik.record.current import current_recorder

    current_recorder().put([n], name="kept")
    return n


def test_a_call_that_only_stores_an_object_has_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Host(monkeypatch).run(storing, 7).columns == [[7]]
