"""The scheduler as a state machine: events in, instructions out, compared as lists."""

from __future__ import annotations

from typing import Any

import pytest

from pymonik.runtime.outcome import PENDING
from tests.graph.programs import TASKS, recording

from .units import Machine, failure, step, unit

# ----- placing


def test_ready_units_go_to_idle_executors_in_order() -> None:
    machine = Machine(2)
    a, b, c = unit("a", 3), unit("b"), unit("c")
    assert machine.add(a, b, c) == ["0: a[0:3]", "1: b[0:1]"]
    assert machine.end(1, b, 0, 1) == ["1: c[0:1]"]
    assert machine.end(0, a, 0, 3) == []
    assert a.cell.columns == [["a0", "a1", "a2"]]
    assert machine.scheduler.unfinished == 1


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
    assert a.cell.missing == 1
    assert machine.end(0, a, 3, 4) == ["0: b[0:4]"]
    assert a.cell.columns == [["a0", "a1", "a2", "a3"]]


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


# ----- handing back


def test_what_is_handed_back_is_cut_for_all_executors() -> None:
    machine = Machine(2)
    a = unit("a", 100)
    assert machine.add(a) == ["0: a[0:100]"]
    assert machine.end(0, a, 0, 20) == ["0: a[20:40]", "1: a[40:60]"]
    assert machine.ready() == ["a[60:80]", "a[80:100]"]
    assert (a.cell.missing, machine.scheduler.unfinished) == (80, 1)


def test_pieces_may_end_in_any_order() -> None:
    machine = Machine(2)
    a = unit("a", 10)
    b = unit("b", 1, a)
    machine.add(a, b)
    assert machine.end(0, a, 0, 2) == ["0: a[2:4]", "1: a[4:6]"]
    assert machine.end(1, a, 4, 6) == ["1: a[6:8]"]
    assert machine.end(1, a, 6, 8) == ["1: a[8:10]"]
    assert machine.end(1, a, 8, 10) == []
    assert PENDING in a.cell.columns[0]
    assert machine.end(0, a, 2, 4) == ["0: b[0:1]"]
    assert a.cell.columns == [[f"a{i}" for i in range(10)]]


def test_a_single_element_is_handed_back_whole() -> None:
    machine = Machine(3)
    a = unit("a", 5)
    machine.add(a)
    assert machine.end(0, a, 0, 4) == ["0: a[4:5]"]


# ----- deaths


def test_a_death_charges_the_running_call_and_places_the_rest_anew() -> None:
    machine = Machine(1)
    a, b = unit("a", 4, max_retries=2), unit("b", max_retries=2)
    machine.add(a, b)
    machine.report(0, a, 0, 2)
    assert machine.die(0, a, 2) == ["a[2:4]", "b[0:1]"]
    (running,) = {piece.running for piece in machine.scheduler.ready if piece.running.unit is a}
    assert (running.attempts, running.doomed) == ({(2, 0): 1}, {})
    assert machine.start(1) == ["1: a[2:4]"]
    assert machine.end(1, a, 2, 4) == ["1: b[0:1]"]
    assert a.cell.columns == [["a0", "a1", "a2", "a3"]], "what was reported has not run again"


def test_what_a_dead_executor_held_goes_before_what_waited() -> None:
    machine = Machine(1)
    first = unit("a")
    machine.add(first)
    held = [unit("a"), unit("a"), unit("a"), unit("b")]
    machine.end(0, first, 0, 1, seconds=0.0001)
    assert machine.add(*held) == ["0: a[0:1]"] * 3
    assert machine.die(0, held[0]) == ["a[0:1]"] * 3 + ["b[0:1]"]
    assert [piece.running.unit for piece in machine.scheduler.ready] == held


def test_a_call_that_kills_too_often_is_doomed_and_its_neighbours_run() -> None:
    machine = Machine(0)
    a = unit("a", 3, max_retries=1, steps=[step(abs, name="a", base=10, site="user.py:7")])
    machine.add(a)
    for executor in range(2):
        assert machine.start(executor) == [f"{executor}: a[0:3]"]
        assert machine.die(executor, a, 1) == ["a[0:3]"]
    attempts, doomed = machine.scheduler.ready[0].extras
    assert attempts == {(1, 0): 2}
    verdict = doomed[1, 0]
    assert (verdict.kind, verdict.element, verdict.site) == ("died", 11, "user.py:7")
    assert (verdict.attempts, verdict.task) == (2, "a")
    assert "signal 9" in verdict.message
    assert "max_retries is 1" in verdict.message


def test_no_retries_means_one_attempt() -> None:
    machine = Machine(1)
    a = unit("a", max_retries=0)
    machine.add(a)
    machine.die(0, a)
    assert list(machine.scheduler.ready[0].extras[1]) == [(0, 0)]


