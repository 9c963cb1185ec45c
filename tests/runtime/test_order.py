"""Which piece goes first, and how large it is: decided without a clock, tested as lists."""

from __future__ import annotations

from typing import Any

from pymonik.plan.unit import Unit
from pymonik.runtime.host.events import RoundOver, SliceEnded, UnitsAdded
from pymonik.runtime.host.unit_slice import UnitSlice

from .units import Machine, records, unit


def machine(executors: int) -> Machine:
    made = Machine(executors)
    made.state.ready.slots = executors
    return made


def test_the_highest_priority_goes_first_and_equal_ones_in_their_order() -> None:
    made = machine(1)
    made.add(unit("busy"))
    made.add(unit("a"), unit("b", priority=3), unit("c", priority=9), unit("d", priority=3))
    assert made.ready() == ["c[0:1]", "b[0:1]", "d[0:1]", "a[0:1]"]


def test_the_longest_path_goes_first() -> None:
    made = machine(1)
    made.add(unit("busy"))
    short, long = unit("short"), unit("long")
    after = unit("after", 1, long)
    made.add(short, long, after, unit("last", 1, after, short))
    assert made.ready() == ["long[0:1]", "short[0:1]"]


def test_declared_costs_count_more_than_depth() -> None:
    made = machine(1)
    made.add(unit("busy"))
    short, long = unit("short", cost=0.1), unit("long", cost=5.0)
    made.add(short, unit("after", 1, short, cost=0.1), long)
    assert made.ready() == ["long[0:1]", "short[0:1]"]


def test_durations_that_were_seen_count_where_none_is_declared() -> None:
    made = machine(1)
    made.state.ready.durations.update(quick=0.01, slow=0.5)
    made.add(unit("busy", priority=9), unit("quick"), unit("slow"))
    assert made.ready() == ["slow[0:1]", "quick[0:1]"]


def test_what_comes_back_goes_before_those_alike() -> None:
    made = machine(1)
    first = unit("first")
    made.add(first, unit("second"))
    assert made.die(0, None) == ["first[0:1]", "second[0:1]"]


def test_a_known_unit_is_cut_in_shrinking_pieces_at_the_end() -> None:
    made = machine(2)
    work = unit("work", 16, cost=1.0)
    assert made.add(work) == ["0: work[0:4]", "1: work[4:7]"]
    assert made.ready() == ["work[7:16]"]
    assert made.end(0, work, 0, 4) == ["0: work[7:9]"]


def test_units_of_unknown_or_short_calls_are_not_cut() -> None:
    assert machine(2).add(unit("unknown", 100)) == ["0: unknown[0:100]"]
    assert machine(2).add(unit("short", 100, cost=0.0009)) == ["0: short[0:100]"]


def test_nothing_is_cut_while_enough_waits_or_for_one_executor_alone() -> None:
    units = [unit(f"u{number}", 4, cost=1.0) for number in range(6)]
    assert machine(2).add(*units) == ["0: u0[0:4]", "1: u1[0:4]"]
    assert machine(1).add(unit("alone", 4, cost=1.0)) == ["0: alone[0:4]"]


def makespan(made: Machine, units: list[Unit]) -> float:
    """Run units whose elements last as long as was declared; return when the last one ends."""
    now, running = 0.0, {}

    def note(executor: int, piece: UnitSlice) -> None:
        seconds = (piece.running.unit.seconds or 0.0) * (piece.stop - piece.start)
        running[executor] = (now + seconds, piece)

    def give() -> None:
        for executor, pieces in made.tell(RoundOver()).items():
            [piece] = pieces
            note(executor, piece)

    made.tell(UnitsAdded(units))
    give()
    while running:
        executor = min(running, key=lambda number: running[number][0])
        now, piece = running.pop(executor)
        unit, start, stop = piece.running.unit, piece.start, piece.stop
        seconds = (unit.seconds or 0.0) * (stop - start)
        told: Any = (unit.number, start, stop, records(unit, start, stop), [], seconds, None)
        made.tell(SliceEnded(executor, *told))
        give()
    return now


def test_a_long_call_behind_many_short_ones_does_not_end_alone() -> None:
    shorts = [unit("short", 10, cost=0.1) for _ in range(2)]
    assert makespan(machine(2), [*shorts, unit("long", cost=1.0)]) <= 1.1 * 1.5


def test_unequal_siblings_end_together() -> None:
    costs = (3.0, 0.2, 0.7, 0.1, 1.0, 0.05)
    units = [unit(f"u{cost}", 8, cost=cost) for cost in costs]
    bound = max(sum(8 * cost for cost in costs) / 4, max(costs))
    assert makespan(machine(4), units) <= 1.15 * bound
