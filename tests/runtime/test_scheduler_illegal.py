"""What a scheduler is told that cannot have happened: it says so, with what came before."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

from pymonik.runtime.host.events import (
    AllFailed,
    ElementsReported,
    ExecutorStarted,
    SliceEnded,
    SlicesDropped,
    UnitsAdded,
)
from pymonik.runtime.host.scheduler import IllegalMove
from pymonik.values.outcome import PENDING

from .units import Machine, failure, label, unit


def reported(executor: int, number: int, start: int, stop: int, *columns: list[str]) -> Any:
    return ElementsReported(executor, number, start, stop, columns, [])


def ended(executor: int, number: int, start: int, stop: int, *columns: list[str]) -> Any:
    return SliceEnded(executor, number, start, stop, columns, [], 1.0, None)


# Executor 0 has elements 1 to 4 of unit 0; there is an executor 1, and a unit 1 that waits.
ILLEGAL: dict[str, tuple[Any, str]] = {
    "nobody": (reported(7, 0, 1, 2, ["x"]), "executor 7 has no piece of unit 0"),
    "not given": (reported(1, 0, 1, 2, ["x"]), "executor 1 has no piece of unit 0"),
    "not known": (reported(0, 9, 1, 2, ["x"]), "executor 0 has no piece of unit 9"),
    "again": (reported(0, 0, 0, 1, ["x"]), "of unit 0, of which it has [1:4] left"),
    "a gap": (reported(0, 0, 2, 3, ["x"]), "of unit 0, of which it has [1:4] left"),
    "backwards": (reported(0, 0, 1, 0, []), "of unit 0, of which it has [1:4] left"),
    "too far": (ended(0, 0, 1, 5, ["x"] * 4), "of unit 0, of which it has [1:4] left"),
    "too few": (
        ended(0, 0, 1, 4, ["x"] * 2),
        "expected 1 columns of 3 records, got columns of [2]",
    ),
    "no column": (ended(0, 0, 1, 4), "expected 1 columns of 3 records, got columns of []"),
    "two columns": (
        reported(0, 0, 1, 2, ["x"], ["x"]),
        "expected 1 columns of 1 records, got columns of [1, 1]",
    ),
    "started twice": (ExecutorStarted(1), "executor 1 has started already"),
}


def played() -> Machine:
    machine = Machine(1)
    a = unit("a", 4)
    assert machine.add(a, unit("b", 1, a)) == ["0: a[0:4]"]
    machine.tell(ExecutorStarted(1))
    assert machine.report(0, a, 0, 1) == []
    return machine


@pytest.mark.parametrize("name", ILLEGAL)
def test_an_illegal_move_is_refused_with_its_history_and_changes_nothing(name: str) -> None:
    machine = played()
    event, why = ILLEGAL[name]
    with pytest.raises(IllegalMove) as caught:
        machine.tell(event)
    first, *before = str(caught.value).splitlines()
    assert first.startswith(f"{type(event).__name__}({event.executor}")
    assert first.endswith(f"{why}; before that:")
    assert before == [
        "  ExecutorStarted(0)",
        "  UnitsAdded()",
        "  GiveSlices(0, 0, 0, 4)",
        "  ExecutorStarted(1)",
        "  ElementsReported(0, 0, 0, 1)",
    ]
    [piece] = machine.state.executors[0]
    assert label(piece) == "a[1:4]"
    assert piece.running.unit.outputs.columns == [["a0", *[PENDING] * 3]]
    assert (machine.state.executors[1], machine.ready(), machine.due) == ([], [], [])


def test_a_unit_is_not_taken_twice() -> None:
    machine = Machine(0)
    a = unit("a")
    machine.add(a)
    with pytest.raises(IllegalMove, match="was submitted twice"):
        machine.tell(UnitsAdded([a]))
    assert (machine.state.unfinished, machine.ready()) == (1, ["a[0:1]"])


def test_an_executor_that_drops_its_pieces_goes_on_and_reports_nothing_of_them() -> None:
    machine = played()
    a = machine.state.executors[0][0].running.unit
    machine.tell(SlicesDropped(0))
    with pytest.raises(IllegalMove, match="executor 0 has no piece of unit 0"):
        machine.report(0, a, 1, 2)
    machine.tell(AllFailed(failure("every unit", "cancelled")))
    assert (machine.state.unfinished, machine.kills) == (0, [])
    assert machine.add(unit("c")) == ["0: c[0:1]"]


class Value:
    """Something that can be looked for."""


def test_history_is_short_and_holds_no_value() -> None:
    machine = Machine(1)
    value = Value()
    gone = weakref.ref(value)
    a = unit("a")
    machine.add(a)
    machine.end(0, a, 0, 1, columns=[[value]])
    for _ in range(100):
        b = unit("b")
        machine.add(b)
        machine.end(0, b, 0, 1)
    with pytest.raises(IllegalMove) as caught:
        machine.tell(ExecutorStarted(0))
    assert len(str(caught.value).splitlines()) == 33
    machine.tell(UnitsAdded([]))
    del value, a, caught
    gc.collect()
    assert gone() is None
