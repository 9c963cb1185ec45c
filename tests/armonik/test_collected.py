"""A client that nobody holds any more ends its session when it is collected, not only at exit."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from weakref import ref

import grpc
import pytest
from armonik.protogen.client.sessions_service_pb2_grpc import SessionsStub
from armonik.protogen.common.session_status_pb2 import SessionStatus
from armonik.protogen.common.sessions_common_pb2 import GetSessionRequest

from pymonik import Pymonik
from pymonik.client.callbacks import ENDINGS
from pymonik.emulator import Emulator
from pymonik.errors import NoClientError
from tests.armonik.conftest import Connect
from tests.conformance.programs import pass_gate, square
from tests.conformance.seams import until
from tests.conftest import Gate
from tests.rows import shortened


def status_of(cluster: Emulator, session_id: str) -> str:
    """Return the status of a session once what was collected has been dealt with."""
    gc.collect()
    ENDINGS.drain()
    with grpc.insecure_channel(cluster.endpoint) as channel:
        request = GetSessionRequest(session_id=session_id)
        session = SessionsStub(channel).GetSession(request).session
    return SessionStatus.Name(session.status).removeprefix("SESSION_STATUS_")


def empty(client: Pymonik, gate: Gate) -> None:
    client.create()


def ended(client: Pymonik, gate: Gate) -> None:
    assert square.invoke(3, pymonik=client).get() == 9


def pending(client: Pymonik, gate: Gate) -> None:
    client.create()
    square.invoke(3, pymonik=client)


def running(client: Pymonik, gate: Gate) -> None:
    pass_gate.invoke(gate.path, pymonik=client)
    client.flush()


def timed(client: Pymonik, gate: Gate) -> None:
    assert square.invoke(3, pymonik=client).get(timeout=60) == 9


def named(client: Pymonik, gate: Gate) -> None:
    assert square.invoke(3, pymonik=client, pmk_name="nine").get() == 9
    client.put([1], name="list")


def chained(client: Pymonik, gate: Gate) -> None:
    client.create()
    square.map_invoke([square.invoke(3, pymonik=client)], pymonik=client)


def called_back(client: Pymonik, gate: Gate) -> None:
    client.create()
    square.invoke(3, pymonik=client).add_done_callback(lambda handle: None)


# Some hold themselves: by names, arguments and callbacks, whose handles hold the client.
USES = [pending, running, ended, empty, timed, named, chained, called_back]


@pytest.mark.parametrize("use", shortened(USES, 3))
def test_a_client_that_is_collected_ends_its_session(
    cluster: Emulator, connect: Connect, gate: Gate, use: Callable[[Pymonik, Gate], None]
) -> None:
    client = connect()
    use(client, gate)
    session_id = client.session_id
    del client
    assert status_of(cluster, session_id) in ("CANCELLED", "CLOSED")
    assert cluster.counters["CancelSession"].requests <= 1


def test_a_client_whose_handle_is_held_is_not_collected(
    cluster: Emulator, connect: Connect
) -> None:
    client = connect()
    handle, session_id = square.invoke(3, pymonik=client), client.session_id
    del client
    assert status_of(cluster, session_id) == "RUNNING"
    assert handle.get() == 9
    del handle
    assert status_of(cluster, session_id) in ("CANCELLED", "CLOSED")


def test_a_block_that_is_never_ended_ends_its_session_when_it_is_collected(
    cluster: Emulator, connect: Connect
) -> None:
    def sessions() -> Iterator[str]:
        with connect() as client:
            assert square.invoke(3).get() == 9
            yield client.session_id

    stopped = sessions()
    session_id = next(stopped)
    assert status_of(cluster, session_id) == "RUNNING"
    del stopped
    assert status_of(cluster, session_id) in ("CANCELLED", "CLOSED")


def test_a_detached_client_that_is_collected_leaves_its_session_to_go_on(
    cluster: Emulator, connect: Connect, gate: Gate
) -> None:
    client = connect(detach=True)
    running(client, gate)
    session_id = client.session_id
    del client
    assert status_of(cluster, session_id) == "RUNNING"
    assert cluster.counters["StopSubmission"].requests == 1
    gate.open()


def test_collecting_takes_no_lock_and_starts_no_thread(
    cluster: Emulator, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = connect()
    ended(client, None)  # type: ignore[arg-type]
    session_id, flushing = client.session_id, client.parts.state.lock
    changed = client.parts.engine.opened().traits.arrivals.changed
    # Held by this thread: whoever waits for one of them waits for ever.
    with changed, flushing, ENDINGS._lock:
        monkeypatch.setattr("threading.Thread.start", None)
        del client
        gc.collect()
        monkeypatch.undo()
    assert status_of(cluster, session_id) in ("CANCELLED", "CLOSED")


def test_nothing_of_a_closed_client_stays(connect: Connect) -> None:
    """Its threads end with what they work for, also where a program makes hundreds."""
    client = connect()
    ended(client, None)  # type: ignore[arg-type]
    tracker = ref(client.parts.engine.opened().traits.arrivals)
    client.close()
    del client
    ENDINGS.drain()
    # One of its threads may be ending just now, and hold it on its stack for a last moment.
    until(lambda: gc.collect() >= 0 and tracker() is None)


def test_in_a_fork_the_client_of_the_parent_is_left_alone(
    cluster: Emulator, connect: Connect
) -> None:
    client = connect()
    ended(client, None)  # type: ignore[arg-type]
    session_id, client.parts.engine._process = client.session_id, client.parts.engine._process + 1
    del client
    assert status_of(cluster, session_id) == "RUNNING"


def test_a_client_that_nobody_holds_serves_nobody(connect: Connect) -> None:
    connect().create()
    gc.collect()
    with pytest.raises(NoClientError, match="keep it in a variable"):
        square.invoke(3)
    ENDINGS.drain()


def test_the_executors_of_a_client_that_is_collected_are_let_go() -> None:
    client = Pymonik(backend="local", workers=1)
    ended(client, None)  # type: ignore[arg-type]
    engine = client.parts.engine.opened()
    del client
    gc.collect()
    ENDINGS.drain()
    assert engine._host._closing  # type: ignore[attr-defined]
