"""How bytes move: uploads at once, downloads ahead of the reader, messages of any size."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from armonik.protogen.common.objects_pb2 import TaskOptions
from armonik.protogen.common.worker_common_pb2 import ProcessRequest
from armonik.protogen.worker.worker_service_pb2_grpc import WorkerStub

from pymonik import Pymonik, task
from pymonik.backend.armonik import fetch
from pymonik.backend.armonik import large_values as apart
from pymonik.backend.armonik.rpc import RpcClient
from pymonik.backend.armonik.store import ClusterStore
from pymonik.emulator import Emulator
from tests.armonik.conftest import Connect, started
from tests.conformance.programs import inc, pass_gate
from tests.conformance.seams import until
from tests.conftest import REPOSITORY, Gate


@task
def block(number: int, size: int) -> bytes:
    return bytes([number]) * size


def downloads(cluster: Emulator) -> int:
    return cluster.counters["DownloadResultData"].requests


def all_here(client: Pymonik, handles: Any) -> bool:
    """Wait until the records of handles are here, without asking for them."""
    changed = client.parts.engine.backend.traits.arrivals.changed  # type: ignore[union-attr]
    unit_outputs = [handle._node.location.locate(handle._index)[0] for handle in handles]
    with changed:
        return bool(
            changed.wait_for(lambda: not any(outputs.missing for outputs in unit_outputs), 60)
        )


def ended(client: Pymonik, count: int) -> bool:
    """Wait until units have ended."""
    changed = client.parts.engine.backend.traits.arrivals.changed  # type: ignore[union-attr]
    with changed:
        return bool(
            changed.wait_for(lambda: client.parts.engine.backend.progress()[0] >= count, 60)
        )  # type: ignore[union-attr]


# ----- downloads


def test_one_get_moves_one_pack(cluster: Emulator, connect: Connect) -> None:
    with connect(optimize=False) as client:
        values = inc.map_invoke(range(20))
        client.flush()
        assert ended(client, 20)
        assert values[3].get() == 4
        assert downloads(cluster) == 1


def test_the_second_get_of_a_loop_brings_what_follows(cluster: Emulator, connect: Connect) -> None:
    with connect(optimize=False) as client:
        values = inc.map_invoke(range(20))
        client.flush()
        assert ended(client, 20)
        assert [values[i].get() for i in range(2)] == [1, 2]
        assert all_here(client, values)
        assert downloads(cluster) == 20


def test_what_ends_later_is_brought_to_a_reader_as_well(
    cluster: Emulator, connect: Connect, gate: Gate
) -> None:
    with connect(optimize=False) as client:
        values = [inc.invoke(0), inc.invoke(1), pass_gate.invoke(gate.path, "late")]
        assert [value.get() for value in values[:2]] == [1, 2]
        gate.open()
        assert all_here(client, values)
        assert values[2].get() == "late"


@pytest.mark.parametrize("module", [fetch, apart])
def test_no_more_than_a_window_of_bytes_is_read_ahead(
    cluster: Emulator, connect: Connect, monkeypatch: pytest.MonkeyPatch, module: Any
) -> None:
    size = 200_000
    monkeypatch.setattr(module, "AHEAD_BYTES", 3 * size)
    with connect() as client:
        chunk = 1 if module is fetch else 40
        values = block.map_invoke([(i, size) for i in range(40)], pmk_chunk_size=chunk)
        client.flush()
        assert ended(client, 40 // chunk)
        for i in range(2):
            values[i].get()
        fetcher = client.parts.engine.backend._tracker.fetcher  # type: ignore[union-attr]
        meeting = threading.Barrier(fetch.THREADS + 1)  # what is under way ends before it
        for _ in range(fetch.THREADS):
            fetcher._pool.submit(meeting.wait, 60)
        meeting.wait(60)
        # Two were read; beyond the window there are those that threads had begun already.
        assert 2 < downloads(cluster) <= 1 + 2 + 4 + fetch.THREADS


# ----- uploads


def test_large_objects_are_uploaded_at_once() -> None:
    meeting = threading.Barrier(4)
    store = ClusterStore(RpcClient("nowhere"), None, None)
    store.at_once([lambda: meeting.wait(30) and None for _ in range(4)])
    assert not meeting.broken


def test_a_failed_upload_is_the_error_of_all() -> None:
    def fail() -> None:
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        ClusterStore(RpcClient("nowhere"), None, None).at_once([fail, lambda: None])


# ----- sizes


@pytest.mark.thorough
def test_twenty_thousand_calls_as_written_take_twenty_submissions() -> None:
    with Pymonik(backend="dry-run", optimize=False) as client:
        calls = inc.map_invoke(range(20_000))
        requests = client.plan().requests
        kinds = [request.kind for request in requests]
        sizes = [request.size for request in requests if request.kind != "declare"]
        client.cancel()
    assert kinds.count("submit") == 20
    assert kinds.count("declare") == 1
    assert len(kinds) - 21 == -(-sum(sizes[: len(kinds) - 21]) // (20 << 20))
    assert max(sizes) < 25 << 20
    assert len(calls) == 20_000


def test_a_value_stored_by_one_message_is_read_though_it_is_long(
    cluster: Emulator, connect: Connect
) -> None:
    array = np.arange(600_000, dtype=float)  # 4.8 MB: over the 4 MiB that gRPC takes by itself
    with connect(detach=True) as client:
        client.put(array, name="array")
        client.flush()
    with Pymonik.attach(client.session_id, cluster.endpoint) as other:
        assert (other.lookup("array").get() == array).all()


def test_a_worker_takes_orders_of_any_size(shared: Emulator) -> None:
    until(lambda: [*shared.folder.glob("*/worker.sock")])  # workers of a new cluster start
    socket = next(shared.folder.glob("*/worker.sock"))
    labels = {"long": "x" * (5 << 20)}
    request = ProcessRequest(
        payload_id="none", data_folder="/nowhere", task_options=TaskOptions(options=labels)
    )
    with grpc.insecure_channel(
        f"unix:{socket}", options=(("grpc.default_authority", "localhost"),)
    ) as channel:
        reply = WorkerStub(channel).Process(request, wait_for_ready=True, timeout=60)
    assert "could not run the task" in reply.output.error.details


# ----- workers that are told to stop


@task
def meet_and_pass(here: str, path: str) -> str:
    """Tell under which worker the body runs, then wait."""
    with open(here, "w") as file:
        file.write(str(os.getppid()))
    with open(path):
        return "through"


def test_a_worker_told_to_stop_ends_its_task_first(gate: Gate, tmp_path: Path) -> None:
    here = Gate(tmp_path / "here").path
    with started(partitions={"pymonik": 1}) as cluster, Pymonik(cluster.endpoint) as client:
        value = meet_and_pass.invoke(here, gate.path)
        client.flush()
        first = int(Path(here).read_text())
        os.kill(first, signal.SIGTERM)
        gate.open()
        assert value.get() == "through"
        while cluster.worker_pids == [first]:  # until the signal has come through
            assert inc.invoke(1).get() == 2
        assert inc.invoke(1).get() == 2


def test_a_worker_that_must_stop_leaves_its_task_to_another(gate: Gate, tmp_path: Path) -> None:
    here = Gate(tmp_path / "here").path
    variables = {"PYTHONPATH": str(REPOSITORY), "PYMONIK_STOP_SECONDS": "0.1"}
    with (
        started(partitions={"pymonik": 1}, environment=variables) as cluster,
        Pymonik(cluster.endpoint) as client,
    ):
        value = meet_and_pass.invoke(here, gate.path)
        client.flush()
        first = int(Path(here).read_text())
        os.kill(first, signal.SIGTERM)
        assert int(Path(here).read_text()) != first  # the body runs again, elsewhere
        gate.open()
        assert value.get() == "through"
