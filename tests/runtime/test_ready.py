"""Which executor gets which piece, where units need environments of their own."""

from __future__ import annotations

from typing import Any

import pytest

from pymonik.environment.value import Environment
from pymonik.plan.unit import Unit
from pymonik.runtime.host.events import (
    ANY,
    EnvironmentFailed,
    EnvironmentMerged,
    ExecutorLost,
    ExecutorStarted,
    SliceEnded,
    UnitsAdded,
)
from pymonik.runtime.host.ready import ReadyQueues

from .units import Machine, label, unit

ONE, TWO = (Environment(packages=(f"demo=={number}",)) for number in (1, 2))


def inside(name: str, environment: Environment | None, *inputs: Unit, n: int = 1) -> Unit:
    made = unit(name, n, *inputs)
    made.environment = environment
    return made


def machine(*homes: Any, slots: int) -> Machine:
    """Make a scheduler with an executor in each of `homes`."""
    made = Machine(0)
    made.state.ready.slots = slots
    for number, home in enumerate(homes):
        made.tell(ExecutorStarted(number, home))
    return made


def end(of: Machine, executor: int) -> list[str]:
    """Let an executor end its first piece; give what is to be run then."""
    piece = of.state.executors[executor][0]
    columns = [[0] * (piece.stop - piece.start)]
    told = (piece.running.unit.number, piece.start, piece.stop, columns, [], 1.0, None)
    of.tell(SliceEnded(executor, *told))
    return of.given()


def test_a_piece_runs_where_its_environment_is() -> None:
    given = machine(None, ONE, slots=2).add(inside("a", ONE), inside("b", None), inside("c", TWO))
    assert given == ["0: b[0:1]", "1: a[0:1]"]


def test_an_executor_of_any_environment_runs_all_that_comes() -> None:
    made = machine(ANY, slots=1)
    assert made.add(inside("a", ONE), inside("b", None), inside("c", TWO)) == ["0: a[0:1]"]
    assert [end(made, 0), end(made, 0), end(made, 0)] == [["0: b[0:1]"], ["0: c[0:1]"], []]


def test_pieces_of_an_environment_without_executors_hold_up_no_others() -> None:
    made = machine(None, slots=1)
    assert made.add(*[inside("a", ONE) for _ in range(3)], inside("b", None)) == ["0: b[0:1]"]
    assert made.state.ready.waiting_environments() == [ONE]


def test_no_more_are_busy_than_there_are_slots_and_environments_take_turns() -> None:
    made = machine(None, ONE, slots=1)
    units = [inside(name, home) for name, home in zip("abab", (None, ONE, None, ONE))]
    assert made.add(*units) == ["0: a[0:1]"]
    assert end(made, 0) == ["1: b[0:1]"]
    assert end(made, 1) == ["0: a[0:1]"]
    assert end(made, 0) == ["1: b[0:1]"]


def test_executors_are_wanted_where_pieces_wait() -> None:
    made = machine(slots=3)
    made.add(*[inside("a", ONE) for _ in range(2)], inside("b", TWO))
    ready = made.state.ready
    assert [ready.shortage(home, 9) for home in (ONE, TWO)] == [2, 1]
    ready.add_executor(0, ONE)
    assert ready.shortage(ONE, 9) == 1


def test_the_executor_that_was_idle_for_longest_is_spare_but_not_a_new_one() -> None:
    made = machine(None, ONE, slots=2)
    made.add(inside("a", None))
    made.add(inside("b", ONE))
    end(made, 1)
    end(made, 0)
    assert made.state.ready.least_recently_used_idle(TWO) == 0, "it was used before the other"
    assert made.state.ready.least_recently_used_idle(None) == 1
    made.tell(ExecutorStarted(2, TWO))
    made.tell(UnitsAdded([inside("c", TWO)]))
    made.tell(ExecutorLost(0, None, "retired"))
    made.tell(ExecutorLost(1, None, "retired"))
    assert made.state.ready.least_recently_used_idle(ONE) is None


def test_environments_that_turn_out_to_be_one_share_executors() -> None:
    made = machine(None, slots=1)
    made.add(inside("a", ONE))
    made.tell(EnvironmentMerged(ONE, None))
    assert made.given() == ["0: a[0:1]"]
    end(made, 0)
    assert made.add(inside("b", ONE)) == ["0: b[0:1]"]


def test_the_units_of_an_environment_that_cannot_be_had_fail_and_what_needs_them_runs() -> None:
    made = machine(None, slots=1)
    bad = inside("bad", ONE, n=3)
    made.add(bad, inside("fine", None), inside("below", None, bad))
    made.tell(EnvironmentFailed(ONE, ValueError("no such version")))
    assert {record.message for record in bad.outputs.columns[0]} == {"ValueError: no such version"}
    assert made.state.failures.count == 1
    assert [label(piece) for piece in made.state.ready] == ["below[0:1]"]


def test_what_a_dead_executor_had_comes_first_in_its_own_environment() -> None:
    made = machine(ONE, slots=2)
    made.add(inside("a", ONE), inside("b", ONE))
    made.tell(ExecutorLost(0, None, "killed"))
    assert made.ready() == ["a[0:1]", "b[0:1]"]


def played(homes: tuple[Any, ...], slots: int, wanted: list[Environment | None]) -> list[Any]:
    """Add units that each end before the next comes; give what was given, and what is kept."""
    made, told = machine(*homes, slots=slots), []
    for number, environment in enumerate(wanted):
        told.append(made.add(inside(f"u{number}", environment)))
        for executor, pieces in made.state.executors.items():
            if pieces:
                told.append(end(made, executor))
    ready = made.state.ready
    return [told, made.ready(), ready._turns, ready._used, ready.waiting_environments()]


@pytest.mark.parametrize("slots", [0, 1, 2])
@pytest.mark.parametrize("homes", [(), (None,), (None, None), (ONE, None), (ONE,), (None, TWO)])
@pytest.mark.parametrize("wanted", [[None] * 3, [ONE, None, None], [None, ONE, None, TWO, None]])
def test_a_unit_that_comes_alone_is_given_as_a_round_would_give_it(
    homes: tuple[Any, ...],
    slots: int,
    wanted: list[Environment | None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at_once = played(homes, slots, wanted)
    monkeypatch.setattr(ReadyQueues, "give_alone", lambda self, piece: None)
    assert at_once == played(homes, slots, wanted)


def test_a_unit_that_comes_alone_needs_no_round() -> None:
    made = machine(None, None, slots=2)
    first, second = inside("a", None), inside("b", None)
    assert made.tell(UnitsAdded([first])).keys() == {0}
    assert not made.tell(UnitsAdded([second]))  # another one runs: there is a choice
    assert made.given() == ["1: b[0:1]"]
    assert not machine(None, slots=1).tell(UnitsAdded([inside("c", None, n=2)]))  # may be cut
