"""The machine, from a message in a queue to the end of its task and of what depends on it."""

from __future__ import annotations

import pytest

from pymonik.emulator.state import Machine, Options, ResultStatus, TaskStatus, events
from pymonik.emulator.state.instructions import (
    DatabaseLoad,
    Drop,
    Enqueue,
    OwnerChanged,
    Proceed,
    ResultChanged,
    ResultCreated,
    Run,
    Stop,
    TaskChanged,
    TaskCreated,
)
from tests.emulator.plain_machine import OPTIONS, declared, opened, ran, refusal, submitted


def output(result: str) -> events.StoredObject:
    return events.StoredObject(result, f"object of {result}".encode(), 1)


@pytest.fixture
def machine() -> Machine:
    """A running task "t" that owes "out", and a task "next" that waits for it."""
    machine = opened()
    submitted(machine, "t", out="out")
    submitted(machine, "next", out="last", inputs=("out",))
    ran(machine, "t")
    return machine


def test_a_message_is_taken_once() -> None:
    machine = opened()
    submitted(machine, "t", out="out")
    assert machine.handle(events.Acquire("t", "pod")) == [
        TaskChanged("s", "t", TaskStatus.DISPATCHED),
        Run("t"),
    ]
    assert machine.handle(events.Acquire("t", "other pod")) == []
    assert machine.handle(events.Start("t")) == [
        TaskChanged("s", "t", TaskStatus.PROCESSING),
        Proceed("t"),
    ]


def test_success_completes_outputs_then_readies_dependents_then_deletes_the_payload(
    machine: Machine,
) -> None:
    assert machine.handle(events.Succeed("t", stored=(output("out"),))) == [
        ResultChanged("s", "out", ResultStatus.COMPLETED),
        TaskChanged("s", "next", TaskStatus.SUBMITTED),
        Enqueue("next", "main", 1),
        TaskChanged("s", "t", TaskStatus.COMPLETED),
        Drop(b"payload of t"),
        ResultChanged("s", "payload of t", ResultStatus.DELETED),
    ]


def test_the_payload_stays_where_the_cluster_does_not_delete_it() -> None:
    machine = opened(delete_payload=False)
    submitted(machine, "t", out="out")
    ran(machine, "t")
    assert machine.handle(events.Succeed("t", stored=(output("out"),))) == [
        ResultChanged("s", "out", ResultStatus.COMPLETED),
        TaskChanged("s", "t", TaskStatus.COMPLETED),
    ]


def test_a_silent_success_leaves_the_output_created_for_ever(machine: Machine) -> None:
    machine.handle(events.Succeed("t"))
    assert machine.tables.tasks["t"].status is TaskStatus.COMPLETED
    assert machine.tables.results["out"].status is ResultStatus.CREATED
    assert machine.tables.tasks["next"].status is TaskStatus.PENDING


def test_strict_turns_a_silent_success_into_an_error() -> None:
    machine = opened(strict=True)
    submitted(machine, "t", out="out")
    ran(machine, "t")
    machine.handle(events.Succeed("t"))
    assert machine.tables.tasks["t"].status is TaskStatus.ERROR
    assert "'out' was neither sent nor delegated" in machine.tables.tasks["t"].error


def test_an_error_is_not_retried_and_reaches_every_dependent(machine: Machine) -> None:
    assert machine.handle(events.Fail("t", "it broke")) == [
        Drop(b"payload of t"),
        ResultChanged("s", "payload of t", ResultStatus.DELETED),
        TaskChanged("s", "t", TaskStatus.ERROR),
        ResultChanged("s", "out", ResultStatus.ABORTED),
        TaskChanged("s", "next", TaskStatus.ERROR),
        ResultChanged("s", "last", ResultStatus.ABORTED),
    ]
    assert machine.tables.tasks["t"].error == "it broke"
    assert machine.tables.tasks["next"].error == "Task t failed:\nit broke"


def test_a_crash_is_retried_as_a_new_task_that_takes_the_outputs_over(machine: Machine) -> None:
    assert machine.handle(events.Crash("t", "worker died")) == [
        TaskChanged("s", "t", TaskStatus.RETRIED),
        TaskCreated("s", "t###1"),
        OwnerChanged("s", "out", "t", "t###1"),
        TaskChanged("s", "t###1", TaskStatus.PENDING),
        DatabaseLoad(1, 1),
        TaskChanged("s", "t###1", TaskStatus.SUBMITTED),
        Enqueue("t###1", "main", 1),
    ]
    again = machine.tables.tasks["t###1"]
    assert (again.initial_id, again.retry_of, again.payload_id) == ("t", ("t",), "payload of t")


