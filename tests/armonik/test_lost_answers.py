"""Answers that are lost, of every method: of the control plane, and of an agent to its worker."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import pytest
from armonik.protogen.common.session_status_pb2 import SESSION_STATUS_RUNNING

from pymonik import Pymonik, task
from pymonik.backend.armonik.backend import ClusterBackend
from pymonik.backend.armonik.opening import Opening
from pymonik.backend.armonik.rpc import RpcClient
from pymonik.backend.armonik.session import Session
from pymonik.emulator import CutStream, DropAfter, DropBefore, Emulator
from pymonik.errors import Cancelled, ClusterError
from tests.armonik.conftest import Connect
from tests.conformance.programs import inc, note, pass_gate
from tests.conftest import Gate, Ledger

LOST = [DropBefore(), DropAfter()]
_fresh = itertools.count()


@task
def fail(text: str) -> Any:
    raise ValueError(text)


# Declared long: what is known to be short, in beats of an hour, would run in the task that made it.
@task(cost=1e6)
def noted_block(path: str, number: int, size: int) -> bytes:
    note(path, f"block{number}")
    return bytes([number]) * size


@task
def noted_blocks(path: str, n: int, size: int) -> Any:
    note(path, "blocks")
    calls = [(path, number, size) for number in range(n)]
    return list(noted_block.map_invoke(calls, pmk_chunk_size=n))


@task
def noted_sum(path: str, several: list[bytes], one: bytes) -> int:
    note(path, "sum")
    return sum(map(len, several)) + one[0]


# ----- the control plane

METHODS = (
    "ListPartitions",
    "CreateSession",
    "CreateResultsMetaData",
    "CreateResults",
    "UploadResultData",
    "SubmitTasks",
    "GetEvents",
    "ListResults",
    "DownloadResultData",
    "GetTask",
    "CancelTasks",
    "CountTasksByStatus",
    "CloseSession",
    "GetSession",
    "StopSubmission",
)


@pytest.mark.parametrize("fault", LOST, ids=repr)
@pytest.mark.parametrize("method", METHODS)
def test_a_lost_answer_of_any_method_changes_nothing(
    cluster: Emulator,
    connect: Connect,
    ledger: Ledger,
    gate: Gate,
    method: str,
    fault: Any,
) -> None:
    cluster.faults.add(method, fault)
    with connect() as client:
        arrays = [np.full(1 << 20, number) for number in range(2)]
        sums = [int(task(np.sum).invoke(array).get()) for array in arrays]
        assert sums == [0, 1 << 20]
        assert note.map_invoke([(ledger.path, i, i) for i in range(5)]).get() == list(range(5))
        assert isinstance(fail.invoke("told").exception(), ValueError)
        blocked = pass_gate.invoke(gate.path)
        client.flush()
        assert blocked.cancel()
        assert isinstance(blocked.exception(), Cancelled)
    with connect(detach=True) as away:
        inc.invoke(6, pmk_name="seven")
    with Pymonik.attach(away.session_id, cluster.endpoint) as other:
        assert other.lookup("seven").get() == 7
    assert sorted(ledger.lines()) == ["0", "1", "2", "3", "4"]
    assert not len(cluster.faults)


@pytest.mark.parametrize("fault", LOST, ids=repr)
def test_a_lost_answer_to_the_cancelling_of_a_session(
    cluster: Emulator, connect: Connect, gate: Gate, fault: Any
) -> None:
    cluster.faults.add("CancelSession", fault)

    def leave_early() -> None:
        with connect() as client:
            pass_gate.invoke(gate.path)
            client.flush()
            raise KeyError

    with pytest.raises(KeyError):
        leave_early()
    assert not len(cluster.faults)
    with connect():
        assert inc.invoke(1).get() == 2


# ----- agents


@pytest.mark.parametrize("fault", LOST, ids=repr)
@pytest.mark.parametrize(
    ("method", "runs"),
    [
        ("CreateResultsMetaData", 1),
        ("NotifyResultData", 1),
        ("GetResourceData", 1),
        # Sent again, the sub-tasks might run twice: the task is given back, and runs again alone.
        ("SubmitTasks", 2),
    ],
)
def test_a_lost_answer_of_an_agent_loses_nothing(
    cluster: Emulator, connect: Connect, ledger: Ledger, method: str, runs: int, fault: Any
) -> None:
    cluster.faults.add(f"Agent.{method}", fault)
    size = 100_000 + next(_fresh)
    with connect(partition=["pymonik", "other"]) as client:
        several = noted_blocks.invoke(ledger.path, 3, size)
        made = [(ledger.path, 10 + number, size) for number in range(3)]
        others = noted_block.map_invoke(made, pmk_chunk_size=3, pmk_partition="other")
        client.flush()
        assert noted_sum.invoke(ledger.path, several, others[1]).get() == 3 * size + 11
    counted = Counter(ledger.lines())
    assert counted.pop("blocks") == runs
    assert set(counted.values()) == {1}
    assert not len(cluster.faults)


def test_an_agent_that_stays_silent_has_its_task_given_back(
    cluster: Emulator, connect: Connect, ledger: Ledger
) -> None:
    cluster.faults.add("Agent.NotifyResultData", DropBefore(), times=5)
    with connect():
        assert noted_sum.invoke(ledger.path, [b"x"], b"\1").get() == 2
    assert ledger.lines() == ["sum", "sum"]
    assert cluster.counters["Worker.Process"].requests == 2


def test_a_refusal_of_an_agent_is_an_error_at_once(
    cluster: Emulator, connect: Connect, ledger: Ledger
) -> None:
    cluster.faults.add("Agent.NotifyResultData", DropBefore("INVALID_ARGUMENT"))
    with connect():
        error = noted_sum.invoke(ledger.path, [b"x"], b"\1").exception()
    assert "INVALID_ARGUMENT" in str(error)
    assert ledger.lines() == ["sum"]


# ----- streams of events


def test_a_stream_cut_after_every_message_loses_none(cluster: Emulator, connect: Connect) -> None:
    cluster.faults.add("GetEvents", CutStream(after=1), times=4)
    with connect(optimize=False):
        assert inc.map_invoke(range(10)).get() == list(range(1, 11))


# ----- sessions that nobody knows


@pytest.fixture
def running(cluster: Emulator) -> Callable[[], list[str]]:
    """Ids of the sessions that were created during the test and have not ended."""
    before = {session.session_id for session in _sessions(cluster)}

    def found() -> list[str]:
        made = [s for s in _sessions(cluster) if s.session_id not in before]
        return [s.session_id for s in made if s.status == SESSION_STATUS_RUNNING]

    return found


def _sessions(cluster: Emulator) -> list[Any]:
    from armonik.protogen.client.sessions_service_pb2_grpc import SessionsStub

    from pymonik.backend.armonik import messages
    from pymonik.backend.armonik.opening import SESSION_TAG

    request = messages.list_sessions(SESSION_TAG, "")
    request.filters.Clear()
    request.page_size = 10_000  # of all tests that share the cluster
    with grpc.insecure_channel(cluster.endpoint) as channel:
        return list(SessionsStub(channel).ListSessions(request).sessions)


@pytest.mark.parametrize("code", ["UNAVAILABLE", "DEADLINE_EXCEEDED", "UNKNOWN", "INTERNAL"])
@pytest.mark.parametrize("after", [True, False], ids=["answer", "request"])
def test_a_session_whose_answer_is_lost_is_found_again(
    cluster: Emulator, connect: Connect, running: Any, code: str, after: bool
) -> None:
    cluster.faults.add("CreateSession", DropAfter(code) if after else DropBefore(code))
    if after or code in ("UNAVAILABLE", "DEADLINE_EXCEEDED"):
        with connect() as client:
            assert inc.invoke(1).get() == 2
            assert running() == [client.session_id]
    else:  # it failed at this very request
        with pytest.raises(ClusterError):
            connect().create()
    assert not running()


def test_a_session_that_comes_too_late_is_cancelled(
    cluster: Emulator, connect: Connect, running: Any
) -> None:
    """Its answer is lost, and so is the first look for it."""
    cluster.faults.add("CreateSession", DropAfter())
    hide = Opening._tagged
    looks = itertools.count()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Opening, "_tagged", lambda *given: hide(*given) if next(looks) else [])
        with connect():
            assert inc.invoke(1).get() == 2
    assert next(looks) == 2
    assert not running()


def test_a_session_whose_creation_is_interrupted_is_not_left(
    connect: Connect, running: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = RpcClient.once

    def interrupted(line: RpcClient, method: Any, *given: Any) -> Any:
        answer = once(line, method, *given)
        if b"CreateSession" in method._method:
            raise KeyboardInterrupt
        return answer

    monkeypatch.setattr(RpcClient, "once", interrupted)
    with pytest.raises(KeyboardInterrupt):
        connect().create()
    assert not running()


@pytest.mark.parametrize(("owner", "name"), [(Session, "_begin"), (ClusterBackend, "__init__")])
def test_a_session_that_was_created_is_not_left_when_ctrl_c_follows(
    connect: Connect, running: Any, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str
) -> None:
    def interrupted(*given: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(owner, name, interrupted)
    with pytest.raises(KeyboardInterrupt):
        connect().create()
    assert not running()
