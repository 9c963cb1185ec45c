"""What a worker keeps of the calls of its task, and what it leaves to its agent; events by hand."""

from __future__ import annotations

from typing import Any

import pytest

from pymonik.plan.unit import Unit
from pymonik.runtime.host.events import UnitsWithdrawn
from pymonik.runtime.worker.subtasks import AgentSubtasks
from tests.runtime.units import Machine, unit

# Their value is that of the first output of the first unit of their plan.
BOUND = [(0, 0, 0, 0, 0)]


def worker(root: Unit) -> tuple[Machine, AgentSubtasks]:
    """Give the scheduler of a worker whose task is this unit, and who keeps what it leaves."""
    machine = Machine(1, lambda state: AgentSubtasks(state, lambda event: machine.tell(event)))
    subtasks: Any = machine.state.subtasks
    subtasks.begin(root, True, "pymonik", 1)
    machine.add(root)
    return machine, subtasks


@pytest.mark.parametrize("how", ["priority", "partition"])
def test_what_waits_for_a_call_that_leaves_leaves_a_hole_too(how: str) -> None:
    options = {"priority": {"priority": 7}, "partition": {"partition_id": "other"}}[how]
    root, middle, last = unit("root", 2), unit("middle"), unit("last", **options)
    machine, subtasks = worker(root)
    bound = [(0, 1, 0, 0, 0)]
    given = machine.end(0, root, 0, 2, columns=[["r0", None]], plan=([middle], bound))
    assert given == ["0: middle[0:1]"]
    assert machine.end(0, middle, 0, 1, columns=[[None]], plan=([last], BOUND)) == []
    left = subtasks.take()
    assert left.units == [last]
    assert left.holes == [(0, 1, last.outputs, 0, 0)]
    assert root.outputs.missing == 0


def test_what_has_not_begun_when_the_beat_is_over_is_withdrawn_by_an_event() -> None:
    root, first, second = unit("root"), unit("first"), unit("second")
    machine, subtasks = worker(root)
    machine.state.ready.durations.update(first=0.01, second=0.01)
    bound = [(0, 0, 1, 0, 0)]
    assert machine.end(0, root, 0, 1, columns=[[None]], plan=([first, second], bound)) == [
        "0: first[0:1]"
    ]
    subtasks.spread()
    assert machine.state.history[-1][0] is UnitsWithdrawn
    assert machine.end(0, first, 0, 1) == []
    left = subtasks.take()
    assert (left.units, left.holes) == ([second], [(0, 0, second.outputs, 0, 0)])
    assert (machine.state.unfinished, root.outputs.missing) == (0, 0)