def test_each_fused_call_keeps_its_own_max_retries() -> None:
    with recording() as client:
        first = TASKS["inc"].invoke(0, pmk_max_retries=0)
        last = TASKS["inc"].invoke(first, pmk_max_retries=5)
        del first
        (fused,) = client.plan().units
        machine = Machine(1)
        machine.add(fused)
        machine.die(0, fused, 0, at=1)
        assert machine.scheduler.ready[0].extras == ({(0, 1): 1}, {}), "it may die five times"
        machine.start(1)
        machine.die(1, fused, 0, at=0)
        assert list(machine.scheduler.ready[0].extras[1]) == [(0, 0)], "it may not die at all"
        del last


def test_a_call_past_its_deadline_is_doomed_at_once() -> None:
    machine = Machine(1)
    a = unit("a", 2, max_retries=5, steps=[step(abs, name="a", limit=1.5)])
    machine.add(a)
    assert machine.die(0, a, 1, reason="timeout") == ["a[0:2]"]
    verdict = machine.scheduler.ready[0].extras[1][1, 0]
    assert (verdict.kind, verdict.attempts) == ("timeout", 1)
    assert "max_duration of 1.5 s" in verdict.message


def test_a_death_between_calls_charges_nobody() -> None:
    machine = Machine(1)
    a = unit("a")
    machine.add(a)
    assert machine.die(0, None) == ["a[0:1]"]
    assert machine.scheduler.ready[0].extras is None


def test_a_death_in_a_call_that_had_ended_is_charged_to_the_next() -> None:
    """The end of one unit and the death in the next may arrive together."""
    machine = Machine(1)
    first = unit("a")
    machine.add(first)
    second = unit("a", max_retries=3)
    machine.end(0, first, 0, 1, seconds=0.0001)
    machine.add(second)
    machine.die(0, first)
    assert machine.scheduler.ready[0].extras == ({(0, 0): 1}, {})


def test_a_death_without_work_leaves_nothing_behind() -> None:
    machine = Machine(1)
    assert machine.die(0, None) == []
    assert machine.scheduler.executors == {}


def test_what_the_journal_of_a_dead_executor_holds_does_not_run_again() -> None:
    machine = Machine(1)
    a = unit("a", 5)
    machine.add(a)
    machine.report(0, a, 0, 1)
    machine.scheduler.finished(0, a.number, 0, ["a0", "a1", "a2"])
    assert machine.die(0, a, 3) == ["a[3:5]"]
    assert a.cell.columns == [["a0", "a1", "a2", PENDING, PENDING]]


def test_a_journal_of_several_outputs_is_read_by_columns() -> None:
    machine = Machine(1)
    a = unit("a", 3, steps=[step(abs, name="a"), step(abs, ("p", 0), name="b")])
    machine.add(a)
    machine.scheduler.finished(0, a.number, 0, [["x0", "y0"], ["x1", "y1"]])
    assert machine.die(0, a, 2) == ["a[2:3]"]
    assert a.cell.columns == [["x0", "x1", PENDING], ["y0", "y1", PENDING]]


def test_a_complete_journal_finishes_the_unit() -> None:
    machine = Machine(1)
    a = unit("a", 2)
    b = unit("b", 1, a)
    machine.add(a, b)
    machine.scheduler.finished(0, a.number, 0, ["a0", "a1"])
    machine.die(0, a, 1)
    machine.scheduler.propagate()
    assert machine.start(1) == ["1: b[0:1]"]
    assert machine.scheduler.unfinished == 1


# ----- cancelling


def test_a_unit_that_waits_is_cancelled_before_it_runs() -> None:
    machine = Machine(1)
    a, b = unit("a"), unit("b", 2)
    c = unit("c", 1, b)
    assert machine.add(a, b, c) == ["0: a[0:1]"]
    assert machine.scheduler.cancel(b.cell)
    assert machine.scheduler.kills == []
    assert [record.kind for record in b.cell.columns[0]] == ["cancelled"] * 2
    # What depends on it runs, to find the failure among its inputs.
    assert machine.ready() == ["c[0:1]"]


def test_a_unit_that_runs_is_stopped_by_ending_its_executor() -> None:
    machine = Machine(1)
    a, b = unit("a", 3), unit("b")
    machine.add(a, b)
    machine.report(0, a, 0, 1)
    assert machine.scheduler.cancel(a.cell)
    assert machine.scheduler.kills == [0]
    assert machine.die(0, None) == ["b[0:1]"]
    kinds = [getattr(record, "kind", record) for record in a.cell.columns[0]]
    assert kinds == ["a0", "cancelled", "cancelled"]


def test_cancelling_again_is_still_true_and_cancelling_what_ended_is_false() -> None:
    machine = Machine(1)
    a, b = unit("a"), unit("b")
    machine.add(a, b)
    assert machine.scheduler.cancel(a.cell)
    machine.die(0, None)
    machine.start(1)
    machine.end(1, b, 0, 1)
    assert not machine.scheduler.cancel(b.cell)
    assert b.cell.columns == [["b0"]]


LATE = {
    "report": lambda machine, a: machine.report(0, a, 0, 2),
    "end": lambda machine, a: machine.end(0, a, 0, 4),
    "hand back": lambda machine, a: machine.end(0, a, 0, 2),
    "journal": lambda machine, a: machine.scheduler.finished(0, a.number, 0, ["a0", "a1"]),
}