def test_n_retries_are_n_plus_one_attempts(machine: Machine) -> None:
    attempts = ["t", "t###1", "t###2"]
    assert len(attempts) == OPTIONS.max_retries + 1
    for attempt in attempts:
        ran(machine, attempt)
        machine.handle(events.Crash(attempt, f"death of {attempt}"))
    assert "t###3" not in machine.tables.tasks
    assert machine.tables.tasks["t###2"].status is TaskStatus.ERROR
    assert machine.tables.tasks["t###2"].retry_of == ("t", "t###1")
    assert machine.tables.results["out"].status is ResultStatus.ABORTED
    assert machine.tables.tasks["next"].error == "Task t###2 failed:\ndeath of t###2"


def test_a_timeout_is_not_retried(machine: Machine) -> None:
    machine.handle(events.TimeOut("t"))
    assert machine.tables.tasks["t"].status is TaskStatus.TIMEOUT
    assert machine.tables.tasks["next"].error == "Task t timed-out:\nDeadline Exceeded"


def test_a_released_task_goes_back_to_its_queue_and_loses_no_retry(machine: Machine) -> None:
    assert machine.handle(events.Release("t")) == [
        TaskChanged("s", "t", TaskStatus.SUBMITTED),
        Enqueue("t", "main", 1),
    ]
    assert machine.tables.tasks["t"].retry_of == ()


def test_cancelling_tasks_stops_them_and_fails_their_dependents(machine: Machine) -> None:
    assert machine.handle(events.CancelTasks(("t", "nope"))) == [
        Stop("t", "pod"),
        TaskChanged("s", "t", TaskStatus.CANCELLING),
        ResultChanged("s", "out", ResultStatus.ABORTED),
        TaskChanged("s", "next", TaskStatus.ERROR),
        ResultChanged("s", "last", ResultStatus.ABORTED),
    ]
    assert machine.handle(events.Succeed("t", stored=(output("out"),))) == [
        TaskChanged("s", "t", TaskStatus.CANCELLED),
        Drop(b"object of out"),
    ]
    assert machine.handle(events.CancelTasks(("t",))) == []


def test_a_sub_task_that_names_an_output_of_its_parent_takes_it_over(machine: Machine) -> None:
    created = (events.NewResult("p", "p"), events.NewResult("middle", "middle"))
    child = events.NewTask("child", "p", ("middle",), ("out",))
    leaf = events.NewTask("leaf", "p", (), ("middle",))
    offers = (events.Offer("t", (child, leaf)),)
    assert machine.handle(offers[0]) == []
    assert "child" not in machine.tables.tasks
    assert machine.handle(events.Succeed("t", created, (output("p"),), offers)) == [
        ResultCreated("s", "p"),
        ResultCreated("s", "middle"),
        ResultChanged("s", "p", ResultStatus.COMPLETED),
        TaskCreated("s", "child"),
        TaskCreated("s", "leaf"),
        OwnerChanged("s", "middle", "", "leaf"),
        OwnerChanged("s", "out", "t", "child"),
        TaskChanged("s", "child", TaskStatus.PENDING),
        TaskChanged("s", "leaf", TaskStatus.PENDING),
        DatabaseLoad(2, 1),
        TaskChanged("s", "leaf", TaskStatus.SUBMITTED),
        Enqueue("leaf", "main", 1),
        TaskChanged("s", "t", TaskStatus.COMPLETED),
        Drop(b"payload of t"),
        ResultChanged("s", "payload of t", ResultStatus.DELETED),
    ]
    assert machine.tables.tasks["child"].parents == ("s", "t")
    assert machine.tables.results["middle"].created_by == "t"


def test_wrong_sub_tasks_appear_as_a_retried_parent(machine: Machine) -> None:
    created = (events.NewResult("p", "p"),)
    child = events.NewTask("child", "p", ("p",), ("out",))
    offers = (events.Offer("t", (child,)),)
    assert machine.handle(offers[0]) == []
    machine.handle(events.Succeed("t", created, (), offers))
    assert machine.tables.tasks["t"].status is TaskStatus.RETRIED
    assert machine.tables.results["p"].status is ResultStatus.ABORTED
    assert machine.tables.results["out"].owner == "t###1"
    assert "child" not in machine.tables.tasks


