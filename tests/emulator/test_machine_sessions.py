"""The machine, session rules: what each transition asks for, as lists of instructions."""

from __future__ import annotations

import pytest

from pymonik.emulator.state import Options, SessionStatus, TaskStatus, events
from pymonik.emulator.state.instructions import (
    Drop,
    Enqueue,
    Refuse,
    ResultChanged,
    Stop,
    TaskChanged,
)
from pymonik.emulator.state.status import ResultStatus
from tests.emulator.plain_machine import OPTIONS, cluster, declared, opened, ran, submitted


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (None, "default_task_option is required"),
        (Options(None, 1, 1), "max_duration is required"),
        (Options(60.0, 0, 1), "max_retries must be at least 1"),
        (Options(60.0, 1, 0), "priority must lie in 1..99"),
        (Options(60.0, 1, 100), "priority must lie in 1..99"),
    ],
)
def test_session_options_are_validated(options: Options | None, words: str) -> None:
    (refusal,) = cluster().handle(events.CreateSession("s", options))
    assert isinstance(refusal, Refuse)
    assert refusal.code == "INVALID_ARGUMENT"
    assert words in refusal.reason


@pytest.mark.parametrize(
    ("generation", "code"), [("HEAD", "NOT_FOUND"), ("0.37.2", "INVALID_ARGUMENT")]
)
def test_an_unknown_partition_has_another_code_in_each_generation(
    generation: str, code: str
) -> None:
    machine = cluster(generation=generation)
    (refusal,) = machine.handle(events.CreateSession("s", OPTIONS, ("nowhere",)))
    assert isinstance(refusal, Refuse)
    assert refusal.code == code


def test_a_partition_that_is_listed_twice_is_refused_in_strict_mode_only() -> None:
    twice = events.CreateSession("s", OPTIONS, ("main", "main"))
    assert cluster().handle(twice) == []
    (refusal,) = cluster(strict=True).handle(twice)
    assert isinstance(refusal, Refuse)
    assert refusal.code == "NOT_FOUND"


def test_deleting_an_unknown_result_is_passed_over_unless_strict() -> None:
    unknown = events.DeleteResults("s", ("nowhere",))
    assert opened().handle(unknown) == []
    (refusal,) = opened(strict=True).handle(unknown)
    assert isinstance(refusal, Refuse)
    assert refusal.code == "NOT_FOUND"


def test_missing_partitions_become_the_default_of_the_cluster() -> None:
    machine = cluster()
    assert machine.handle(events.CreateSession("s", OPTIONS, ("",))) == []
    assert machine.tables.sessions["s"].partitions == ("main",)
    assert machine.tables.sessions["s"].options.partition == "main"


def test_a_default_partition_outside_the_session_is_accepted_and_every_submission_fails() -> None:
    machine = cluster()
    assert machine.handle(events.CreateSession("s", OPTIONS, ("gpu",))) == []
    declared(machine, payload=b"x", out=None)
    task = events.NewTask("t", "payload", (), ("out",))
    refusal = Refuse("UNKNOWN", "Unknown exception, see ArmoniK logs")
    assert machine.handle(events.SubmitTasks("s", (task,))) == [refusal]


def test_closing_cancels_queued_work_only_when_a_pod_picks_it_up() -> None:
    machine = opened()
    submitted(machine, "first", out="a")
    submitted(machine, "second", out="b", inputs=("a",))
    assert machine.handle(events.CloseSession("s")) == []
    assert machine.handle(events.Acquire("first", "pod")) == [
        TaskChanged("s", "first", TaskStatus.CANCELLED),
        ResultChanged("s", "a", ResultStatus.ABORTED),
        TaskChanged("s", "second", TaskStatus.ERROR),
        ResultChanged("s", "b", ResultStatus.ABORTED),
    ]
    assert "its session s is CLOSED" in machine.tables.tasks["second"].error


def test_closing_lets_running_work_finish() -> None:
    machine = opened()
    submitted(machine, "t", out="a")
    ran(machine, "t")
    machine.handle(events.CloseSession("s"))
    stored = events.StoredObject("a", b"o", 1)
    assert TaskChanged("s", "t", TaskStatus.COMPLETED) in machine.handle(
        events.Succeed("t", stored=(stored,))
    )


def test_cancelling_stops_pods_aborts_results_and_leaves_pending_tasks_cancelling() -> None:
    machine = opened()
    submitted(machine, "running", out="a")
    submitted(machine, "waiting", out="b", inputs=("a",))
    ran(machine, "running")
    assert machine.handle(events.CancelSession("s")) == [
        Stop("running", "pod"),
        ResultChanged("s", "a", ResultStatus.ABORTED),
        ResultChanged("s", "b", ResultStatus.ABORTED),
        TaskChanged("s", "running", TaskStatus.CANCELLING),
        TaskChanged("s", "waiting", TaskStatus.CANCELLING),
    ]
    assert machine.handle(events.Crash("running", "stopped")) == [
        TaskChanged("s", "running", TaskStatus.CANCELLED)
    ]
    assert machine.tables.tasks["waiting"].status is TaskStatus.CANCELLING


def test_pausing_holds_tasks_and_resuming_queues_them_again() -> None:
    machine = opened()
    submitted(machine, "t", out="a")
    assert machine.handle(events.PauseSession("s")) == [TaskChanged("s", "t", TaskStatus.PAUSED)]
    assert machine.handle(events.Acquire("t", "pod")) == []
    assert machine.handle(events.ResumeSession("s")) == [
        TaskChanged("s", "t", TaskStatus.SUBMITTED),
        Enqueue("t", "main", 1),
    ]
    assert machine.handle(events.ResumeSession("s")) == []


