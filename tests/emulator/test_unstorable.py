"""Texts that the stores of an engine refuse, and replies that its agents do not take."""

from __future__ import annotations

from dataclasses import replace

import pytest
from armonik.common import ResultStatus as Status
from armonik.common import Task
from armonik.common import TaskStatus as State

from pymonik.emulator.state import ResultStatus, TaskStatus, events
from pymonik.emulator.state.instructions import Poison, Refuse
from tests.emulator.plain_cluster import Client, emulator, eventually
from tests.emulator.plain_machine import OPTIONS, declared, opened, ran, submitted


def test_an_error_text_with_nul_poisons_the_task() -> None:
    machine = opened()
    submitted(machine, "t", out="r")
    ran(machine, "t")
    instructions = machine.handle(events.Fail("t", "a\0b"))
    assert Poison("t") in instructions
    tasks, results = machine.tables.tasks, machine.tables.results
    assert {task.id: task.status for task in tasks.values()} == {
        "t": TaskStatus.RETRIED,
        "t###1": TaskStatus.CREATING,
    }
    assert results["r"].status is ResultStatus.CREATED
    assert results["payload of t"].status is ResultStatus.DELETED


def test_an_error_text_with_nul_is_only_retried_where_payloads_are_kept() -> None:
    machine = opened(delete_payload=False)
    submitted(machine, "t", out="r")
    ran(machine, "t")
    machine.handle(events.Fail("t", "a\0b"))
    assert machine.tables.tasks["t"].status is TaskStatus.RETRIED
    assert machine.tables.tasks["t###1"].status is TaskStatus.SUBMITTED


def test_strict_says_what_an_error_text_with_nul_would_do() -> None:
    machine = opened(strict=True)
    submitted(machine, "t", out="r")
    ran(machine, "t")
    machine.handle(events.Fail("t", "a\0b"))
    task = machine.tables.tasks["t"]
    assert (task.status, "NUL" in task.error) == (TaskStatus.ERROR, True)


@pytest.mark.parametrize("strict", [False, True])
def test_no_text_with_nul_is_stored(strict: bool) -> None:
    machine = opened(strict=strict)
    declared(machine, p=b"x", o=None)
    named = replace(OPTIONS, entries={"k": "a\0"})
    task = events.NewTask("t", "p", (), ("o",))
    for event in (
        events.CreateResults("s", (events.NewResult("r", "a\0b"),)),
        events.CreateSession("s2", named, ("main",)),
        events.SubmitTasks("s", (task,), named),
        events.SubmitTasks("s", (replace(task, options=replace(OPTIONS, engine_type="\0")),)),
    ):
        (refused,) = machine.handle(event)
        assert isinstance(refused, Refuse)
        assert refused.code == "UNKNOWN"
    assert list(machine.tables.tasks) == []


def test_a_worker_that_names_a_result_with_nul_is_tried_again() -> None:
    machine = opened()
    submitted(machine, "t", out="r")
    ran(machine, "t")
    machine.handle(events.Succeed("t", created=(events.NewResult("new", "a\0b"),)))
    assert machine.tables.tasks["t"].status is TaskStatus.RETRIED
    assert "new" not in machine.tables.results


def test_a_poisoned_task_keeps_its_partition_to_itself_until_its_session_ends() -> None:
    with emulator(strict=False) as started, Client(started.endpoint) as client:
        client.run("error", text="a\0b")
        with Client(started.endpoint) as other:
            task, output = other.run("concat", text="x")
            eventually(lambda: poisoned(client))
            assert other.task_status(task) == State.SUBMITTED
            client.sessions.cancel_session(client.session)
            assert other.value(output) == b"x"


def poisoned(client: Client) -> bool:
    tasks = client.tasks.list_tasks(Task.session_id == client.session)[1]
    return State.RETRIED in [task.status for task in tasks]


def test_a_reply_of_a_worker_beyond_4_mib_breaks_the_call(lenient: Client) -> None:
    task, output = lenient.run("error", text="x", times=str(5 * 1024 * 1024))
    assert lenient.ended(task).status == State.RETRIED
    eventually(lambda: lenient.status(output) == Status.ABORTED)
