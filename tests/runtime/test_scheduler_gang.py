"""Units that several executors run together, in the scheduler: who gets them, what they leave."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest

from pymonik.plan.unit import Unit
from pymonik.runtime.host.events import CameLate, ExecutorLost, GangsSeen, SliceFaulted, StepsHeld
from pymonik.runtime.host.gang import GangState
from pymonik.values.outcome import Failure
from pymonik.wire.shared_cells import AGAIN, MEMBERS, OVER, SharedCells

from .units import Machine, label, step, unit

LANES = bytes([0, 1, 0, 1])
BOTH = ["0: a[0:1]", "1: a[0:0]"]


def grid(lanes: bytes = LANES) -> Unit:
    """Make a unit of calls in lanes, of which the last value is stored."""
    last = len(lanes) - 1
    steps = [step(abs, ("v", n), name="a", keep=n == last) for n in range(len(lanes))]
    made = unit("a", 1, steps=steps, max_retries=1)
    made.lanes = lanes
    return made


class Player:
    """What an executor does with its part: in this process, which cannot lock out itself."""

    def __init__(self, gang: GangState, executor: int) -> None:
        entry = gang.entry(executor)
        assert entry is not None
        self.file = entry.file
        self.cells = SharedCells(entry.file.fd, len(LANES), entry.parts, entry.member)  # type: ignore[union-attr]

    def come(self) -> Player:
        self.cells.come()
        return self


@pytest.fixture
def machine() -> Machine:
    return Machine(2)


@pytest.fixture
def one(machine: Machine) -> Unit:
    made = grid()
    assert machine.add(made) == BOTH
    return made


@pytest.fixture
def gang(machine: Machine, one: Unit) -> GangState:
    found = machine.state.units[one.number].gang
    assert found is not None
    return found


def test_idle_executors_get_it_together_as_many_as_there_are_lanes() -> None:
    machine, one = Machine(3), grid()
    assert machine.add(one) == BOTH
    gang: Any = machine.state.units[one.number].gang
    first, second = gang.entry(0), gang.entry(1)
    assert [(e.member, e.members) for e in (first, second)] == [(0, 2), (1, 2)]
    assert first.lanes == second.lanes == LANES
    assert first.file is second.file


def test_nothing_waits_behind_a_part_of_it(machine: Machine, one: Unit) -> None:
    assert machine.add(unit("b", cost=1e-6)) == []


def test_it_does_not_wait_behind_what_an_executor_is_about_to_end() -> None:
    machine, short = Machine(1), unit("b", cost=1e-6)
    machine.add(short)
    machine.end(0, short, 0, 1, seconds=1e-6)
    assert machine.add(unit("b", cost=1e-6)) == ["0: b[0:1]"]
    assert machine.add(grid()) == []


def test_it_has_ended_when_the_first_says_so_and_nobody_else_runs_a_call(
    machine: Machine, one: Unit, gang: GangState
) -> None:
    Player(gang, 1).come()
    machine.end(0, one, 0, 1)
    assert one.number in machine.state.units, "what the other was doing may have failed"
    machine.end(1, one, 0, 0)
    assert machine.state.units == {}
    assert one.outputs.columns == [["a0"]]


def test_who_has_not_come_is_not_waited_for(machine: Machine, one: Unit, gang: GangState) -> None:
    Player(gang, 0).cells.stop(OVER)  # as the first does when it has ended
    machine.end(0, one, 0, 1)
    assert machine.state.units == {}
    machine.tell(CameLate(1, one.number))
    assert machine.state.executors == {0: [], 1: []}


@pytest.mark.parametrize("dead", range(2))
def test_a_death_lets_all_stop_and_the_unit_begin_again_behind_what_has_ended(
    machine: Machine, one: Unit, gang: GangState, dead: int
) -> None:
    cells = [Player(gang, number).come().cells for number in range(2)]
    cells[0].put(0, 10)
    cells[1].put(1, 11)
    assert machine.die(dead, one, 0, at=2 + dead) == []
    assert cells[0].stopped == AGAIN
    assert machine.end(1 - dead, one, 0, 0) == [f"{1 - dead}: a[0:1]"]
    piece = machine.state.executors[1 - dead][0]
    assert piece.attempts_before == ({(0, 2 + dead): 1}, {}, {})
    again = gang.entry(1 - dead)
    assert again is not None
    assert (again.is_again, again.members) == (True, 1)
    assert gang.records() == {0: 10, 1: 11}


def test_a_unit_whose_executors_die_one_after_the_other_begins_again_once(
    machine: Machine, one: Unit, gang: GangState
) -> None:
    Player(gang, 1).come()
    machine.tell(ExecutorLost(1, None, "signal 9"))  # the first has not come: all begin again
    machine.tell(ExecutorLost(0, None, "signal 9"))
    assert [label(piece) for piece in machine.state.ready] == ["a[0:1]"]
    assert machine.start(2) == ["2: a[0:1]"]
    assert machine.start(3) == []


def test_a_call_that_kills_too_often_has_failed_and_the_unit_goes_on() -> None:
    machine, one = Machine(1), grid()
    machine.add(one)
    running = machine.state.units[one.number]
    for executor in range(2):
        assert running.failed_calls == {}
        assert machine.die(executor, one, 0, at=2) == ["a[0:1]"]
        assert machine.start(executor + 1) == [f"{executor + 1}: a[0:1]"]
    assert list(running.failed_calls) == [(0, 2)]
    assert running.gang is not None, "what is left may run side by side"


def test_what_all_have_left_for_others_begins_in_one_that_hands_it_on(
    machine: Machine, one: Unit, gang: GangState
) -> None:
    cells = [Player(gang, number).come().cells for number in range(2)]
    cells[0].put(0, 10)
    cells[1].put(1, "x" * (1 << 17))
    cells[1].stop(OVER)
    machine.tell(StepsHeld(1, one.number, {1: "large"}))
    machine.end(1, one, 0, 0, seconds=1.0)
    assert machine.end(0, one, 0, 0, seconds=1.0) == ["0: a[0:1]"]
    running = machine.state.units[one.number]
    assert running.completed_steps == {(0, 0): (10,), (0, 1): ("large",)}
    assert (running.gang, running.each) == (None, 2.0)
    machine.end(0, one, 0, 1)
    assert machine.state.units == {}


def test_who_comes_when_others_run_the_rest_changes_nothing(
    machine: Machine, one: Unit, gang: GangState
) -> None:
    Player(gang, 0).come().cells.stop(OVER)
    assert machine.end(0, one, 0, 0) == ["0: a[0:1]"]
    machine.end(1, one, 0, 0)
    assert machine.state.executors[1] == []
    machine.end(0, one, 0, 1)
    assert machine.state.units == {}


def test_an_executor_that_falls_idle_joins_a_unit_that_has_fewer_than_lanes() -> None:
    machine, one = Machine(1), grid()
    assert machine.add(one) == ["0: a[0:1]"]
    gang: Any = machine.state.units[one.number].gang
    cells = Player(gang, 0).come().cells
    machine.tell(GangsSeen())
    assert cells.stopped == 0, "nobody is idle"
    assert machine.start(1) == []
    machine.tell(GangsSeen())
    assert cells.stopped == AGAIN
    assert machine.end(0, one, 0, 0) == BOTH


def test_a_unit_of_which_a_part_cannot_be_run_fails_and_the_others_stop(
    machine: Machine, one: Unit, gang: GangState
) -> None:
    cells = Player(gang, 0).come().cells
    machine.tell(SliceFaulted(1, one.number, "a bug"))
    assert cells.stopped == AGAIN
    assert machine.state.units == {}
    machine.end(0, one, 0, 0)
    assert machine.state.executors == {0: [], 1: []}


def test_all_who_run_a_cancelled_one_are_killed(machine: Machine, one: Unit) -> None:
    machine.cancel(one)
    assert sorted(machine.kills) == [0, 1]


def test_an_executor_dies_when_it_has_done_its_part(
    machine: Machine, one: Unit, gang: GangState
) -> None:
    Player(gang, 1).come()
    machine.end(0, one, 0, 1)
    machine.die(1, None)
    assert machine.state.units == {}


def test_a_failure_that_nothing_needs_is_known_though_its_executor_has_died(
    machine: Machine, one: Unit, gang: GangState
) -> None:
    failure = Failure("error", "it broke", "a")
    Player(gang, 0).come()
    cells = Player(gang, 1).come().cells
    cells.put(1, failure)
    machine.die(1, one, 0, at=3)
    assert [found.mark for found in machine.state.failures.unhandled()] == [failure.mark]
    machine.end(0, one, 0, 0)
    assert [found.mark for found in one.outputs.errors] == [failure.mark]


def test_a_failure_in_a_graph_that_a_call_has_made_is_known_though_its_executor_has_died(
    machine: Machine, one: Unit, gang: GangState
) -> None:
    """It has no place among the calls of the unit, and is told beside the value of its call."""
    inner = Failure("error", "it broke", "made")
    Player(gang, 0).come()
    cells = Player(gang, 1).come().cells
    assert cells.put(1, 7, [inner])
    assert cells.get(1) == 7
    machine.die(1, one, 0, at=3)
    assert [found.mark for found in machine.state.failures.unhandled()] == [inner.mark]
    assert machine.state.units[one.number].gang is gang
    assert gang.records() == {1: 7}


def test_units_are_made_for_as_many_executors_as_share_a_memory() -> None:
    assert import_module("pymonik.graph.passes.gang")._PARTS == MEMBERS
