"""What surprises in ArmoniK, seen by the stock client: each surprise of the server is a test."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from armonik.common import ResultStatus, SessionStatus, TaskStatus

from pymonik.emulator import Emulator
from pymonik.emulator.state.events import Idle
from tests.emulator.plain_cluster import (
    Client,
    Gate,
    code,
    emulator,
    eventually,
    options,
    plain_worker,
)
from tests.emulator.test_events import NEW_RESULT, subscribe


def test_closing_a_session_kills_the_work_that_has_not_started(lenient: Client, gate: Gate) -> None:
    running, kept = lenient.run("wait", path=gate.path, text="kept")
    eventually(lambda: lenient.task_status(running) == TaskStatus.PROCESSING)
    queued, lost = lenient.run("concat")
    lenient.sessions.close_session(lenient.session)
    gate.open()
    assert lenient.value(kept) == b"kept"
    assert lenient.ended(queued).status == TaskStatus.CANCELLED
    assert lenient.status(lost) == ResultStatus.ABORTED
    with pytest.raises(grpc.RpcError) as refused:
        lenient.run("concat")
    assert code(refused.value) == "FAILED_PRECONDITION"


def test_stopping_submission_lets_accepted_work_finish(strict: Client, gate: Gate) -> None:
    _, first = strict.run("wait", path=gate.path, text="a")
    _, second = strict.run("concat", first, text="b")
    strict.sessions.stop_submission_session(strict.session, client=True, worker=False)
    gate.open()
    assert strict.value(second) == b"ab"


def test_the_payload_of_an_ended_task_is_deleted(strict: Client) -> None:
    payload = strict.program("concat", text="x")
    (output,) = strict.declare("output")
    strict.ended(strict.submit(payload, output))
    assert strict.status(payload) == ResultStatus.DELETED
    with pytest.raises(grpc.RpcError) as missing:
        strict.results.download_result_data(payload, strict.session)
    assert code(missing.value) == "NOT_FOUND"


def test_tasks_that_share_a_payload_break_each_other(lenient: Client, gate: Gate) -> None:
    payload = lenient.program("wait", path=gate.path, text="x")
    first, second = lenient.declare("first", "second")
    lenient.submit(payload, first)
    late = lenient.submit(payload, second)
    gate.open()
    assert lenient.value(first) == b"x"
    ended = lenient.ended(late)
    assert ended.status == TaskStatus.ERROR
    assert ended.retry_of_ids == []
    assert payload in ended.output.error


def test_a_payload_of_manual_deletion_can_be_shared_and_never_goes(strict: Client) -> None:
    payload = strict.put(b'{"do": "concat", "text": "x"}', manual_deletion=True)
    outputs = strict.declare("first", "second")
    for output in outputs:
        strict.submit(payload, output)
    assert [strict.value(output) for output in outputs] == [b"x", b"x"]
    strict.results.delete_result_data([payload], strict.session)
    assert strict.status(payload) == ResultStatus.COMPLETED


@pytest.mark.parametrize(
    ("generation", "duration", "retries"), [("HEAD", 7.0, 5), ("0.37.2", 60.0, 1)]
)
def test_limits_given_with_a_submission_count_only_in_later_servers(
    generation: str, duration: float, retries: int
) -> None:
    with emulator(generation=generation) as started, Client(started.endpoint) as client:
        given = options(max_duration=timedelta(seconds=7), max_retries=5, priority=2)
        (output,) = client.declare("output")
        client.submit(client.program("describe"), output, options=given)
        described = json.loads(client.value(output))
        assert (described["max_duration"], described["max_retries"]) == (duration, retries)
        assert described["priority"] == 2


def test_an_input_named_twice_fails_without_a_reason(lenient: Client) -> None:
    data = lenient.put(b"x")
    with pytest.raises(grpc.RpcError) as refused:
        lenient.run("concat", data, data)
    assert code(refused.value) == "UNKNOWN"
    assert data not in str(refused.value.details())


def test_strict_gives_the_reason(strict: Client) -> None:
    data = strict.put(b"x")
    with pytest.raises(grpc.RpcError, match=f"'{data}' is listed twice"):
        strict.run("concat", data, data)


def test_an_answer_with_an_error_is_final_and_its_text_reaches_every_dependent(
    strict: Client,
) -> None:
    first_output, next_output, last_output = strict.declare("first", "next", "last")
    # Consumers first: a consumer submitted after the failure would be refused.
    last = strict.submit(strict.program("concat"), last_output, [next_output])
    middle = strict.submit(strict.program("concat"), next_output, [first_output])
    failing = strict.submit(strict.program("error", text="no luck"), first_output)
    assert strict.ended(failing).output.error == "no luck"
    for task in (middle, last):
        assert strict.ended(task).output.error == f"Task {failing} failed:\nno luck"
    assert strict.status(last_output) == ResultStatus.ABORTED


@pytest.mark.parametrize("how", ["raise", "die"])
def test_n_retries_are_n_plus_one_attempts(strict: Client, how: str) -> None:
    (output,) = strict.declare("output")
    task = strict.submit(strict.program(how), output, options=options(max_retries=2))
    eventually(lambda: strict.status(output) == ResultStatus.ABORTED)
    statuses = [strict.task_status(f"{task}{n}") for n in ("", "###1", "###2")]
    assert statuses == [TaskStatus.RETRIED, TaskStatus.RETRIED, TaskStatus.ERROR]
    last = strict.tasks.get_task(f"{task}###2")
    assert last.initial_task_id == task
    assert last.retry_of_ids == [task, f"{task}###1"]


def test_a_worker_that_dies_is_replaced_and_its_task_runs_again(
    strict: Client, tmp_path: Path
) -> None:
    _, output = strict.run("die_once", path=str(tmp_path / "died"), text="alive")
    assert strict.value(output) == b"alive"


def test_a_silent_success_leaves_its_output_created_for_ever(lenient: Client) -> None:
    task, output = lenient.run("nothing")
    dependent, _ = lenient.run("concat", output)
    assert lenient.ended(task).status == TaskStatus.COMPLETED
    assert lenient.status(output) == ResultStatus.CREATED
    assert lenient.task_status(dependent) == TaskStatus.PENDING


def test_strict_fails_a_silent_success(strict: Client) -> None:
    task, output = strict.run("nothing")
    ended = strict.ended(task)
    assert ended.status == TaskStatus.ERROR
    assert f"'{output}' was neither sent nor delegated" in ended.output.error


def test_strict_fails_what_waits_for_a_result_that_nobody_owes(
    strict_emulator: Emulator, strict: Client
) -> None:
    (never,) = strict.declare("never")
    task, _ = strict.run("concat", never)
    eventually(lambda: strict.task_status(task) == TaskStatus.PENDING)
    strict_emulator.engine.apply(Idle(strict.session))  # as its clock would, in time
    assert "no task makes, and no client uploads input" in strict.ended(task).output.error


def test_purging_a_running_session_deletes_first_and_refuses_then(lenient: Client) -> None:
    data = lenient.put(b"precious")
    with pytest.raises(grpc.RpcError) as refused:
        lenient.sessions.purge_session(lenient.session)
    assert code(refused.value) == "FAILED_PRECONDITION"
    assert lenient.status(data) == ResultStatus.DELETED
    assert lenient.sessions.get_session(lenient.session).status == SessionStatus.RUNNING


@pytest.mark.parametrize("is_strict", [True, False])
def test_a_worker_with_one_thread_is_deaf_during_a_task_and_gets_restarted(
    is_strict: bool, gate: Gate
) -> None:
    deaf = emulator(
        worker=plain_worker(threads=1), strict=is_strict, probe_interval=0.05, probe_timeout=1.0
    )
    with deaf, Client(deaf.endpoint) as client:
        eventually(lambda: deaf.worker_pids)
        before = deaf.worker_pids
        task, _ = client.run("wait", path=gate.path)
        eventually(lambda: deaf.worker_pids and deaf.worker_pids != before)
        if is_strict:
            assert "health check" in client.ended(task).output.error
        else:
            # No retry was consumed: the same task starts again, and again.
            assert client.tasks.get_task(task).retry_of_ids == []
            assert client.task_status(task) not in (TaskStatus.ERROR, TaskStatus.RETRIED)


def test_a_worker_that_answers_during_a_task_is_left_alone(gate: Gate) -> None:
    probing = emulator(probe_interval=0.02)
    with probing, Client(probing.endpoint) as client:
        task, output = client.run("wait", path=gate.path, text="x")
        eventually(lambda: client.task_status(task) == TaskStatus.PROCESSING)
        before = probing.worker_pids
        gate.open()
        assert client.value(output) == b"x"
        assert probing.worker_pids == before


def test_records_are_lost_when_they_get_too_old() -> None:
    with emulator() as started, Client(started.endpoint) as client:
        data = client.put(b"x")
        started.expire()
        for lost in (
            lambda: client.results.get_result(data),
            lambda: client.sessions.get_session(client.session),
        ):
            with pytest.raises(grpc.RpcError) as missing:
                lost()
            assert code(missing.value) == "NOT_FOUND"


def test_a_deadline_ends_the_task_without_a_retry(strict: Client, gate: Gate) -> None:
    (output,) = strict.declare("output")
    short = options(max_duration=timedelta(milliseconds=100))
    task = strict.submit(strict.program("wait", path=gate.path), output, options=short)
    assert strict.ended(task).status == TaskStatus.TIMEOUT
    assert strict.status(output) == ResultStatus.ABORTED


def test_a_time_limit_of_zero_is_over_at_once() -> None:
    none = {"max_duration": timedelta()}
    with emulator(strict=False) as started, Client(started.endpoint, options=none) as client:
        ended = client.ended(client.run("concat", text="x")[0])
        assert (ended.status, ended.output.error) == (TaskStatus.TIMEOUT, "Deadline Exceeded")
        assert ended.retry_of_ids == []


def test_the_control_plane_stops_after_too_many_faults() -> None:
    faulty = emulator(strict=False, max_errors=2, exit_delay=0)
    with faulty as started, Client(started.endpoint) as client:
        stream = subscribe(client, NEW_RESULT)
        data = client.put(b"x")
        payload, (output,) = client.program("concat"), client.declare("output")

        def refusal() -> str:
            with pytest.raises(grpc.RpcError) as refused:
                client.submit(payload, output, [data, data])
            return code(refused.value)

        assert [refusal() for _ in range(2)] == ["UNKNOWN"] * 2
        # The third is one too many: with no delay, the exit may overtake even its answer.
        eventually(lambda: refusal() == "UNAVAILABLE")
        with pytest.raises(grpc.RpcError) as cut:
            list(stream)
        assert code(cut.value) in ("UNAVAILABLE", "CANCELLED")
        started.start_control_plane()
        eventually(lambda: answers(client))
        assert refusal() == "UNKNOWN"


def test_good_answers_make_up_for_faults() -> None:
    faulty = emulator(strict=False, max_errors=2, exit_delay=0)
    with faulty as started, Client(started.endpoint) as client:
        data = client.put(b"x")
        payload, (output,) = client.program("concat"), client.declare("output")
        for _ in range(6):
            with pytest.raises(grpc.RpcError) as refused:
                client.submit(payload, output, [data, data])
            assert code(refused.value) == "UNKNOWN"
            client.declare("good")


def answers(client: Client) -> bool:
    try:
        client.all_results()
    except grpc.RpcError:
        return False
    return True


def test_nothing_is_left_behind(strict_emulator: Emulator) -> None:
    with emulator(partitions={"main": 2}) as started:
        eventually(lambda: len(started.worker_pids) == 2)
        pids = started.worker_pids
        folder = started.folder
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert not folder.exists()


@pytest.mark.parametrize("generation", ["HEAD", "0.37.2"])
def test_a_consumer_submitted_after_its_input_was_aborted(generation: str) -> None:
    served = emulator(generation=generation, idle_grace=0.2)
    with served as started, Client(started.endpoint) as client:
        failing, output = client.run("error", text="too early")
        client.ended(failing)
        if generation == "HEAD":
            with pytest.raises(grpc.RpcError) as refused:
                client.run("concat", output)
            assert code(refused.value) == "FAILED_PRECONDITION"
        else:
            waiting, _ = client.run("concat", output)
            error = client.ended(waiting).output.error
            assert f"input '{output}' is ABORTED" in error
            assert "PENDING for ever" in error
