"""Who waits hears of what is open, whoever closes the client, and whatever ends its threads."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable
from typing import Any

import pytest
from armonik.protogen.common.partitions_common_pb2 import ListPartitionsRequest

from pymonik import Pymonik, ResultHandle
from pymonik.backend.armonik import subscription
from pymonik.backend.armonik.tracker import SubmissionTracker
from pymonik.emulator import Emulator
from pymonik.errors import BackendError, Cancelled, ClusterError, NoClientError
from tests.armonik.conftest import Connect
from tests.conformance.programs import divide, pass_gate, square
from tests.conformance.seams import PATIENCE, Other, until
from tests.conftest import Gate


def watching() -> set[threading.Thread]:
    """Return the threads that watch sessions: those of earlier tests may end at any time."""
    return {thread for thread in threading.enumerate() if thread.name == "pymonik-watch"}


def test_what_was_submitted_amid_the_cancelling_of_a_session_ends(connect: Connect) -> None:
    """It was not open yet when open units were cancelled, and was taken by the cluster."""
    client = connect().create()
    backend = client.parts.engine.opened()
    cancel = backend._session.cancel  # type: ignore[attr-defined]
    users: list[Other] = []

    def cancel_late() -> None:
        users.append(Other(handle.get))
        until(lambda: backend.traits.arrivals.changed._waiters or users[0].has_ended)
        cancel()

    handle = square.invoke(7, pymonik=client)
    client.flush()
    assert handle.get() == 49
    handle = square.invoke(8, pymonik=client)
    backend._session.cancel = cancel_late  # type: ignore[attr-defined]
    # As if its thread had looked just before whether the client is closed.
    backend.cancel()
    backend.close()
    with contextlib.suppress(Cancelled, NoClientError, ClusterError):
        users[0].value()
    client.cancel()


async def _awaited(handle: ResultHandle[Any]) -> Any:
    return await handle


WAITS: dict[str, Callable[[ResultHandle[Any]], Any]] = {
    "get": lambda h: h.get(),
    "await": lambda h: asyncio.run(_awaited(h)),
}


@pytest.mark.parametrize("wait", WAITS)
def test_who_waits_for_what_a_closed_client_has_left_behind_hears_of_it(
    connect: Connect, gate: Gate, wait: str
) -> None:
    before = watching()
    client = connect(detach=True).create()
    handle = pass_gate.invoke(gate.path, 5, pymonik=client)
    user = Other(lambda: WAITS[wait](handle))
    until(
        lambda: (
            client.parts.engine.opened().traits.arrivals.changed._waiters
            or client.parts.notifier.watches
        )
    )
    client.close()
    gate.open()
    assert user.value() == 5
    until(lambda: watching() <= before)


def test_who_asks_after_the_closing_hears_too_and_then_nobody_watches(
    connect: Connect, gate: Gate
) -> None:
    before = watching()
    client = connect(detach=True).create()
    handle = pass_gate.invoke(gate.path, 5, pymonik=client)
    client.flush()
    client.close()
    until(lambda: watching() <= before)
    gate.open()
    until(handle.done)
    assert handle.get() == 5
    until(lambda: watching() <= before)


def test_what_failed_while_its_client_was_closed_is_told_of_afterwards(connect: Connect) -> None:
    client = connect(detach=True).create()
    sender = client.parts.engine.opened()._sender  # type: ignore[attr-defined]
    look, closed = sender.abort_handler._guarded, threading.Event()

    def look_late(work: Callable[[], None]) -> None:
        assert closed.wait(PATIENCE)
        look(work)

    sender.abort_handler._guarded = look_late  # nothing is looked into
    handles = [divide.invoke(1, 0, pymonik=client)]
    client.flush()
    until(lambda: sender.abort_handler._known)
    handles.append(divide.invoke(2, 0, pymonik=client))
    client.flush()
    until(lambda: len(sender.abort_handler._known) == 2)
    client.close()
    closed.set()
    for handle in handles:
        assert isinstance(handle.exception(timeout=PATIENCE), ZeroDivisionError)


@pytest.mark.parametrize("method", ["_take", "_look"])
def test_a_watching_thread_that_fails_is_told_to_who_waits(
    cluster: Emulator, gate: Gate, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def fail(*_: Any) -> None:
        raise KeyError("nobody thought of it")

    monkeypatch.setattr(f"pymonik.backend.armonik.events.EventWatcher.{method}", fail)
    monkeypatch.setattr("pymonik.backend.armonik.polling.RECHECK", 0.1)
    with contextlib.suppress(ClusterError), Pymonik(cluster.endpoint):
        handle = pass_gate.invoke(gate.path)
        with pytest.raises(ClusterError, match="nobody thought of it"):
            handle.get(timeout=PATIENCE)
        # Opened for both ways, which waits for no task: given up amid its submission, none comes.
        os.close(os.open(gate.path, os.O_RDWR))


class NoThreads:
    """A pool on a machine that has no thread to spare."""

    def submit(self, *_: Any) -> None:
        raise RuntimeError("can't start new thread")


def test_what_cannot_be_fetched_for_want_of_a_thread_is_told_to_who_waits(
    connect: Connect,
) -> None:
    with contextlib.suppress(ClusterError), connect() as client:
        fetcher = client.parts.engine.opened()._tracker.fetcher  # type: ignore[attr-defined]
        fetcher._pool = NoThreads()
        handle = square.invoke(2)
        with pytest.raises(ClusterError, match="can't start new thread"):
            handle.get(timeout=PATIENCE)


def test_what_cannot_be_sent_again_is_told_to_who_waits(
    connect: Connect, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its input was lost, and the plan of another thread has met the refusal."""

    def refuse(*_: Any) -> None:
        raise ClusterError("no tasks today")

    with connect() as client:
        handle = pass_gate.invoke(gate.path)
        client.flush()
        user = Other(handle.exception)
        until(lambda: client.parts.engine.opened().traits.arrivals.changed._waiters)
        backend: Any = client.parts.engine.opened()
        unit = next(iter(backend._tracker.open.values()))
        monkeypatch.setattr(backend._sender, "send", refuse)
        backend._tracker.reopen(unit)
        with pytest.raises(ClusterError, match="no tasks today"):
            backend._sender._send_again([unit])
        assert "no tasks today" in str(user.value())
        gate.open()