def test_submitting_to_a_paused_session_queues_nothing_until_it_resumes() -> None:
    machine = opened()
    machine.handle(events.PauseSession("s"))
    assert not [i for i in submitted(machine, "t", out="a") if isinstance(i, Enqueue)]
    assert Enqueue("t", "main", 1) in machine.handle(events.ResumeSession("s"))


def test_a_task_that_gets_ready_during_a_pause_is_lost() -> None:
    machine = opened()
    submitted(machine, "running", out="a")
    submitted(machine, "next", out="b", inputs=("a",))
    ran(machine, "running")
    machine.handle(events.PauseSession("s"))
    stored = events.StoredObject("a", b"o", 1)
    done = machine.handle(events.Succeed("running", stored=(stored,)))
    assert Enqueue("next", "main", 1) in done
    assert machine.handle(events.Acquire("next", "pod")) == []
    assert machine.handle(events.ResumeSession("s")) == []
    assert machine.tables.tasks["next"].status is TaskStatus.SUBMITTED


def test_purging_a_running_session_deletes_its_data_and_then_refuses() -> None:
    machine = opened()
    declared(machine, data=b"precious")
    *done, refusal = machine.handle(events.PurgeSession("s"))
    assert done == [Drop(b"data"), ResultChanged("s", "data", ResultStatus.DELETED)]
    assert isinstance(refusal, Refuse)
    assert refusal.code == "FAILED_PRECONDITION"
    assert machine.tables.sessions["s"].status is SessionStatus.RUNNING


def test_purging_a_closed_session_spares_results_of_manual_deletion() -> None:
    machine = opened()
    kept = events.NewResult("kept", "kept", b"kept", 4, manual_deletion=True)
    machine.handle(events.CreateResults("s", (kept,)))
    machine.handle(events.CloseSession("s"))
    assert machine.handle(events.PurgeSession("s")) == []
    assert machine.tables.results["kept"].status is ResultStatus.COMPLETED
    assert machine.tables.sessions["s"].status is SessionStatus.PURGED


TRANSITIONS = {
    "pause": events.PauseSession,
    "resume": events.ResumeSession,
    "close": events.CloseSession,
    "cancel": events.CancelSession,
    "purge": events.PurgeSession,
}


@pytest.mark.parametrize(
    ("before", "then", "code"),
    [
        (["pause"], "pause", "FAILED_PRECONDITION"),
        (["cancel"], "pause", "FAILED_PRECONDITION"),
        (["close"], "pause", "UNKNOWN"),
        (["close"], "resume", "UNKNOWN"),
        (["close"], "close", "FAILED_PRECONDITION"),
        (["cancel"], "close", "FAILED_PRECONDITION"),
        (["cancel"], "cancel", "FAILED_PRECONDITION"),
        (["close", "purge"], "cancel", "FAILED_PRECONDITION"),
        ([], "purge", "FAILED_PRECONDITION"),
        (["pause"], "resume", None),
        ([], "resume", None),
        (["pause"], "close", None),
        (["close"], "cancel", None),
        (["cancel"], "purge", None),
    ],
)
def test_transitions(before: list[str], then: str, code: str | None) -> None:
    machine = opened()
    for verb in before:
        assert machine.handle(TRANSITIONS[verb]("s")) == []
    refusals = [i.code for i in machine.handle(TRANSITIONS[then]("s")) if isinstance(i, Refuse)]
    assert refusals == ([] if code is None else [code])


@pytest.mark.parametrize("transition", TRANSITIONS.values())
def test_transitions_of_an_unknown_session_are_not_found(
    transition: type[events.CloseSession],
) -> None:
    (refusal,) = cluster().handle(transition("nope"))
    assert isinstance(refusal, Refuse)
    assert refusal.code == "NOT_FOUND"


def test_deleting_an_absent_session_succeeds() -> None:
    assert cluster().handle(events.DeleteSession("nope")) == []


def test_deleting_a_session_forgets_all_of_it_at_any_time() -> None:
    machine = opened()
    submitted(machine, "t", out="a")
    ran(machine, "t")
    assert machine.handle(events.DeleteSession("s")) == []
    assert (machine.tables.sessions, machine.tables.tasks, machine.tables.results) == ({}, {}, {})
    stored = events.StoredObject("a", b"o", 1)
    assert machine.handle(events.Succeed("t", stored=(stored,))) == [Drop(b"o")]


def test_stopping_submission_clears_flags_that_nothing_sets_again() -> None:
    machine = opened()
    declared(machine, payload=b"x", out=None)
    machine.handle(events.StopSubmission("s", client=True, worker=False))
    machine.handle(events.StopSubmission("s", client=False, worker=False))
    session = machine.tables.sessions["s"]
    assert (session.client_open, session.worker_open) == (False, True)
    task = events.NewTask("t", "payload", (), ("out",))
    (refusal,) = machine.handle(events.SubmitTasks("s", (task,)))
    assert isinstance(refusal, Refuse)
    assert refusal.code == "FAILED_PRECONDITION"


def test_expiry_takes_records_by_age_even_from_a_running_session() -> None:
    machine = cluster()
    machine.handle(events.CreateSession("s", OPTIONS), now=10.0)
    old = events.NewResult("old", "old", b"old", 3)
    machine.handle(events.CreateResults("s", (old,)), now=20.0)
    machine.handle(events.CreateResults("s", (events.NewResult("new", "new"),)), now=40.0)
    assert machine.handle(events.Expire(before=30.0), now=50.0) == []
    assert list(machine.tables.results) == ["new"]
    assert machine.tables.sessions == {}
