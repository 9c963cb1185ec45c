"""Deaths of executors: who is charged, what runs again, and what does not."""

from __future__ import annotations

import struct

from pymonik.runtime.executor.resume import DeathRecord
from pymonik.runtime.host.events import (
    AllFailed,
    EnvironmentFailed,
    ExecutorLost,
    JournalRead,
    JournalSeen,
    RoundOver,
    SliceFaulted,
)
from pymonik.values.outcome import PENDING
from tests.graph.programs import TASKS, recording

from .units import Machine, failure, step, unit


def test_a_death_charges_the_running_call_and_places_the_rest_anew() -> None:
    machine = Machine(1)
    a, b = unit("a", 4, max_retries=2), unit("b", max_retries=2)
    machine.add(a, b)
    machine.report(0, a, 0, 2)
    assert machine.die(0, a, 2) == ["a[2:4]", "b[0:1]"]
    (running,) = {piece.running for piece in machine.state.ready if piece.running.unit is a}
    assert (running.attempts, running.failed_calls) == ({(2, 0): 1}, {})
    assert machine.start(1) == ["1: a[2:4]"]
    assert machine.end(1, a, 2, 4) == ["1: b[0:1]"]
    assert a.outputs.columns == [["a0", "a1", "a2", "a3"]], "what was reported has not run again"


def test_what_a_dead_executor_held_goes_before_what_waited() -> None:
    machine = Machine(1)
    first = unit("a")
    machine.add(first)
    held = [unit("a"), unit("a"), unit("a"), unit("b", cost=0.0001)]
    machine.end(0, first, 0, 1, seconds=0.0001)
    assert machine.add(*held) == ["0: a[0:1]"] * 3
    assert machine.die(0, held[0]) == ["a[0:1]"] * 3 + ["b[0:1]"]
    assert [piece.running.unit for piece in machine.state.ready] == held


def test_a_call_that_kills_too_often_is_doomed_and_its_neighbours_run() -> None:
    machine = Machine(0)
    a = unit("a", 3, max_retries=1, steps=[step(abs, name="a", base=10, site="user.py:7")])
    machine.add(a)
    for executor in range(2):
        assert machine.start(executor) == [f"{executor}: a[0:3]"]
        assert machine.die(executor, a, 1) == ["a[0:3]"]
    attempts, failed_calls, _ = next(iter(machine.state.ready)).attempts_before
    assert attempts == {(1, 0): 2}
    verdict = failed_calls[1, 0]
    assert (verdict.kind, verdict.element, verdict.site) == ("died", 11, "user.py:7")
    assert (verdict.attempts, verdict.task) == (2, "a")
    assert "signal 9" in verdict.message
    assert "max_retries is 1" in verdict.message


def test_no_retries_means_one_attempt() -> None:
    machine = Machine(1)
    a = unit("a", max_retries=0)
    machine.add(a)
    machine.die(0, a)
    assert list(next(iter(machine.state.ready)).attempts_before[1]) == [(0, 0)]


def test_each_fused_call_keeps_its_own_max_retries() -> None:
    with recording() as client:
        first = TASKS["inc"].invoke(0, pmk_max_retries=0)
        last = TASKS["inc"].invoke(first, pmk_max_retries=5)
        del first
        (fused,) = client.plan().units
        machine = Machine(1)
        machine.add(fused)
        machine.die(0, fused, 0, at=1)
        assert next(iter(machine.state.ready)).attempts_before == ({(0, 1): 1}, {}, {}), (
            "it may die five times"
        )
        machine.start(1)
        machine.die(1, fused, 0, at=0)
        assert list(next(iter(machine.state.ready)).attempts_before[1]) == [(0, 0)], (
            "it may not die at all"
        )
        del last


def test_a_call_past_its_deadline_is_doomed_at_once() -> None:
    machine = Machine(1)
    a = unit("a", 2, max_retries=5, steps=[step(abs, name="a", limit=1.5)])
    machine.add(a)
    assert machine.die(0, a, 1, reason="timeout") == ["a[0:2]"]
    verdict = next(iter(machine.state.ready)).attempts_before[1][1, 0]
    assert (verdict.kind, verdict.attempts) == ("timeout", 1)
    assert "max_duration of 1.5 s" in verdict.message


def test_a_death_between_calls_charges_nobody() -> None:
    machine = Machine(1)
    a = unit("a")
    machine.add(a)
    assert machine.die(0, None) == ["a[0:1]"]
    assert next(iter(machine.state.ready)).attempts_before is None


def test_a_death_in_a_call_that_had_ended_is_charged_to_the_next() -> None:
    """The end of one unit and the death in the next may arrive together."""
    machine = Machine(1)
    first = unit("a")
    machine.add(first)
    second = unit("a", max_retries=3)
    machine.end(0, first, 0, 1, seconds=0.0001)
    machine.add(second)
    machine.die(0, first)
    assert next(iter(machine.state.ready)).attempts_before == ({(0, 0): 1}, {}, {})