def test_a_finalizer_may_wait_amid_the_making_of_what_listens(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Garbage is collected there, too; another thread may be about to listen."""
    found: list[Any] = []
    made = subscription.EventWatcher

    def make(*args: Any) -> Any:
        monkeypatch.undo()
        other = Other(lambda: square.invoke(3, pymonik=client).get(PATIENCE))
        found.append(square.invoke(2, pymonik=client).get(PATIENCE))
        found.append(other.value())
        return made(*args)

    with connect() as client:
        value = square.invoke(1)
        client.flush()
        client.parts.engine.opened()._sender._subscription._watcher.close()  # type: ignore[attr-defined]
        client.parts.engine.opened()._sender._subscription._watcher = None  # type: ignore[attr-defined]
        monkeypatch.setattr(subscription, "EventWatcher", make)
        client.parts.engine.opened()._sender.listen()  # type: ignore[attr-defined]
        assert (value.get(PATIENCE), found) == (1, [4, 9])


def test_a_watcher_that_is_closed_late_leaves_the_next_one_to_hear_of_recoveries(
    connect: Connect,
) -> None:
    with connect() as client:
        assert square.invoke(1).get(PATIENCE) == 1
        subscription = client.parts.engine.opened()._sender._subscription  # type: ignore[attr-defined]
        older, subscription._watcher = subscription._watcher, None
        newer = subscription.listen()
        older.close()
        older.start()
        until(lambda: newer._stream is not None)
        stream = newer._stream
        newer._rpc.breaker.recovered()
        until(lambda: newer._stream is not stream)


BRINGS = {
    "watches": "SubmissionTracker.stored",
    "fetches": "SubmissionTracker.fetched_records",
}


@pytest.mark.parametrize("method", BRINGS.values(), ids=[*BRINGS])
def test_a_finalizer_in_a_thread_that_brings_values_is_told_that_it_waits_for_itself(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, gate: Gate, method: str
) -> None:
    errors: list[BaseException] = []
    name = f"pymonik.backend.armonik.tracker.{method}"
    bring = getattr(SubmissionTracker, method.partition(".")[2])

    def bring_late(*args: Any) -> None:
        if not errors:
            with pytest.raises(BackendError) as caught:
                blocked.get()
            errors.append(caught.value)
        bring(*args)

    with connect() as client:
        blocked = pass_gate.invoke(gate.path, pymonik=client)
        client.flush()
        monkeypatch.setattr(name, bring_late)
        assert square.invoke(3, pymonik=client).get(PATIENCE) == 9
        gate.open()
        blocked.get(PATIENCE)
    assert "in a thread that fetches values" in str(errors[0])


def test_a_finalizer_where_answers_of_requests_arrive_is_told_that_it_waits_for_itself(
    connect: Connect, gate: Gate
) -> None:
    errors: list[BaseException] = []
    told = threading.Event()
    with connect() as client:
        blocked = pass_gate.invoke(gate.path, pymonik=client)
        client.flush()
        unsent = square.invoke(3, pymonik=client)

        def finalize(_: Any) -> None:
            """Wait for what was sent, and for what it would have to send."""
            for handle in (blocked, unsent):
                try:
                    handle.get()
                except BackendError as error:
                    errors.append(error)
            told.set()

        session = client.parts.engine.opened()._session  # type: ignore[attr-defined]
        asked = session.partitions.ListPartitions.future(ListPartitionsRequest(page_size=1))
        asked.add_done_callback(finalize)  # called by a thread of gRPC
        assert told.wait(PATIENCE)
        gate.open()
        blocked.get(PATIENCE)
        assert unsent.get(PATIENCE) == 9
    assert len(errors) == 2
    assert all("a thread that fetches values" in str(error) for error in errors)