def test_the_worker_flag_counts_as_it_was_when_the_task_was_taken(machine: Machine) -> None:
    machine.handle(events.StopSubmission("s", client=False, worker=True))
    offer = events.Offer("t", (events.NewTask("child", "payload of next"),))
    assert machine.handle(offer) == []
    submitted(machine, "later", out="later out")
    ran(machine, "later")
    offer = events.Offer("later", (events.NewTask("child", "payload of next"),))
    assert refusal(machine.handle(offer)).code == "FAILED_PRECONDITION"


def test_sub_tasks_are_checked_against_session_partition_and_priority(machine: Machine) -> None:
    def offer(options: Options) -> str:
        new = events.NewTask("child", "payload of next")
        return refusal(machine.handle(events.Offer("t", (new,), options))).code

    assert offer(Options(60.0, 1, 1, "gpu")) == "UNKNOWN"
    assert offer(Options(60.0, 1, 11)) == "INVALID_ARGUMENT"
    assert offer(Options(None, 1, 1)) == "UNKNOWN"


def test_an_aborted_result_can_still_be_uploaded(machine: Machine) -> None:
    machine.handle(events.Fail("t", "no"))
    assert machine.handle(events.UploadResult("s", output("out"))) == [
        ResultChanged("s", "out", ResultStatus.COMPLETED)
    ]


def test_deleting_results_spares_those_of_manual_deletion(machine: Machine) -> None:
    kept = events.NewResult("kept", "kept", b"kept", 4, manual_deletion=True)
    machine.handle(events.CreateResults("s", (kept,)))
    declared(machine, data=b"x")
    assert machine.handle(events.DeleteResults("s", ("kept", "data"))) == [
        Drop(b"data"),
        ResultChanged("s", "data", ResultStatus.DELETED),
    ]


def test_importing_needs_results_without_data(machine: Machine) -> None:
    declared(machine, data=b"x", empty=None)
    taken = events.ImportResults("s", (events.StoredObject("data", b"o", 1),))
    assert refusal(machine.handle(taken)).code == "FAILED_PRECONDITION"
    free = events.ImportResults("s", (events.StoredObject("empty", b"o", 1),))
    assert machine.handle(free) == [ResultChanged("s", "empty", ResultStatus.COMPLETED)]


@pytest.fixture
def quiet() -> Machine:
    """A strict machine where "t" waits for "never", which nobody owes, and "next" for "t"."""
    machine = opened(strict=True)
    declared(machine, never=None)
    submitted(machine, "t", out="out", inputs=("never",))
    submitted(machine, "next", out="last", inputs=("out",))
    return machine


def test_strict_fails_what_waits_for_a_result_nobody_owes(quiet: Machine) -> None:
    assert quiet.handle(events.Idle("s")) == [
        TaskChanged("s", "t", TaskStatus.ERROR),
        ResultChanged("s", "out", ResultStatus.ABORTED),
        TaskChanged("s", "next", TaskStatus.ERROR),
        ResultChanged("s", "last", ResultStatus.ABORTED),
    ]
    assert "no task makes, and no client uploads input 'never'" in quiet.tables.tasks["next"].error


def test_a_session_is_not_idle_while_something_is_queued_or_runs(quiet: Machine) -> None:
    submitted(quiet, "busy", out="busy out")
    assert quiet.handle(events.Idle("s")) == []
    ran(quiet, "busy")
    assert quiet.handle(events.Idle("s")) == []


def test_strict_fails_tasks_that_wait_for_each_other() -> None:
    machine = opened(strict=True)
    declared(machine, a=None, b=None, p=b"x", q=b"x")
    first = events.NewTask("first", "p", ("b",), ("a",))
    second = events.NewTask("second", "q", ("a",), ("b",))
    machine.handle(events.SubmitTasks("s", (first, second)))
    machine.handle(events.Idle("s"))
    assert machine.tables.tasks["first"].status is TaskStatus.ERROR
    assert machine.tables.tasks["second"].status is TaskStatus.ERROR


def test_strict_fails_what_a_pause_lost() -> None:
    machine = opened(strict=True)
    submitted(machine, "t", out="out")
    submitted(machine, "next", out="last", inputs=("out",))
    ran(machine, "t")
    machine.handle(events.PauseSession("s"))
    machine.handle(events.Succeed("t", stored=(output("out"),)))
    machine.handle(events.Acquire("next", "pod"))
    assert machine.handle(events.Idle("s")) == []
    machine.handle(events.ResumeSession("s"))
    machine.handle(events.Idle("s"))
    assert "no queue holds this task" in machine.tables.tasks["next"].error


def test_lenient_clusters_leave_the_waiting_alone() -> None:
    machine = opened()
    declared(machine, never=None)
    submitted(machine, "t", out="out", inputs=("never",))
    assert machine.handle(events.Idle("s")) == []