def test_a_death_without_work_leaves_nothing_behind() -> None:
    machine = Machine(1)
    assert machine.die(0, None) == []
    assert machine.state.executors == {}


def test_what_the_journal_of_a_dead_executor_holds_does_not_run_again() -> None:
    machine = Machine(1)
    a = unit("a", 5)
    machine.add(a)
    machine.report(0, a, 0, 1)
    machine.tell(JournalRead(0, a.number, 0, ["a0", "a1", "a2"]))
    assert machine.die(0, a, 3) == ["a[3:5]"]
    assert a.outputs.columns == [["a0", "a1", "a2", PENDING, PENDING]]


def test_a_journal_of_several_outputs_is_read_by_columns() -> None:
    machine = Machine(1)
    a = unit("a", 3, steps=[step(abs, name="a"), step(abs, ("p", 0), name="b")])
    machine.add(a)
    machine.tell(JournalRead(0, a.number, 0, [["x0", "y0"], ["x1", "y1"]]))
    assert machine.die(0, a, 2) == ["a[2:3]"]
    assert a.outputs.columns == [["x0", "x1", PENDING], ["y0", "y1", PENDING]]


def test_a_journal_that_begins_behind_what_was_reported_is_not_taken() -> None:
    """Its records would come to stand at the places of others."""
    machine = Machine(1)
    a = unit("a", 5, max_retries=1)
    machine.add(a)
    machine.report(0, a, 0, 1)
    machine.tell(JournalRead(0, a.number, 2, ["a2", "a3"]))
    assert machine.die(0, a, 4) == ["a[1:5]"]
    assert a.outputs.columns == [["a0", *[PENDING] * 4]]


def test_a_complete_journal_finishes_the_unit() -> None:
    machine = Machine(1)
    a = unit("a", 2)
    b = unit("b", 1, a)
    machine.add(a, b)
    machine.tell(JournalRead(0, a.number, 0, ["a0", "a1"]))
    machine.die(0, a, 1)
    assert machine.start(1) == ["1: b[0:1]"]
    assert machine.state.unfinished == 1


def test_steps_that_ended_are_told_to_the_next_executor_and_values_to_who_waits() -> None:
    machine = Machine(1)
    a = unit("a", 2, max_retries=1, steps=[step(abs, name="a"), step(abs, name="b")])
    assert machine.add(a) == ["0: a[0:2]"]
    machine.tell(JournalSeen(0, a.number, 0, [[1, 2]], [(3,)]))
    assert a.outputs.columns == [[1, 3], [2, PENDING]]
    assert a.outputs.missing == 2  # told of, and not counted: the report comes later
    machine.tell(JournalRead(0, a.number, 0, [[1, 2]], [(3,)]))
    machine.tell(ExecutorLost(0, (a.number, 1, 1), "signal 9"))
    piece = next(iter(machine.state.ready))
    assert (piece.start, piece.stop, a.outputs.missing) == (1, 2, 1)
    assert piece.attempts_before == ({(1, 1): 1}, {}, {(1, 0): (3,)})


def test_what_was_given_up_does_not_run_again_when_its_executor_dies() -> None:
    machine = Machine(1)
    a = unit("a", 4, max_retries=2)
    machine.add(a)
    machine.tell(AllFailed(failure("a", "cancelled")))
    assert machine.die(0, a, 1, reason="cancelled") == []


def test_an_executor_that_dies_with_a_doomed_call_fails_the_unit() -> None:
    """The call was not to run any more: what kills is something in the unit itself."""
    machine = Machine(0)
    a, b = unit("a", 3, max_retries=1), unit("b")
    machine.add(a, b)
    for executor in range(3):
        assert machine.start(executor)[0] == f"{executor}: a[0:3]"
        machine.die(executor, a, 0)
    assert [record.kind for record in a.outputs.columns[0]] == ["died"] * 3
    assert machine.start(3) == ["3: b[0:1]"]


def test_a_fault_fails_what_had_not_ended_and_leaves_the_executor() -> None:
    machine = Machine(1)
    a, b = unit("a", 4), unit("b")
    after = unit("after", 1, a)
    machine.add(a, b, after)
    machine.report(0, a, 0, 2)
    machine.tell(SliceFaulted(0, a.number, "IndexError: 7", "the traceback"))
    assert a.outputs.columns[0][:2] == ["a0", "a1"]
    first, second = a.outputs.columns[0][2:]
    assert (first.kind, first.task, first.traceback) == ("error", "a", "the traceback")
    assert first is second, "one fault, one failure"
    assert machine.given() == ["0: b[0:1]"]
    machine.tell(SliceFaulted(0, 77, "of a unit that is not known any more"))


