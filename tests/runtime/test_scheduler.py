"""The scheduler as a state machine: events in, instructions out, compared as lists."""

from __future__ import annotations

from typing import Any

from pymonik.values.outcome import PENDING

from .units import Machine, failure, step, unit


def test_ready_units_go_to_idle_executors_in_order() -> None:
    machine = Machine(2)
    a, b, c = unit("a", 3), unit("b"), unit("c")
    assert machine.add(a, b, c) == ["0: a[0:3]", "1: b[0:1]"]
    assert machine.end(1, b, 0, 1) == ["1: c[0:1]"]
    assert machine.end(0, a, 0, 3) == []
    assert a.outputs.columns == [["a0", "a1", "a2"]]
    assert machine.state.unfinished == 1


def test_without_executors_units_wait() -> None:
    machine = Machine(0)
    assert machine.add(unit("a"), unit("b")) == []
    assert machine.ready() == ["a[0:1]", "b[0:1]"]
    assert machine.start(7) == ["7: a[0:1]"]


def test_a_unit_waits_for_all_of_its_inputs() -> None:
    machine = Machine(2)
    a, b = unit("a"), unit("b")
    c = unit("c", 1, a, b)
    assert machine.add(a, b, c) == ["0: a[0:1]", "1: b[0:1]"]
    assert machine.end(0, a, 0, 1) == []
    assert machine.end(1, b, 0, 1) == ["0: c[0:1]"]


def test_a_diamond_runs_its_arms_side_by_side() -> None:
    machine = Machine(2)
    a = unit("a")
    b, c = unit("b", 1, a), unit("c", 1, a)
    d = unit("d", 1, b, c)
    assert machine.add(a, b, c, d) == ["0: a[0:1]"]
    assert machine.end(0, a, 0, 1) == ["0: b[0:1]", "1: c[0:1]"]
    assert machine.end(1, c, 0, 1) == []
    assert machine.end(0, b, 0, 1) == ["0: d[0:1]"]


def test_values_that_are_there_are_not_waited_for() -> None:
    machine = Machine(1)
    a = unit("a")
    machine.add(a)
    machine.end(0, a, 0, 1)
    assert machine.add(unit("b", 1, a)) == ["0: b[0:1]"]


def test_a_part_of_a_unit_does_not_free_what_waits_for_it() -> None:
    machine = Machine(2)
    a = unit("a", 4)
    b = unit("b", 4, a)
    machine.add(a, b)
    assert machine.report(0, a, 0, 3) == []
    assert a.outputs.missing == 1
    assert machine.end(0, a, 3, 4) == ["0: b[0:4]"]
    assert a.outputs.columns == [["a0", "a1", "a2", "a3"]]


def test_units_of_known_short_calls_are_given_several_at_a_time() -> None:
    machine = Machine(1)
    first, *rest = [unit("a") for _ in range(6)]
    assert machine.add(first, *rest) == ["0: a[0:1]"]
    # A call takes half a millisecond: three more are begun in less than two.
    given = machine.end(0, first, 0, 1, seconds=0.0005)
    assert given == ["0: a[0:1]"] * 3
    assert machine.ready() == ["a[0:1]"] * 2


def test_units_of_long_calls_are_given_one_by_one() -> None:
    machine = Machine(1)
    first, *rest = [unit("a") for _ in range(3)]
    machine.add(first, *rest)
    assert machine.end(0, first, 0, 1, seconds=0.5) == ["0: a[0:1]"]


def test_idle_executors_come_before_busy_ones() -> None:
    machine = Machine(2)
    first = unit("a")
    machine.add(first)
    assert machine.end(0, first, 0, 1, seconds=0.00001) == []
    assert machine.add(*[unit("a") for _ in range(4)]) == [
        *["0: a[0:1]"] * 2,
        *["1: a[0:1]"] * 2,
    ]


def test_what_is_handed_back_is_cut_for_all_executors() -> None:
    machine = Machine(2)
    a = unit("a", 100)
    assert machine.add(a) == ["0: a[0:100]"]
    assert machine.end(0, a, 0, 20) == ["0: a[20:40]", "1: a[40:60]"]
    assert machine.ready() == ["a[60:80]", "a[80:100]"]
    assert (a.outputs.missing, machine.state.unfinished) == (80, 1)


def test_pieces_may_end_in_any_order() -> None:
    machine = Machine(2)
    a = unit("a", 10)
    b = unit("b", 1, a)
    machine.add(a, b)
    assert machine.end(0, a, 0, 2) == ["0: a[2:4]", "1: a[4:6]"]
    assert machine.end(1, a, 4, 6) == ["1: a[6:8]"]
    assert machine.end(1, a, 6, 8) == ["1: a[8:10]"]
    assert machine.end(1, a, 8, 10) == []
    assert PENDING in a.outputs.columns[0]
    assert machine.end(0, a, 2, 4) == ["0: b[0:1]"]
    assert a.outputs.columns == [[f"a{i}" for i in range(10)]]


def test_a_single_element_is_handed_back_whole() -> None:
    machine = Machine(3)
    a = unit("a", 5)
    machine.add(a)
    assert machine.end(0, a, 0, 4) == ["0: a[4:5]"]


def test_only_root_causes_are_failures_nobody_may_overlook() -> None:
    machine = Machine(1)
    a = unit("a", 2)
    machine.add(a)
    root = failure("a")
    machine.end(0, a, 0, 2, columns=[[root, root.below("b")]])
    assert machine.state.failures.first == [root]


def test_failures_of_values_nobody_stores_are_kept() -> None:
    machine = Machine(1)
    silent = unit("silent", 2, steps=[step(abs, name="silent", keep=False)])
    machine.add(silent)
    broken = failure("silent")
    machine.end(0, silent, 0, 2, columns=[], errors=[broken])
    assert (machine.state.failures.first, silent.outputs.errors) == ([broken], [broken])
    assert (silent.outputs.columns, silent.outputs.missing) == ([], 0)


def test_a_callback_is_due_once_when_its_record_comes() -> None:
    machine = Machine(1)
    a = unit("a", 3)
    machine.add(a)
    called: list[Any] = []
    assert a.outputs.watch(0, 1, lambda: called.append(1))
    machine.report(0, a, 0, 1)
    machine.call_back()
    assert called == []
    machine.end(0, a, 1, 3)
    assert called == [1]
    assert not a.outputs.watch(0, 2, lambda: called.append(2)), "it is there already"
    machine.call_back()
    assert called == [1]
