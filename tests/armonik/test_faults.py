"""Every fault of the cluster is survived: nothing lost, nothing run twice without need."""

from __future__ import annotations

import asyncio
import queue
import re
import socket
from typing import Any

import numpy as np
import pytest

from pymonik import Pymonik, task
from pymonik.backend.armonik import opening, rpc
from pymonik.backend.armonik.stalls import StallGuard
from pymonik.backend.armonik.submit import Sender
from pymonik.emulator import (
    CutStream,
    Delay,
    DropAfter,
    DropBefore,
    Emulator,
    FailUpload,
    KillWorker,
    SilentStream,
    SlowUpload,
)
from pymonik.errors import BackendError, ClusterError, ClusterUnreachable, ExecutorDied
from tests.armonik.conftest import HURRIED, Connect, started
from tests.conformance.programs import add, inc, note, pass_gate, square
from tests.conftest import Gate, Ledger, Set


@task
def length(array: Any) -> int:
    return len(array)


@task
def size_of(values: Any) -> int:
    return sum(map(len, values))


CALLS = (
    "ListPartitions",
    "CreateSession",
    "CreateResultsMetaData",
    "CreateResults",
    "SubmitTasks",
    "CountTasksByStatus",
    "CloseSession",
)


@pytest.mark.parametrize("method", CALLS)
@pytest.mark.parametrize("fault", [DropBefore(), DropAfter(), Delay(0.05)], ids=repr)
def test_a_request_lost_before_or_after_its_effect_changes_nothing(
    cluster: Emulator, connect: Connect, ledger: Ledger, method: str, fault: Any
) -> None:
    cluster.faults.add(method, fault)
    with connect():
        noted = note.map_invoke([(ledger.path, i, i) for i in range(20)])
        assert noted.get() == list(range(20))
    assert sorted(map(int, ledger.lines())) == list(range(20))
    assert not len(cluster.faults)


@pytest.mark.parametrize("fault", [DropBefore(), DropAfter()], ids=repr)
def test_every_chunk_of_a_large_submission_arrives_once(
    cluster: Emulator, connect: Connect, fault: Any, ledger: Ledger, set_settings: Set
) -> None:
    set_settings(submit_units=20)
    cluster.faults.add("SubmitTasks", fault, at=2)
    with connect(optimize=False):
        noted = note.map_invoke([(ledger.path, i, i) for i in range(30)])
        assert noted.get() == list(range(30))
    assert len(ledger.lines()) == 30
    assert cluster.counters["SubmitTasks"].requests == (3 if fault == DropBefore() else 2)


@pytest.mark.parametrize("code", ["UNKNOWN", "INTERNAL"])
def test_a_server_that_failed_is_not_asked_to_fail_again(
    cluster: Emulator, connect: Connect, code: str
) -> None:
    cluster.faults.add("SubmitTasks", DropBefore(code))
    with pytest.raises(ClusterError, match=f"SubmitTasks.*{code}"), connect():
        add.invoke(1, 2).get()
    assert cluster.counters["SubmitTasks"].requests == 1


def test_the_answer_of_a_failed_server_is_looked_behind(
    cluster: Emulator, connect: Connect
) -> None:
    cluster.faults.add("SubmitTasks", DropAfter("UNKNOWN"))
    with connect():
        assert add.invoke(1, 2).get() == 3
    assert cluster.counters["SubmitTasks"].requests == 1


@pytest.mark.parametrize("code", [None, "UNAVAILABLE", "INTERNAL", "DEADLINE_EXCEEDED"])
def test_an_event_stream_that_is_cut_is_opened_again(
    cluster: Emulator, connect: Connect, code: str | None
) -> None:
    for number in range(1, 4):
        cluster.faults.add("GetEvents", CutStream(after=number, code=code), at=number)
    with connect(optimize=False):
        assert inc.map_invoke(range(30)).get() == list(range(1, 31))
    assert cluster.counters["GetEvents"].requests > 3


def test_results_are_asked_for_when_no_event_comes(cluster: Emulator, connect: Connect) -> None:
    cluster.faults.add("GetEvents", DropBefore("PERMISSION_DENIED"), times=1000)
    with connect():
        assert square.invoke(add.invoke(1, 2)).get() == 9
    assert cluster.counters["ListResults"].requests > 0


@pytest.mark.parametrize("fault", [FailUpload(after=0), FailUpload(after=3), SlowUpload(0.01)])
def test_a_broken_upload_is_repeated(cluster: Emulator, connect: Connect, fault: Any) -> None:
    cluster.faults.add("UploadResultData", fault)
    with connect():
        arrays = [np.full(1 << 20, float(i)) for i in range(3)]
        assert [length.invoke(array).get() for array in arrays] == [1 << 20] * 3


@pytest.mark.parametrize("after", [0, 1])
def test_a_broken_download_is_repeated(cluster: Emulator, connect: Connect, after: int) -> None:
    cluster.faults.add("DownloadResultData", CutStream(after=after, code="UNAVAILABLE"), times=2)
    with connect():
        assert task(bytes).invoke(5 << 20).get() == bytes(5 << 20)


def test_a_download_that_ends_early_is_not_taken_for_the_value(
    cluster: Emulator, connect: Connect
) -> None:
    cluster.faults.add("DownloadResultData", CutStream(after=1))
    with connect():
        assert task(bytes).invoke(5 << 20).get() == bytes(5 << 20)


