"""A run that is watched by several threads at once."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pymonik import Pymonik, task
from pymonik.runs.observe import ObservedBackend
from pymonik.runs.sketch import deferred, deferred_graph, small_graph

STEP = 2


@task
def stepped(x: Any) -> Any:
    return x + STEP


def helper(x: Any) -> Any:
    return x + 1


@task
def helped(x: Any) -> Any:
    return helper(x)


@task(pure=True)
def same(x: Any, y: Any = 1) -> Any:
    return x


class _Units(list[Any]):
    """Units of a plan; while they are counted, a task makes two more."""

    def __init__(self, watched: ObservedBackend) -> None:
        super().__init__([None])
        self._watched = watched

    def __len__(self) -> int:
        self._watched.made(None, [None, None], ())  # type: ignore[arg-type]
        return super().__len__()


def test_no_unit_is_lost_that_a_task_makes_while_others_are_counted() -> None:
    traits = SimpleNamespace(session_id="s", name="local", slots=1, pieces=None)
    backend: Any = SimpleNamespace(
        traits=traits, want=None, progress=None, submit=lambda plan: None
    )
    watched = ObservedBackend(backend)
    plan: Any = SimpleNamespace(calls=1, units=_Units(watched), outlines=[])
    watched._draw = lambda plan: None  # type: ignore[method-assign]
    watched.submit(plan)
    assert watched._record.units == 3


def test_the_graph_of_a_call_of_plain_values_is_made_later_as_it_would_be_at_once() -> None:
    with Pymonik(backend="inline") as client:
        first = stepped.invoke(1).named("first")
        plan = client.plan()
        later, now = deferred(plan), small_graph(plan.source)
        assert first.get() == 3
        assert later is not None
        assert later.graph.nodes[0].location is None  # it leads to no value
        del first
        assert deferred_graph(later) == now != None  # noqa: E711


def test_nor_is_it_made_of_what_its_function_sees_since(monkeypatch: pytest.MonkeyPatch) -> None:
    with Pymonik(backend="inline") as client:
        first = stepped.invoke(1)
        later = deferred(client.plan())
        assert later is not None
        assert first.get() == 3
        monkeypatch.setitem(globals(), "STEP", 5)
        assert deferred_graph(later) is None


def test_it_is_made_where_a_function_that_it_calls_was_met_as_a_value_since(runs: Any) -> None:
    with Pymonik(backend="inline") as client:
        assert helped.invoke(1).get() == 2
        assert same.invoke(helper).get() is helper
        assert helped.invoke(1).get() == 2
        record = client.parts.engine.opened()._record  # type: ignore[attr-defined]
        names = [graph["specs"][0]["name"] for graph in record.graphs]
        assert names == ["helped", "same", "helped"]


@pytest.mark.parametrize("kind", ["object", "two", "map", "dropped"])
def test_what_may_hold_what_a_user_drops_is_made_at_once(kind: str) -> None:
    with Pymonik(backend="inline") as client:
        calls: list[Any] = {
            "object": lambda: [same.invoke([1])],
            "two": lambda: [same.invoke(same.invoke(1))],
            "map": lambda: [same.map_invoke([(1,), (2,)])],
            "dropped": lambda: [stepped.invoke(1)],
        }[kind]()
        if kind == "dropped":
            calls.clear()
        assert deferred(client.plan()) is None
        client.cancel()


def test_the_first_of_two_submissions_is_drawn_first(runs: Any) -> None:
    with Pymonik(backend="inline") as client:
        assert [stepped.invoke(1).get(), same.invoke(2).get()] == [3, 2]
        record = client.parts.engine.opened()._record  # type: ignore[attr-defined]
        assert [graph["specs"][0]["name"] for graph in record.graphs] == ["stepped", "same"]


def test_a_run_of_one_submission_is_drawn_as_it_is_closed(runs: Any) -> None:
    with Pymonik(backend="inline") as client:
        assert stepped.invoke(1).get() == 3
        record = client.parts.engine.opened()._record  # type: ignore[attr-defined]
        assert record.graphs == []
    [graph] = record.graphs
    assert graph["nodes"][0]["args"] == [1]
