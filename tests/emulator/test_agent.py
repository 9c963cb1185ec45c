"""The protocol between worker and agent: inputs, sub-tasks, visibility, refusals."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from armonik.common import Task, TaskStatus

from tests.emulator.plain_cluster import Client, Gate, emulator, eventually, options


def test_payload_and_dependencies_are_files_before_the_worker_is_called(strict: Client) -> None:
    inputs = [strict.put(b"a"), strict.put(b"b")]
    _, output = strict.run("describe", *inputs)
    described = json.loads(strict.value(output))
    assert described["files"] == described["inputs"]
    assert set(inputs) < set(described["files"])


def test_dependencies_arrive_in_the_order_of_their_submission(strict: Client) -> None:
    inputs = [strict.put(str(n).encode()) for n in range(10)]
    _, output = strict.run("concat", *reversed(inputs))
    assert strict.value(output) == b"9876543210"


def test_a_task_can_hand_its_output_to_sub_tasks(strict: Client) -> None:
    parent, output = strict.run("delegate")
    assert strict.value(output) == b"leaf+root"
    children = strict.tasks.list_tasks(Task.created_by == parent)[1]
    assert len(children) == 2
    assert strict.results.get_result(output).owner_task_id in {child.id for child in children}
    assert all(parent in child.parent_task_ids for child in children)


def test_nothing_a_task_asked_for_is_visible_after_it_failed(strict: Client) -> None:
    parent, _ = strict.run("delegate_then_error")
    assert strict.ended(parent).status == TaskStatus.ERROR
    assert strict.tasks.list_tasks(Task.created_by == parent)[0] == 0
    assert [result.name for result in strict.all_results() if result.created_by == parent] == []


def test_wrong_sub_tasks_make_their_parent_fail_after_its_retries(strict: Client) -> None:
    parent, _ = strict.run("delegate_badly")
    assert strict.ended(parent).status == TaskStatus.RETRIED
    again = strict.ended(f"{parent}###1")
    assert again.status == TaskStatus.ERROR
    assert "is listed twice" in again.output.error


def test_a_task_can_fetch_any_completed_result(strict: Client) -> None:
    data = strict.put(b"fetched")
    assert strict.value(strict.run("fetch", id=data)[1]) == b"fetched"


def test_an_agent_refuses_with_these_codes(strict: Client) -> None:
    strict.sessions.stop_submission_session(strict.session, client=False, worker=True)
    _, output = strict.run("probe_agent")
    assert json.loads(strict.value(output)) == {
        "wrong token": "INVALID_ARGUMENT",
        "too big": "RESOURCE_EXHAUSTED",
        "unknown result": "NOT_FOUND",
        "common data": "UNKNOWN",
        "other partition": "UNKNOWN",
        "stopped submission": "UNKNOWN",
    }


def test_a_file_that_was_announced_but_not_written_is_an_empty_result(lenient: Client) -> None:
    assert lenient.value(lenient.run("announce")[1]) == b""


def test_strict_fails_an_announced_file_that_was_not_written(strict: Client) -> None:
    task, _ = strict.run("announce")
    assert "wrote no such file" in strict.ended(task).output.error


def test_cancelled_tasks_stop_and_their_dependents_fail(strict: Client, gate: Gate) -> None:
    running, output = strict.run("wait", path=gate.path)
    waiting, _ = strict.run("concat", output)
    eventually(lambda: strict.task_status(running) == TaskStatus.PROCESSING)
    strict.tasks.cancel_tasks([running])
    assert strict.ended(running).status == TaskStatus.CANCELLED
    assert strict.ended(waiting).status == TaskStatus.ERROR


def test_each_partition_has_its_own_workers() -> None:
    with (
        emulator(partitions={"main": 1, "gpu": 1}) as started,
        Client(started.endpoint, partitions=["main", "gpu"]) as client,
    ):
        outputs = client.declare("here", "there")
        tasks = [
            client.submit(client.program("concat"), output, options=options(partition_id=partition))
            for output, partition in zip(outputs, ["main", "gpu"], strict=True)
        ]
        pods = [client.ended(task).owner_pod_id for task in tasks]
        assert pods == ["main-0", "gpu-0"]


def test_a_worker_that_does_not_start_fails_its_tasks_with_what_it_printed(
    tmp_path: Path,
) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("raise SystemExit('no licence')")
    with (
        emulator(worker=[sys.executable, str(broken)]) as started,
        Client(started.endpoint) as client,
    ):
        task, _ = client.run("concat")
        assert "no licence" in client.ended(task).output.error


def test_a_worker_command_that_does_not_exist_says_so() -> None:
    with emulator(worker=["/no/such/worker"]) as started, Client(started.endpoint) as client:
        task, _ = client.run("concat")
        assert "/no/such/worker" in client.ended(task).output.error


def test_many_tasks_pass_through_a_few_workers() -> None:
    executions = 200
    with emulator(partitions={"main": 2}) as started, Client(started.endpoint) as client:
        outputs = [client.run("concat", text=str(n))[1] for n in range(executions)]
        client.events.wait_for_result_availability(outputs, client.session)
        values = [client.results.download_result_data(o, client.session) for o in outputs]
        assert values == [str(n).encode() for n in range(executions)]
        assert started.counters["Worker.Process"].requests == executions


def test_the_data_of_an_open_result_is_an_empty_file_and_an_error(strict: Client) -> None:
    (unmade,) = strict.declare("unmade")
    assert json.loads(strict.value(strict.run("fetch_in_vain", id=unmade)[1])) == ["NOT_FOUND", 0]
    unknown = json.loads(strict.value(strict.run("fetch_in_vain", id="nowhere")[1]))
    assert unknown == ["NOT_FOUND", None]


def test_an_engine_creates_results_in_any_session_and_strict_mode_in_none_but_its_own(
    strict: Client, lenient: Client
) -> None:
    with Client(lenient.endpoint) as other:
        output = lenient.run("create_elsewhere", session=other.session)[1]
        assert lenient.value(output) == b"OK"
        assert [result.name for result in other.all_results()] == ["elsewhere"]
    output = strict.run("create_elsewhere", session="")[1]
    assert strict.value(output) == b"INVALID_ARGUMENT"
