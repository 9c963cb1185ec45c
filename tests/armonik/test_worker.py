"""The worker: its sockets, its health, what it hands on, and its answers when all goes wrong."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import numpy as np
import pytest
from armonik.protogen.common.objects_pb2 import Empty
from armonik.protogen.common.worker_common_pb2 import HealthCheckReply, ProcessRequest
from armonik.protogen.worker.worker_service_pb2_grpc import WorkerStub

from pymonik import Pymonik, Task, get_context, task
from pymonik.emulator import Emulator
from pymonik.emulator.agents.worker import WorkerProcess
from pymonik.errors import ExecutorDied, TaskTimeout
from pymonik.runtime.worker.hosts import Hosts
from pymonik.runtime.worker.inputs import ContentCache
from pymonik.runtime.worker.logs import Clef
from pymonik.runtime.worker.server import target_of
from pymonik.runtime.worker.servicer import Servicer
from pymonik.values.content import Content
from pymonik.wire import envelope, error_text
from pymonik.wire.payloads import TaskPayload
from tests.armonik.conftest import RESTLESS, WORKER, Connect, started
from tests.conformance.programs import add, inc, note, pass_gate, square
from tests.conformance.seams import until
from tests.conftest import PATIENCE, REPOSITORY, Gate, Ledger, script_environment

# ----- sockets


@pytest.mark.parametrize(
    ("variables", "target"),
    [
        ({}, "unix:/cache/armonik_agent.sock"),
        ({"Address": "/cache/shared/a.sock"}, "unix:/cache/shared/a.sock"),
        ({"Address": "unix:///a.sock", "SocketType": "UnixDomainSocket"}, "unix:/a.sock"),
        ({"Address": "http://localhost:10666", "SocketType": "tcp"}, "localhost:10666"),
        ({"Address": "localhost:10666", "SocketType": "TCP"}, "localhost:10666"),
    ],
)
def test_sockets_are_those_that_armonik_names(variables: dict[str, str], target: str) -> None:
    named = {f"ComputePlane__AgentChannel__{key}": value for key, value in variables.items()}
    assert target_of(named, "Agent") == target


def test_an_unknown_kind_of_socket_is_an_error_that_lists_the_known() -> None:
    with pytest.raises(ValueError, match="unixdomainsocket or tcp"):
        target_of({"ComputePlane__WorkerChannel__SocketType": "pipe"}, "Worker")


@pytest.mark.parametrize("kind", ["tcp", "unixdomainsocket"])
def test_a_worker_serves_and_ends_when_it_is_told(tmp_path: Path, kind: str) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    if kind != "tcp":
        address = str(tmp_path / "worker.sock")
        with socket.socket(socket.AF_UNIX) as earlier:  # what a worker that was killed leaves
            earlier.bind(address)
    variables = _channel("Worker", address, kind) | _channel("Agent", str(tmp_path / "a"), "")
    with subprocess.Popen(WORKER, env=script_environment(**variables)) as process:
        with grpc.insecure_channel(target_of(variables, "Worker")) as channel:
            reply = WorkerStub(channel).HealthCheck(Empty(), wait_for_ready=True, timeout=60)
            assert reply.status == HealthCheckReply.SERVING
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _channel(side: str, address: str, kind: str) -> dict[str, str]:
    prefix = f"ComputePlane__{side}Channel__"
    return {prefix + "Address": address, prefix + "SocketType": kind}


# ----- health and processes


def hold_the_gil(begun: str, end: str) -> int:
    Path(begun).touch()
    array = np.random.default_rng(1).random(3_000_000)
    while not Path(end).exists():
        array.sort()
    return 1


def test_health_checks_are_answered_while_a_task_computes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, end = tmp_path / "begun", tmp_path / "end"
    healthy, answered = WorkerProcess.healthy, []

    def noted(self: WorkerProcess, *args: Any, **kwargs: Any) -> bool:
        is_healthy = begun.exists() and healthy(self, *args, **kwargs)
        answered.append(is_healthy)
        return is_healthy or healthy(self, *args, **kwargs)

    monkeypatch.setattr(WorkerProcess, "healthy", noted)
    with (
        started(partitions={"pymonik": 1}, probe_interval=0.05) as emulator,
        Pymonik(emulator.endpoint) as client,
    ):
        value = Task(hold_the_gil).invoke(str(begun), str(end))
        client.flush()
        until(lambda: sum(answered) > 3)
        end.touch()
        assert value.get() == 1


def test_workers_leave_no_process_behind(ledger: Ledger) -> None:
    def pids(path: str) -> None:
        with open(path, "a") as file:
            file.write(f"{os.getpid()} {os.getppid()}\n")

    with started() as emulator, Pymonik(emulator.endpoint, optimize=False):
        Task(pids).map_invoke([ledger.path] * 8).get()
    numbers = set(map(int, ledger.lines()))
    assert len(numbers) >= 2
    # An executor whose worker had to be killed ends a moment later.
    until(lambda: not any(map(lives, numbers)))


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_crash_is_retried_within_the_task(
    cluster: Emulator, connect: Connect, ledger: Ledger
) -> None:
    def die_once(path: str) -> int:
        with open(path, "a") as file:
            file.write("try\n")
        if len(Path(path).read_text().split()) == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return 7

    with connect():
        assert Task(die_once).invoke(ledger.path).get() == 7
    assert ledger.lines() == ["try", "try"]
    assert cluster.counters["Worker.Process"].requests == 1


def test_an_executor_that_leaks_is_replaced_between_tasks() -> None:
    def leak(megabytes: int) -> int:
        import builtins

        vars(builtins).setdefault("leaked", []).append(b"\1" * (megabytes << 20))
        return os.getpid()

    limit = {"PYMONIK_EXECUTOR_BYTES": str(300 << 20), "PYTHONPATH": str(REPOSITORY)}
    with started(partitions={"pymonik": 1}, environment=limit) as emulator:
        with Pymonik(emulator.endpoint):
            pids = [Task(leak).invoke(megabytes).get() for megabytes in (1, 1, 400, 1, 1)]
        said = emulator.worker_output()
    assert pids[0] == pids[1] == pids[2]
    assert pids[3] == pids[4] != pids[2]
    assert said.count("it is replaced") == 1


def test_a_call_that_kills_its_process_is_an_error_and_its_siblings_are_not(
    cluster: Emulator, connect: Connect
) -> None:
    def die_at_two(i: int) -> int:
        if i == 2:
            os._exit(3)
        return i

    with connect():
        handles = Task(die_at_two).map_invoke(range(4), pmk_chunk_size=4, pmk_max_retries=1)
        assert isinstance(handles[2].exception(), ExecutorDied)
        assert [handles[i].get() for i in (0, 1, 3)] == [0, 1, 3]
    assert cluster.counters["Worker.Process"].requests == 1


def test_a_time_limit_is_kept_within_the_task(cluster: Emulator, connect: Connect) -> None:
    with connect():
        slow = Task(time.sleep, func_name="slow").map_invoke(
            [0.0, 60.0, 0.0], pmk_chunk_size=3, pmk_max_duration=6.0
        )
        assert isinstance(slow[1].exception(), TaskTimeout)
        assert [slow[0].get(), slow[2].get()] == [None, None]
    assert cluster.counters["Worker.Process"].requests == 1


def test_retries_of_exceptions_stay_within_the_task(
    cluster: Emulator, connect: Connect, ledger: Ledger
) -> None:
    def third_time_lucky(path: str) -> int:
        with open(path, "a") as file:
            file.write("try\n")
        tries = len(Path(path).read_text().split())
        if tries < 3:
            raise OSError("not yet")
        return tries

    with connect():
        assert Task(third_time_lucky).invoke(ledger.path, pmk_retries=5).get() == 3
    assert cluster.counters["Worker.Process"].requests == 1


def test_a_cancelled_call_is_stopped_and_the_worker_goes_on(connect: Connect, gate: Gate) -> None:
    with connect():
        blocked = [pass_gate.invoke(gate.path, i) for i in range(2)]
        assert all([handle.cancel() for handle in blocked])
        assert add.map_invoke([(i, i) for i in range(4)]).get() == [0, 2, 4, 6]


# ----- what is handed on


def test_an_overlong_unit_hands_its_rest_back(ledger: Ledger) -> None:
    def slow(path: str, i: int) -> int:
        time.sleep(0.05)
        with open(path, "a") as file:
            file.write(f"{i}\n")
        return i * i

    with started(environment=RESTLESS) as cluster:
        with Pymonik(cluster.endpoint):
            values = Task(slow).map_invoke([(ledger.path, i) for i in range(24)], pmk_chunk_size=24)
            assert values.get() == [i * i for i in range(24)]
        assert cluster.counters["Worker.Process"].requests > 2
    assert sorted(map(int, ledger.lines())) == list(range(24))


@task
def countdown(n: int) -> Any:
    return n if n == 0 else countdown.invoke(n - 1)


@task
def both(x: int) -> Any:
    return {"square": square.invoke(x), "next": [inc.invoke(x), 7]}


@task
def either(x: int) -> Any:
    return square.invoke(x) if x % 2 else x


@task
def spawn(path: str) -> str:
    note.invoke(path, "spawned")
    return "done"


def test_as_written_a_handle_returned_is_one_task_more(cluster: Emulator, connect: Connect) -> None:
    with connect(optimize=False):
        assert countdown.invoke(5).get() == 0
    assert cluster.counters["Worker.Process"].requests == 6


def test_handles_within_a_value_are_put_together(connect: Connect) -> None:
    with connect():
        assert both.invoke(3).get() == {"square": 9, "next": [4, 7]}


def test_elements_that_delegate_stand_beside_those_that_do_not(connect: Connect) -> None:
    with connect():
        values = either.map_invoke(range(10), pmk_chunk_size=5)
        doubled = add.map_invoke([(v, v) for v in values])
        assert doubled.get() == [2 * (x * x if x % 2 else x) for x in range(10)]


def test_a_unit_of_several_elements_may_delegate_after_all(connect: Connect) -> None:
    def call(task_: Any, x: int) -> Any:
        return getattr(task_, "inv" + "oke")(x)

    with connect():
        values = Task(call).map_invoke([(square, x) for x in range(6)], pmk_chunk_size=6)
        assert values.get() == [0, 1, 4, 9, 16, 25]


def test_the_block_waits_for_calls_nobody_returned(
    cluster: Emulator, connect: Connect, ledger: Ledger
) -> None:
    with connect():
        assert spawn.invoke(ledger.path).get() == "done"
    assert ledger.lines() == ["spawned"]


def test_an_input_of_the_parent_is_not_stored_again_for_its_sub_tasks(
    cluster: Emulator, connect: Connect
) -> None:
    big = np.arange(1 << 17)

    def sizes(array: Any) -> Any:
        from tests.conformance.programs import identity

        return [identity.invoke(len(array)), identity.invoke(array[:3].tolist())]

    with connect():
        assert Task(sizes).invoke(big).get() == [1 << 17, [0, 1, 2]]


def test_sub_tasks_have_the_environment_of_their_parent(connect: Connect, tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("VALUE = 41\n")

    def look() -> Any:
        import beside

        return beside.VALUE, os.environ["PYMONIK_TEST_VARIABLE"]

    looking = Task(look)

    def outer() -> Any:
        return [looking.invoke(), looking.invoke()]

    environment = {"env_variables": {"PYMONIK_TEST_VARIABLE": "set"}, "working_dir": str(tmp_path)}
    with connect(environment=environment):
        assert Task(outer).invoke().get() == [(41, "set")] * 2


# ----- the low-level handler, logs


@task(require_context=True)
def use_handler(ctx: Any, text: str) -> Any:
    handler = ctx.task_handler
    made = handler.create_results({"note": text.encode()})
    return ctx.is_local, handler.session_id, made["note"].result_id, handler.task_id


def test_the_task_handler_works(cluster: Emulator, connect: Connect) -> None:
    with connect() as client:
        is_local, session_id, result_id, task_id = use_handler.invoke("low level").get()
        assert not is_local
        assert session_id == client.session_id
        assert task_id
        assert client.parts.engine.backend._session.download(result_id) == b"low level"  # type: ignore


def test_a_log_is_one_line_of_json_with_its_keywords() -> None:
    def talk() -> None:
        get_context().logger.warning("hello", colour="red")

    with started() as emulator:
        with Pymonik(emulator.endpoint):
            Task(talk).invoke().get()
        lines = [line for line in emulator.worker_output().splitlines() if "hello" in line]
    [logged] = map(json.loads, lines)
    assert (logged["@l"], logged["colour"], logged["task"]) == ("Warning", "red", "talk")


# ----- answers when all goes wrong


def answer(folder: Path, payload: bytes, **files: bytes) -> str:
    """Let a servicer process a request without an agent; give its error."""
    (folder / "payload").write_bytes(payload)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    request = ProcessRequest(
        payload_id="payload",
        data_folder=str(folder),
        data_dependencies=list(files),
        expected_output_keys=["out"],
    )
    hosts = Hosts("test")
    reply = Servicer(SimpleNamespace(), "unix:none", hosts).Process(request, SimpleNamespace())
    hosts.close()
    return str(reply.output.error.details)


def order(**fields: Any) -> bytes:
    given = {
        "program": b"",
        "name": "f",
        "n": 1,
        "outputs": 1,
        "digests": (),
        "output_digest": bytes(20),
    }
    parts = envelope.seal_payload(TaskPayload(**{**given, **fields}))
    return b"".join(parts)


def test_a_payload_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    assert "not written by PymoniK" in answer(tmp_path, b"garbage" * 20)


def test_a_payload_of_another_version_says_what_to_do(tmp_path: Path) -> None:
    changed = bytearray(order())
    changed[4] = 99
    assert "use the same PymoniK" in answer(tmp_path, bytes(changed))


def test_another_python_is_refused_before_anything_is_unpickled(tmp_path: Path) -> None:
    changed = bytearray(order())
    changed[5] = sys.version_info.minor + 1
    changed[-20:] = b"\0" * 20
    assert answer(tmp_path, bytes(changed)).startswith("the client runs Python 3.")


def test_an_input_that_was_mixed_up_is_found(tmp_path: Path) -> None:
    other = b"".join(envelope.seal_content(Content(b"other")))
    told = answer(tmp_path, order(digests=(Content(b"meant").digest,)), blob=other)
    assert "not the expected one" in told


@pytest.mark.parametrize("inputs", [{}, {"a": b"x", "b": b"y"}])
def test_inputs_that_are_missing_or_too_many_are_found(
    tmp_path: Path, inputs: dict[str, bytes]
) -> None:
    told = answer(tmp_path, order(digests=(Content(b"meant").digest,)), **inputs)
    assert "takes 1" in told


def test_an_empty_input_says_that_it_was_never_stored(tmp_path: Path) -> None:
    told = answer(tmp_path, order(digests=(Content(b"meant").digest,)), blob=b"")
    assert "never stored" in told


def test_contents_are_kept_by_digest_within_a_budget() -> None:
    cache = ContentCache(limit=2500)
    contents = [Content(bytes([i]) * 1000) for i in range(3)]
    opened = [envelope.unseal(b"".join(envelope.seal_content(c))) for c in contents]
    first, second = cache.content(opened[0]), cache.content(opened[1])
    assert cache.content(opened[0]) is first
    cache.content(opened[2])
    assert cache.content(opened[0]) is first
    assert cache.content(opened[1]) is not second


def test_the_program_of_the_image_is_a_worker() -> None:
    main = (sys.executable, str(REPOSITORY / "worker" / "main.py"))
    with started(worker=main, partitions={"pymonik": 1}) as emulator, Pymonik(emulator.endpoint):
        assert add.invoke(1, 2).get() == 3


def test_the_command_line_is_a_worker() -> None:
    command = (sys.executable, "-m", "pymonik", "worker")
    with started(worker=command, partitions={"pymonik": 1}) as emulator, Pymonik(emulator.endpoint):
        assert add.invoke(1, 2).get() == 3


def test_a_line_of_the_log_is_json_with_fields_apart() -> None:
    record = logging.makeLogRecord(
        {
            "name": "pymonik.task",
            "levelno": logging.WARNING,
            "levelname": "WARNING",
            "msg": "f[3]: read {rows}",
            "created": 0.25,
            "msecs": 250.0,
            "exc_text": "Traceback …",
            "pymonik": {"task": "f", "element": 3, "rows": 12, "@id": "x"},
            "pymonik_text": "read {rows}",
        }
    )
    assert json.loads(Clef().format(record)) == {
        "@t": "1970-01-01T00:00:00.250Z",
        "@l": "Warning",
        "@m": "read {rows}",
        "@x": "Traceback …",
        "logger": "pymonik.task",
        "task": "f",
        "element": 3,
        "rows": 12,
        "@@id": "x",
    }


def test_an_engine_that_has_failed_is_not_asked_again() -> None:
    hosts = Hosts("test")
    order: Any = SimpleNamespace(slots=1, optimize=True)
    first = hosts.host_for(order).host
    assert hosts.host_for(order).host is first
    first.prepare(0)
    first.close()
    assert hosts.host_for(order).host is not first
    hosts.close()


def test_an_answer_is_cut_to_the_bytes_it_may_have() -> None:
    text = error_text.short("é" * error_text.LIMIT)
    assert error_text.LIMIT - 8 < len(text.encode()) <= error_text.LIMIT
    assert text.startswith("éé")
    assert text.endswith("éé")
