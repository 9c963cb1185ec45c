"""A client that one thread closes while others use it: each call has an end, and nobody waits on.

Every test forces one interleaving: a thread is held in the submission, or in the recording, of a
call, and let go at one moment of the closing.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from pymonik import Pymonik
from pymonik.errors import Cancelled, NoClientError
from pymonik.values.outputs import Outputs
from tests.conftest import Gate

from .conftest import Connect
from .programs import identity, pass_gate, square
from .seams import PATIENCE, Other, until

# Moments of an abandoned client at which the submission of another thread goes on.
MOMENTS = ("before it cancels", "once it has cancelled", "before it lets go")


class Held:
    """A client in which another thread is held on its way to the backend, with one call."""

    def __init__(self, client: Pymonik) -> None:
        self.backend = client.parts.engine.opened()
        self._submit = self.backend.submit
        self._arrived, self._go, self._sent = (threading.Event() for _ in range(3))
        self.backend.submit = self._hold  # type: ignore[method-assign]
        self.handle = square.invoke(7, pymonik=client)
        self.user = Other(self.handle.get)
        assert self._arrived.wait(PATIENCE)

    def _hold(self, plan: Any) -> None:
        self._arrived.set()
        assert self._go.wait(PATIENCE)
        try:
            self._submit(plan)
        finally:
            self._sent.set()

    def let_go(self) -> None:
        """Let it send; come back once it waits for its value, or has an error."""
        self._go.set()
        assert self._sent.wait(PATIENCE)
        until(lambda: self.backend.traits.arrivals.changed._waiters or self.user.has_ended)

    @contextmanager
    def at(self, moment: str) -> Iterator[None]:
        """Let it go at a moment of the cancelling inside the block."""
        cancel_all, close = self.backend.cancel, self.backend.close

        def cancel(cell: Outputs | None = None) -> bool:
            if moment == MOMENTS[0]:
                self.let_go()
            is_cancelled = cancel_all(cell)
            if moment == MOMENTS[1]:
                self.let_go()
            return is_cancelled

        def end() -> None:
            if moment == MOMENTS[2]:
                self.let_go()
            close()

        self.backend.cancel, self.backend.close = cancel, end  # type: ignore[method-assign]
        yield


@pytest.mark.parametrize("moment", MOMENTS)
def test_what_is_being_sent_when_its_client_is_cancelled_ends(
    connect: Connect, moment: str
) -> None:
    client = connect().create()
    held = Held(client)
    with held.at(moment):
        client.cancel()
    try:
        assert held.user.value() == 49  # an engine in this process may have run it
    except (Cancelled, NoClientError):
        pass
    told = threading.Event()
    held.handle.add_done_callback(lambda _: told.set())
    assert told.wait(PATIENCE)
    assert not client.parts.notifier.watches


class Slow:
    """An argument whose capture takes until it is let go of."""

    captured, go = threading.Event(), threading.Event()

    def __reduce__(self) -> Any:
        self.captured.set()
        assert self.go.wait(PATIENCE)
        return int, ()


def test_a_call_whose_recording_began_before_the_closing_has_its_value_or_is_refused(
    connect: Connect,
) -> None:
    client = connect().create()
    Slow.captured.clear()
    Slow.go.clear()
    user = Other(lambda: identity.invoke(Slow(), pymonik=client).get())
    assert Slow.captured.wait(PATIENCE)
    close_if_done = client.parts.lifetime.close_if_done

    def record_meanwhile(leaves: bool) -> bool:
        if not Slow.go.is_set():  # the client seems to have nothing left to wait for
            Slow.go.set()
            until(
                lambda: (
                    client.parts.engine.opened().traits.arrivals.changed._waiters or user.has_ended
                )
            )
        return close_if_done(leaves)

    client.parts.lifetime.close_if_done = record_meanwhile  # type: ignore[method-assign]
    client.close()
    assert user.value() == 0


@pytest.mark.asynchronous
def test_a_client_that_is_cancelled_while_it_closes_stays_closed(
    connect: Connect, gate: Gate
) -> None:
    client = connect().create()
    handle = pass_gate.invoke(gate.path, pymonik=client)
    client.flush()
    cancel_all = client.parts.engine.opened().cancel
    closer = Other(client.close)
    until(lambda: client.parts.engine.opened().traits.arrivals.changed._waiters)
    states = []

    def cancel(cell: Outputs | None = None) -> bool:
        states.append(client.parts.lifetime.close_if_done(leaves=False))
        return cancel_all(cell)

    client.parts.engine.opened().cancel = cancel  # type: ignore[method-assign]
    client.cancel()
    assert states == [True]
    with pytest.raises(Cancelled):
        handle.get(timeout=PATIENCE)
    with contextlib.suppress(Cancelled):  # raised where nobody has looked at it
        closer.value()


def test_a_callback_is_called_once_whoever_sends_its_call_meanwhile(client: Pymonik) -> None:
    """A flush ends, and looks for callbacks of what it has sent; the next one is under way."""
    client.flush()
    handle = square.invoke(3)
    calls: list[Any] = []
    handle.add_done_callback(calls.append)
    release = client.parts.state.lock.__exit__

    class Door:
        _is_owned = staticmethod(client.parts.state.lock._is_owned)

        def __enter__(self) -> Any:
            return client_lock.__enter__()

        def __exit__(self, *error: Any) -> Any:
            release(*error)
            if not passed:
                passed.append(True)
                Other(client.flush).value()

    client_lock, passed = client.parts.state.lock, []  # type: ignore[var-annotated]
    client.parts.state.lock = Door()  # type: ignore[assignment]
    client.parts.notifier.watch_sent()
    client.parts.state.lock = client_lock
    client.parts.notifier.watch_sent()
    assert handle.get() == 9
    client.parts.arrivals.wait(client.parts.lifetime.is_idle, PATIENCE)
    ended = threading.Event()
    square.invoke(1).add_done_callback(lambda _: ended.set())  # callbacks come in order
    client.flush()
    assert ended.wait(PATIENCE)
    assert len(calls) == 1