@pytest.mark.parametrize("event", LATE)
def test_what_arrives_after_a_cancel_changes_nothing(event: str) -> None:
    machine = Machine(1)
    a = unit("a", 4)
    machine.add(a)
    machine.scheduler.cancel(a.cell)
    LATE[event](machine, a)
    assert [record.kind for record in a.cell.columns[0]] == ["cancelled"] * 4
    assert (a.cell.missing, machine.ready(), machine.given()) == (0, [], [])
    assert machine.scheduler.unfinished == 0


@pytest.mark.parametrize("event", LATE)
def test_what_arrives_after_the_end_of_everything_changes_nothing(event: str) -> None:
    machine = Machine(1)
    a = unit("a", 4)
    machine.add(a)
    machine.scheduler.fail_all(failure("everything", "cancelled"))
    LATE[event](machine, a)
    assert [record.kind for record in a.cell.columns[0]] == ["cancelled"] * 4
    assert (a.cell.missing, machine.ready(), machine.given()) == (0, [], [])


def test_all_that_is_unfinished_can_end_with_one_failure() -> None:
    machine = Machine(1)
    a, b = unit("a", 2), unit("b")
    c = unit("c", 1, b)
    machine.add(a, b, c)
    machine.report(0, a, 0, 1)
    over = failure("every unfinished task", "cancelled")
    machine.scheduler.fail_all(over)
    assert [u.cell.columns[0] for u in (a, b, c)] == [["a0", over], [over], [over]]
    assert (machine.scheduler.unfinished, machine.ready()) == (0, [])


# ----- delegating


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
    assert a.cell.columns == [["a0", PENDING, "a2"]]
    assert a.cell.missing == 1
    assert machine.end(0, sub, 0, 2) == ["0: after[0:1]"]
    assert a.cell.columns == [["a0", "sub1", "a2"]]


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
    assert outer.cell.columns == [["inner40"]]
    assert machine.scheduler.unfinished == 0


def test_a_failure_of_a_sub_task_is_the_failure_of_what_delegated_to_it() -> None:
    machine = Machine(1)
    a, sub = unit("a"), unit("sub")
    machine.add(a)
    machine.end(0, a, 0, 1, columns=[[None]], plan=([sub], [(0, 0, 0, 0, 0)]))
    broken = failure("sub")
    machine.end(0, sub, 0, 1, columns=[[broken]])
    assert a.cell.columns == [[broken]]
    assert machine.scheduler.failures == [broken]


def test_two_outputs_of_an_element_are_waited_for_both() -> None:
    machine = Machine(1)
    a = unit("a", 1, steps=[step(abs, name="a"), step(abs, ("p", 0), name="b")])
    machine.add(a)
    subs = unit("sub"), unit("rest")
    plan = (list(subs), [(0, 0, 0, 0, 0), (1, 0, 1, 0, 0)])
    assert machine.end(0, a, 0, 1, columns=[[None], [None]], plan=plan) == ["0: sub[0:1]"]
    machine.end(0, subs[0], 0, 1)
    assert a.cell.missing == 1
    machine.end(0, subs[1], 0, 1)
    assert (a.cell.missing, a.cell.columns) == (0, [["sub0"], ["rest0"]])


def test_calls_made_and_not_returned_run_too() -> None:
    machine = Machine(1)
    a, sub = unit("a"), unit("sub")
    machine.add(a)
    assert machine.end(0, a, 0, 1, plan=([sub], [])) == ["0: sub[0:1]"]
    assert (a.cell.missing, machine.scheduler.unfinished) == (0, 1)


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
    assert a.cell.columns == [["a0", "sub0", "a2", "a3"]]


# ----- failures


def test_only_root_causes_are_failures_nobody_may_overlook() -> None:
    machine = Machine(1)
    a = unit("a", 2)
    machine.add(a)
    root = failure("a")
    machine.end(0, a, 0, 2, columns=[[root, root.below("b")]])
    assert machine.scheduler.failures == [root]


def test_failures_of_values_nobody_stores_are_kept() -> None:
    machine = Machine(1)
    silent = unit("silent", 2, steps=[step(abs, name="silent", keep=False)])
    machine.add(silent)
    broken = failure("silent")
    machine.end(0, silent, 0, 2, columns=[], errors=[broken])
    assert (machine.scheduler.failures, silent.cell.errors) == ([broken], [broken])
    assert (silent.cell.columns, silent.cell.missing) == ([], 0)


def test_a_callback_is_due_once_when_its_record_comes() -> None:
    machine = Machine(1)
    a = unit("a", 3)
    machine.add(a)
    called: list[Any] = []
    assert a.cell.watch(0, 1, lambda: called.append(1))
    machine.report(0, a, 0, 1)
    machine.call_back()
    assert called == []
    machine.end(0, a, 1, 3)
    assert called == [1]
    assert not a.cell.watch(0, 2, lambda: called.append(2)), "it is there already"
    machine.call_back()
    assert called == [1]
