"""The IR is not written to once it is recorded; what is known of its values is, by a few."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pymonik import Pymonik, Task, TaskOptions
from pymonik.graph.call_spec import CallSpec
from pymonik.graph.columns import Const, FromStep, Gather, Range, Values
from pymonik.graph.ir import Call, Map, Put, StandIn, Step
from pymonik.graph.slots import ListOf, Ref, Template
from pymonik.graph.value_state import STATE as FIELDS
from tests.graph.programs import inc, total

ROOT = Path(__file__).parents[2] / "pymonik"
# Who writes what is known of values, and why.
WRITERS = {
    "record/recorder.py": "names and numbers what it records",
    "record/usual_call.py": "makes calls, as that does",
    "runtime/executor/subtasks.py": "is the recorder in a task",
    "graph/nodes.py": "lets go of what calls hold, once a flush has taken them",
    "plan/lower.py": "binds: says where values will be found",
    "plan/plan.py": "does so for whoever makes plans",
    "cache/splice.py": "binds what was known before",
    "client/cancel.py": "binds what was dropped to its failure",
    "runtime/executor/own_handles.py": "binds what a task has taken back to its failure",
}
# What nobody writes but a constructor: names of fields that no other class has.
IR = {
    "spec",
    "site",
    "lasti",
    "origins",
    "columns",
    "steps",
    "chunk",
    "original",
    "element",
    "runs",
}
# What makes a call as `Call.fill` does, without entering it: the hot path.
MAKERS = {
    (f"record/{path}.py", name)
    for path in ("recorder", "usual_call")
    for name in ("spec", "site", "lasti")
}
STATE = {*FIELDS, "liveness", "liveness_of"} - {"place"}


FOLDERS = ("record", "graph", "cache", "plan", "client", "analysis", "draw", "runs", "runtime")


def written() -> Iterator[tuple[str, str]]:
    """Give the attributes that files assign, but those of `self`."""
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if (
                    isinstance(node, ast.Attribute)
                    and isinstance(node.ctx, ast.Store)
                    and ast.unparse(node.value) != "self"
                ):
                    yield str(path.relative_to(ROOT)), node.attr


def test_no_stage_writes_to_a_node() -> None:
    writes = [(path, name) for path, name in written() if name in IR]
    assert sorted(writes) == sorted(MAKERS)  # once each


def test_who_writes_what_is_known_of_values_is_told_here() -> None:
    writers = {path for path, name in written() if name in STATE}
    assert writers == set(WRITERS)


# What recording and passes make; liveness is let go of, and is no part of an argument.
IN_COLUMNS = (Const, Values, Range, Gather, FromStep, Ref, ListOf)
FROZEN = (Call, StandIn, Put, Step, Map, CallSpec, *IN_COLUMNS)
NOT_IR = {*FIELDS, "liveness", "liveness_of"}


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nodes, columns and slots refuse to be written a second time."""

    def write(self: Any, name: str, value: Any) -> None:
        is_known = getattr(self, name, None) is not None  # arguments may be made later, once
        if name not in NOT_IR and is_known and type(self) is not CallSpec:
            raise AssertionError(f"{name} of {type(self).__name__} is written again")
        object.__setattr__(self, name, value)

    for kind in (*FROZEN, Template):
        monkeypatch.setattr(kind, "__setattr__", write, raising=False)


def unsendable() -> TaskOptions:
    class Held(Exception):
        rows = (row for row in ())  # no pickler takes a generator

    return TaskOptions(retries=1, retry_on=(Held,))


@pytest.mark.usefixtures("frozen")
@pytest.mark.parametrize("optimize", [True, False])
def test_nothing_is_written_from_recording_to_values(optimize: bool) -> None:
    double = Task(lambda x: 2 * x, func_name="double", pure=True, cache=True)
    three = Task(lambda: 3, func_name="three")
    with Pymonik(backend="inline", workers=2, optimize=optimize) as client:
        double.map_invoke(range(3)).get()
        first = double.map_invoke(range(5))  # known in part
        second = Task(inc).map_invoke(first)
        threes = three.map_invoke([()] * 3)
        refused = Task(inc).invoke(1, task_options=unsendable())
        above = Task(total).invoke([second[0], refused])
        plan = str(client.plan())
        assert second[1].cancel()
        assert threes[2].cancel()
        named = Task(total).invoke(threes[:2]).named("sum")
        assert str(client.plan()) != plan
        assert named.get() == 6
        assert [second[i].get() for i in (0, 2, 3, 4)] == [1, 5, 7, 9]
        kinds = [type(h.exception()).__name__ for h in (second[1], threes[2], refused, above)]
        assert kinds == ["Cancelled", "Cancelled", "TypeError", "TypeError"]


def test_a_plan_stays_as_it_was_when_an_element_is_cancelled() -> None:
    with Pymonik(backend="inline", workers=2) as client:
        handles = Task(inc).map_invoke(range(4))
        plan = client.plan()
        before = str(plan)
        handles[1].cancel()
        assert str(plan) == before
        assert "‹0, Failure" in str(client.plan())


def test_a_value_that_is_known_is_not_taken_for_what_uses_a_cancelled_element() -> None:
    double = Task(lambda x: 2 * x, func_name="double", pure=True, cache=True)
    with Pymonik(backend="inline", workers=2):
        double.map_invoke(double.map_invoke(range(2))).get()
        first = double.map_invoke(range(2))
        second = double.map_invoke(first)
        first[1].cancel()
        assert second[0].get() == 0
        assert second[1].exception() is not None
