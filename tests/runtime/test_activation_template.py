"""Activation templates: graphs like one before become the same steps, and no others do."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from pymonik import task
from pymonik.record.current import CURRENT
from pymonik.runtime.executor import state as running
from pymonik.runtime.executor.activation_template import ActivationTemplates
from pymonik.runtime.executor.activations import Activation
from pymonik.runtime.executor.calls import SHORT, Durations
from pymonik.runtime.executor.lowering import Callees, activation_of
from pymonik.values.options import DEFAULTS

from .trees import Host
from .units import step

Graph = Callable[[], Any]


@task(cost=1e-6)
def add(left: Any, right: Any) -> Any:
    return left + right


@task(cost=1e-6, pure=True)
def twice(value: Any) -> Any:
    return 2 * value


@task(cost=1e-6)
def fib(n: int) -> Any:
    return n if n < 2 else add.invoke(fib.invoke(n - 1), fib.invoke(n - 2), delegate=True)


def wired(swapped: bool, first: Any = 1, **options: Any) -> Any:
    one, two = add.invoke(first, 2), twice.invoke(3)
    both = (two, one) if swapped else (one, two)
    return add.invoke(*both, **options)


class Recorder:
    """An executor in which graphs are recorded, and made steps of, one after the other."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.host = Host(monkeypatch)
        self.callees = Callees(self.host.hosting)
        self.templates = ActivationTemplates()
        running.STATE.begin(step(len, spawn_keys=b"a seed")._replace(options=DEFAULTS), 0, 1)

    def record(self, graph: Graph) -> tuple[Activation | None, Activation | None]:
        """Return the activations of a graph: by a template, and as it is made without."""
        subtasks = self.host.subtasks
        token = CURRENT.set(subtasks)
        try:
            value = graph()
            alike = self.alike(value)
            subtasks.divert(value)
        finally:
            CURRENT.reset(token)
        nodes, handle = subtasks.take_recorded()
        assert handle is not None
        root = (handle._node, handle._index)
        made = activation_of(nodes, root, self.callees, DEFAULTS)
        if made is not None:
            self.templates.note(nodes, root, made, DEFAULTS)
        return alike, made

    def alike(self, value: Any) -> Activation | None:
        """Return the activation by a template."""
        return self.templates.activation_of(self.host.subtasks, value, DEFAULTS, running.STATE)


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Any:
    yield Recorder(monkeypatch)
    running.STATE.end()
    running.CHANGES.clear()


def test_a_graph_like_one_before_is_the_same_steps(recorder: Recorder) -> None:
    assert recorder.record(lambda: wired(False))[0] is None
    alike, made = recorder.record(lambda: wired(False, "other"))
    assert alike is not None
    assert made is not None
    assert alike.steps == made.steps
    assert [one.spawn_keys for one in alike.steps] == [(b"a seed", 0), None, (b"a seed", 2)]
    assert (alike.root, alike.unneeded) == (made.root, made.unneeded)


@pytest.mark.parametrize(
    "other",
    [
        lambda: wired(True),
        lambda: wired(False, first=[1]),
        lambda: wired(False, first=add.invoke(0, 0)),
        lambda: wired(False, pmk_name="named"),
        lambda: wired(False, pmk_retries=3),
        lambda: (twice.invoke(1), wired(False))[1],
        lambda: wired(False, first=twice.map_invoke([1, 2])[0]),
    ],
)
def test_a_graph_that_differs_is_none_like_it(recorder: Recorder, other: Graph) -> None:
    recorder.record(lambda: wired(False))
    assert recorder.record(other)[0] is None


def test_a_value_beside_a_delegated_one_is_left_to_who_refuses_it(recorder: Recorder) -> None:
    recorder.record(lambda: wired(False, delegate=True))
    subtasks = recorder.host.subtasks
    token = CURRENT.set(subtasks)
    wired(False, delegate=True)
    CURRENT.reset(token)
    assert recorder.alike(None) is not None
    assert recorder.alike(7) is None
    subtasks.drop_call()


def test_a_call_of_a_tree_enters_few_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    host, entered = Host(monkeypatch), 0

    def note(frame: Any, event: str, arg: Any) -> None:
        nonlocal entered
        is_ours = frame.f_globals.get("__name__", "").startswith("pymonik.")
        entered += event == "call" and is_ours

    host.run(fib, 5)
    sys.setprofile(note)
    try:
        report = host.run(fib, 11)
    finally:
        sys.setprofile(None)
    assert report.columns == [[89]]
    # 144 leaves, one call less that delegates, and as many that add: 49 a call.
    assert entered < 53 * (3 * 144 - 2)


def test_a_task_is_short_while_its_last_calls_were() -> None:
    seen = Durations()
    for seconds in (0.0, SHORT):
        seen.observe_duration("f", seconds)
        assert "f" not in seen.short
    seen.observe_duration("f", 0.0)
    assert "f" in seen.short
    seen.observe_duration("f", 2 * SHORT)
    assert "f" not in seen.short
