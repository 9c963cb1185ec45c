"""Cancelling units, and all of them: what stops, and what comes too late."""

from __future__ import annotations

import pytest

from pymonik.runtime.host.events import AllFailed, JournalRead
from pymonik.system.structs import replace

from .units import Machine, failure, step, unit


def test_a_unit_that_waits_is_cancelled_before_it_runs() -> None:
    machine = Machine(1)
    a, b = unit("a", priority=2), unit("b", 2)
    c = unit("c", 1, b)
    assert machine.add(a, b, c) == ["0: a[0:1]"]
    assert machine.cancel(b)
    assert machine.kills == []
    assert [record.kind for record in b.outputs.columns[0]] == ["cancelled"] * 2
    # What depends on it runs, to find the failure among its inputs.
    assert machine.ready() == ["c[0:1]"]


def test_a_unit_that_runs_is_stopped_by_ending_its_executor() -> None:
    machine = Machine(1)
    a, b = unit("a", 3), unit("b")
    machine.add(a, b)
    machine.report(0, a, 0, 1)
    assert machine.cancel(a)
    assert machine.kills == [0]
    assert machine.die(0, None) == ["b[0:1]"]
    kinds = [getattr(record, "kind", record) for record in a.outputs.columns[0]]
    assert kinds == ["a0", "cancelled", "cancelled"]


def test_cancelling_again_is_still_true_and_cancelling_what_ended_is_false() -> None:
    machine = Machine(1)
    a, b = unit("a"), unit("b")
    machine.add(a, b)
    assert machine.cancel(a)
    machine.die(0, None)
    machine.start(1)
    machine.end(1, b, 0, 1)
    assert not machine.cancel(b)
    assert b.outputs.columns == [["b0"]]


LATE = {
    "report": lambda machine, a: machine.report(0, a, 0, 2),
    "end": lambda machine, a: machine.end(0, a, 0, 4),
    "hand back": lambda machine, a: machine.end(0, a, 0, 2),
    "journal": lambda machine, a: machine.tell(JournalRead(0, a.number, 0, ["a0", "a1"])),
}


@pytest.mark.parametrize("event", LATE)
def test_what_arrives_after_a_cancel_changes_nothing(event: str) -> None:
    machine = Machine(1)
    a = unit("a", 4)
    machine.add(a)
    machine.cancel(a)
    LATE[event](machine, a)
    assert [record.kind for record in a.outputs.columns[0]] == ["cancelled"] * 4
    assert (a.outputs.missing, machine.ready(), machine.given()) == (0, [], [])
    assert machine.state.unfinished == 0


@pytest.mark.parametrize("event", LATE)
def test_what_arrives_after_the_end_of_everything_changes_nothing(event: str) -> None:
    machine = Machine(1)
    a = unit("a", 4)
    machine.add(a)
    machine.tell(AllFailed(failure("everything", "cancelled")))
    LATE[event](machine, a)
    assert [record.kind for record in a.outputs.columns[0]] == ["cancelled"] * 4
    assert (a.outputs.missing, machine.ready(), machine.given()) == (0, [], [])


def test_all_that_is_unfinished_can_end_with_one_failure() -> None:
    machine = Machine(1)
    a = unit("a", 2, priority=2, steps=[step(abs, name="a", site="user.py:7")])
    b = unit("b")
    c = unit("c", 1, b)
    machine.add(a, b, c)
    machine.report(0, a, 0, 1)
    over = failure("every unfinished task", "cancelled")
    machine.tell(AllFailed(over))
    # Each says which task it is of, and where that was called.
    of_a = replace(over, task="a", site="user.py:7")
    of_b, of_c = (replace(over, task=u.name, site=u.program.steps[0].site) for u in (b, c))
    assert [u.outputs.columns[0] for u in (a, b, c)] == [["a0", of_a], [of_b], [of_c]]
    assert (machine.state.unfinished, machine.ready()) == (0, [])
