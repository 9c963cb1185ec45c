"""Units that calls recorded: their values stand for outputs of the unit that made them."""

from __future__ import annotations

from pymonik.values.outcome import PENDING

from .units import Machine, failure, step, unit


def test_a_delegated_element_ends_when_the_unit_behind_it_does() -> None:
    machine = Machine(1)
    a = unit("a", 3)
    after = unit("after", 1, a)
    machine.add(a, after)
    sub = unit("sub", 2)
    # Element 1 returned a handle: output 0 of element 1 is place 1 of unit 0 of the plan.
    columns = [["a0", None, "a2"]]
    plan = ([sub], [(0, 1, 0, 0, 1)])
    assert machine.end(0, a, 0, 3, columns=columns, plan=plan) == ["0: sub[0:2]"]
    assert a.outputs.columns == [["a0", PENDING, "a2"]]
    assert a.outputs.missing == 1
    assert machine.end(0, sub, 0, 2) == ["0: after[0:1]"]
    assert a.outputs.columns == [["a0", "sub1", "a2"]]


def test_delegation_goes_as_deep_as_it_likes() -> None:
    machine = Machine(1)
    outer = unit("outer")
    machine.add(outer)
    running = outer
    for depth in range(5):
        inner = unit(f"inner{depth}")
        plan = ([inner], [(0, 0, 0, 0, 0)])
        given = machine.end(0, running, 0, 1, columns=[[None]], plan=plan)
        assert given == [f"0: inner{depth}[0:1]"]
        running = inner
    assert machine.end(0, running, 0, 1) == []
    assert outer.outputs.columns == [["inner40"]]
    assert machine.state.unfinished == 0


def test_a_failure_of_a_sub_task_is_the_failure_of_what_delegated_to_it() -> None:
    machine = Machine(1)
    a, sub = unit("a"), unit("sub")
    machine.add(a)
    machine.end(0, a, 0, 1, columns=[[None]], plan=([sub], [(0, 0, 0, 0, 0)]))
    broken = failure("sub")
    machine.end(0, sub, 0, 1, columns=[[broken]])
    assert a.outputs.columns == [[broken]]
    assert machine.state.failures.first == [broken]


def test_two_outputs_of_an_element_are_waited_for_both() -> None:
    machine = Machine(1)
    a = unit("a", 1, steps=[step(abs, name="a"), step(abs, ("p", 0), name="b")])
    machine.add(a)
    subs = unit("sub"), unit("rest")
    plan = (list(subs), [(0, 0, 0, 0, 0), (1, 0, 1, 0, 0)])
    assert machine.end(0, a, 0, 1, columns=[[None], [None]], plan=plan) == ["0: sub[0:1]"]
    machine.end(0, subs[0], 0, 1)
    assert a.outputs.missing == 1
    machine.end(0, subs[1], 0, 1)
    assert (a.outputs.missing, a.outputs.columns) == (0, [["sub0"], ["rest0"]])


def test_calls_made_and_not_returned_run_too() -> None:
    machine = Machine(1)
    a, sub = unit("a"), unit("sub")
    machine.add(a)
    assert machine.end(0, a, 0, 1, plan=([sub], [])) == ["0: sub[0:1]"]
    assert (a.outputs.missing, machine.state.unfinished) == (0, 1)


def test_elements_behind_a_delegated_one_are_handed_back() -> None:
    machine = Machine(1)
    a, sub = unit("a", 4), unit("sub")
    machine.add(a)
    plan = ([sub], [(0, 1, 0, 0, 0)])
    assert machine.end(0, a, 0, 2, columns=[["a0", None]], plan=plan) == ["0: sub[0:1]"]
    assert machine.ready() == ["a[2:3]", "a[3:4]"]
    machine.end(0, sub, 0, 1)
    machine.end(0, a, 2, 3)
    machine.end(0, a, 3, 4)
    assert a.outputs.columns == [["a0", "sub0", "a2", "a3"]]