def test_a_unit_that_nothing_can_bring_to_its_end_fails_when_the_rest_has_ended() -> None:
    machine = Machine(1)
    lost, a = unit("lost"), unit("a")
    waiting = unit("waiting", 1, lost)
    machine.add(waiting, a)
    machine.tell(RoundOver())
    assert waiting.outputs.columns == [[PENDING]], "something still runs"
    machine.end(0, a, 0, 1)
    machine.tell(RoundOver())
    [[record]] = waiting.outputs.columns
    assert (record.kind, machine.state.unfinished) == ("error", 0)
    assert "no running or ready unit" in record.message


def test_the_log_of_a_graph_is_told_to_the_next_executor_who_charges_the_call_in_it() -> None:
    machine, log = Machine(1), struct.pack("<qq", 1, 0) + b"entries"
    a = unit("a", 3, max_retries=0)
    assert machine.add(a) == ["0: a[0:3]"]
    machine.tell(JournalRead(0, a.number, 0, [1], (), log))
    machine.tell(ExecutorLost(0, None, "cancelled"))  # because of another unit
    assert next(iter(machine.state.ready)).attempts_before == (
        {},
        {},
        {},
        {(1, 0): DeathRecord(log)},
    )
    assert machine.start(1) == ["1: a[1:3]"]
    machine.tell(JournalRead(1, a.number, 1, [], (), log))
    machine.tell(ExecutorLost(1, (a.number, 1, 0), "signal 9", "a stack"))
    death = DeathRecord(log, "signal 9", "a stack")
    assert next(iter(machine.state.ready)).attempts_before == ({}, {}, {}, {(1, 0): death})
    # It dies again, and has not gone on: then the call whose graph it is is to blame.
    assert machine.start(2) == ["2: a[1:3]"]
    machine.tell(ExecutorLost(2, (a.number, 1, 0), "signal 9"))
    assert list(next(iter(machine.state.ready)).attempts_before[1]) == [(1, 0)]


def test_the_log_of_a_call_that_has_ended_is_forgotten() -> None:
    machine = Machine(1)
    a = unit("a", 2, max_retries=1)
    machine.add(a)
    machine.tell(JournalRead(0, a.number, 0, [1], (), struct.pack("<qq", 0, 0)))
    machine.die(0, a, 1)
    assert next(iter(machine.state.ready)).attempts_before == ({(1, 0): 1}, {}, {})


def test_a_failure_that_was_told_is_the_one_though_its_call_fails_again() -> None:
    machine = Machine(1)
    a = unit("a", 2, max_retries=1)
    machine.add(a)
    seen, again = failure("a", "raised"), failure("a", "raised")
    machine.tell(JournalSeen(0, a.number, 0, [seen], []))
    machine.tell(ExecutorLost(0, None, "signal 9"))  # and its journal cannot be read
    machine.start(1)
    machine.report(1, a, 0, 2, columns=[[again, 7]])
    assert a.outputs.columns == [[seen, 7]]
    machine.state.failures.handle([seen.mark])
    assert machine.state.failures.unhandled() == []


def test_a_unit_behind_one_whose_environment_cannot_be_had_does_not_run_later() -> None:
    machine = Machine(0)
    a = unit("a")
    b = unit("b", 1, a)
    machine.add(a, b)
    machine.tell(EnvironmentFailed(None, ValueError("no executor can start")))
    assert (machine.state.unfinished, list(machine.state.ready)) == (0, [])
    assert machine.start(0) == []


def test_who_handles_one_of_a_cause_has_handled_all_however_many_there_are() -> None:
    machine = Machine(0)
    units = [unit(str(number)) for number in range(1_100)]
    machine.add(*units)
    machine.tell(EnvironmentFailed(None, ValueError("no executor can start")))
    (seen,) = units[-1].outputs.columns[0]
    assert len(seen.beside) == 1  # a record has no room for all of them
    machine.state.failures.handle((seen.mark, *seen.beside))
    assert machine.state.failures.unhandled() == []


def test_what_is_reported_of_a_unit_after_its_end_is_no_fault() -> None:
    machine = Machine(1)
    a = unit("a", 3)
    machine.add(a)
    machine.cancel(a)
    machine.report(0, a, 0, 1)
    machine.report(0, a, 1, 2)
    machine.end(0, a, 2, 3)
    assert machine.state.executors == {0: []}


def test_who_handles_that_no_executor_starts_has_handled_it_for_all() -> None:
    machine = Machine(0)
    a, b = unit("a"), unit("b")
    machine.add(a, b, unit("c", 1, a))
    machine.tell(EnvironmentFailed(None, ValueError("no executor can start")))
    assert machine.state.failures.count == 3
    (seen,) = a.outputs.columns[0]
    machine.state.failures.handle((seen.mark, *seen.beside))
    assert machine.state.failures.unhandled() == []