@pytest.mark.parametrize("after", [0, 1])
def test_a_download_on_which_nothing_comes_any_more_is_cut_and_repeated(
    cluster: Emulator, connect: Connect, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    limits, answers = iter([0.1]), StallGuard.answers
    monkeypatch.setattr(
        StallGuard, "answers", lambda self, call, long: answers(self, call, next(limits, long))
    )
    cluster.faults.add("DownloadResultData", SilentStream(after=after))
    with connect():
        assert task(bytes).invoke(3 << 20).get(timeout=60) == bytes(3 << 20)
        assert cluster.counters["DownloadResultData"].requests == 2


@pytest.mark.parametrize("at", [1, 2, 5])
def test_a_killed_worker_loses_nothing(
    cluster: Emulator, connect: Connect, ledger: Ledger, at: int
) -> None:
    cluster.faults.add("Worker.Process", KillWorker(), at=at)
    with connect(optimize=False):
        values = [note.invoke(ledger.path, i, i) for i in range(8)]
        assert size_of.invoke([[v] for v in values]).get() == 8
        assert [v.get() for v in values] == list(range(8))
    assert len(ledger.lines()) <= 9


def test_a_worker_killed_over_and_over_is_an_error_that_says_so(
    cluster: Emulator, connect: Connect, gate: Gate
) -> None:
    cluster.faults.add("Worker.Process", KillWorker(0.2), times=4)
    with connect():
        blocked = pass_gate.invoke(gate.path)
        with pytest.raises(ExecutorDied, match="the cluster ended its task"):
            blocked.get()


@pytest.mark.usefixtures("hasty")
def test_no_control_plane_is_an_error_within_seconds() -> None:
    with pytest.raises(ClusterUnreachable, match=r"127\.0\.0\.1:1.*cannot be reached"):
        Pymonik("127.0.0.1:1").create()


@pytest.mark.usefixtures("hasty")
def test_a_port_that_never_says_a_word_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (rpc, opening):
        monkeypatch.setattr(module, "deadline_of", lambda size=0, patience=None: 1.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        endpoint = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(ClusterError, match=re.escape(endpoint)):
            Pymonik(endpoint).create()


def test_an_unknown_partition_is_an_error_that_lists_the_known(connect: Connect) -> None:
    with pytest.raises(BackendError, match=r"'gpu'.*'other', 'pymonik'"):
        connect(partition="gpu").create()


@pytest.fixture
def impatient(set_settings: Set) -> None:
    """Clients that give a silent control plane up within a second."""
    set_settings(patience=0.5)


@pytest.mark.usefixtures("impatient")
def test_a_control_plane_that_goes_away_does_not_leave_anybody_waiting(
    gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    with started(environment=HURRIED) as emulator:
        client = Pymonik(emulator.endpoint).create()
        handle = pass_gate.invoke(gate.path, pymonik=client)
        client.flush()
        emulator.stop()
        with pytest.raises(ClusterUnreachable, match="cannot be reached"):
            handle.get()
        caplog.clear()
        client.cancel()
        told = [record.getMessage() for record in caplog.records]
        assert [text for text in told if "asking again" not in text] == [
            "cancelling the calls that have not ended: 1 unit",
            f"1 unit not cancelled: nothing answers at {emulator.endpoint}",
        ]


def test_an_outage_amid_a_submission_is_not_followed_by_questions(
    cluster: Emulator, connect: Connect, set_settings: Set, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpc, "pauses", lambda patience: iter((0.0, None)))
    set_settings(patience=rpc.FIRST + 1)
    cluster.faults.add("SubmitTasks", DropBefore(), times=2)
    cluster.faults.add("CountTasksByStatus", DropBefore(), times=2)
    asked: list[Any] = []
    monkeypatch.setattr(Sender, "_cancel", lambda self, ids: asked.append(ids))
    client = connect()
    client.create()
    with pytest.raises(ClusterUnreachable):
        inc.invoke(1, pymonik=client).get()
    assert not asked
    cluster.faults.clear()
    client.cancel()


def test_after_an_outage_nothing_more_is_sent_or_asked(cluster: Emulator, connect: Connect) -> None:
    outage = ClusterUnreachable("nothing answers")
    outage.is_outage = True

    def work() -> None:
        with connect() as client:
            assert inc.invoke(1).get() == 2
            client.parts.engine.backend._tracker.break_down(outage)  # type: ignore[union-attr]
            cluster.counters.reset()
            with pytest.raises(ClusterUnreachable):
                inc.invoke(2).get()

    with pytest.raises(ClusterUnreachable, match="nothing answers"):
        work()
    asked = "CreateResultsMetaData", "CreateResults", "SubmitTasks", "CountTasksByStatus"
    assert [cluster.counters[method].requests for method in asked] == [0, 0, 0, 0]


@pytest.mark.usefixtures("impatient")
def test_who_awaits_or_asked_to_be_called_hears_of_a_control_plane_that_has_gone(
    gate: Gate,
) -> None:
    told: queue.SimpleQueue[Any] = queue.SimpleQueue()

    async def main(handle: Any) -> None:
        await asyncio.wait_for(handle, 60)

    with started(environment=HURRIED) as emulator:
        client = Pymonik(endpoint=emulator.endpoint).create()
        handle = pass_gate.invoke(gate.path, pymonik=client)
        client.flush()
        handle.add_done_callback(told.put)
    with pytest.raises(ClusterUnreachable):
        asyncio.run(main(handle))
    assert told.get(timeout=60) is handle
    handle.add_done_callback(told.put)  # too late to wait for it
    assert told.get(timeout=60) is handle
    client.cancel()


def test_a_value_that_nobody_could_think_of_is_told_and_not_waited_for(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(opened: Any) -> Any:
        raise AttributeError("no such class here")

    client = connect()
    client.create()
    value = inc.invoke(1, pymonik=client)
    value.wait()
    monkeypatch.setattr("pymonik.wire.envelope.pack_of", broken)
    lost = inc.invoke(2, pymonik=client)
    with pytest.raises(ClusterError, match="no such class here"):
        lost.get(timeout=60)
    client.cancel()
