"""What a finalizer does amid sections of ours: it has its value, or is refused; nothing hangs.

Garbage is collected wherever Python makes or calls something, also while a lock of ours is held,
and what a finalizer of the user's calls may wait for a value.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from pymonik import Pymonik, Task
from pymonik.capture.definitions.registry import TABLE
from pymonik.errors import BackendError, Cancelled, LostValueError
from pymonik.record import recorder
from pymonik.runtime.host import leadership
from pymonik.runtime.host.scheduler import Scheduler
from pymonik.system import conditions, held_locks, waits

from .programs import divide, pass_gate, square
from .seams import PATIENCE, Other

pytestmark = pytest.mark.yielding


@pytest.fixture(autouse=True)
def moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let waits look at once whether their thread keeps others out."""
    for module in (conditions, leadership, waits):
        monkeypatch.setattr(module, "MOMENT", 0.001)


@pytest.fixture
def known() -> set[Any]:
    """Return the locks that are there before a client is: of other tests, the more they were."""
    return set(held_locks._ALL)


def live_locks(known: set[Any]) -> Iterator[Any]:
    """Yield the locks of a client, and that of definitions, as far as they are free."""
    yield TABLE.lock
    for reference in set(held_locks._ALL) - known:
        lock = reference()
        if lock is not None and lock.acquire(blocking=False):
            lock.release()
            yield lock


def test_a_finalizer_amid_any_lock_has_its_value(known: set[Any], client: Pymonik) -> None:
    """Its thread holds the lock, which others need that flush, or bring what it waits for."""
    assert square.map_invoke(range(4)).get() == [0, 1, 4, 9]  # all locks are there now
    count = 0
    for lock in live_locks(known):
        with lock:
            other = Other(lambda: square.invoke(3, pymonik=client).get(PATIENCE))
            # No more than a chance for the other one to come to the lock first, amid its flush.
            threading.Event().wait(0.001)
            assert square.invoke(2).get(PATIENCE) == 4
            assert square.map_invoke([5, 6]).get(PATIENCE) == [25, 36]
            with pytest.raises(ZeroDivisionError):
                divide.invoke(1, 0).get(PATIENCE)
        assert other.value() == 9
        count += 1
    assert count > 3


class Cycle:
    """Refers to itself, so that only the collector ends it; its finalizer asks the handle."""

    def __init__(self, handle: Any) -> None:
        self.handle, self.itself = handle, self


def test_a_finalizer_in_a_cycle_has_the_value_of_a_call_that_was_not_sent(client: Pymonik) -> None:
    """The collector clears what refers to handles weakly before it runs what finalizes them."""

    class Holder(Cycle):
        def __del__(self) -> None:
            found.append(self.handle.get(PATIENCE))

    found: list[Any] = []
    for handle in (square.invoke(2), square.map_invoke([3, 4]), square.map_invoke([5, 6])[1]):
        Holder(handle)
    del handle
    gc.collect()
    assert sorted(map(str, found)) == ["36", "4", "[9, 16]"]


def test_a_value_that_was_not_kept_is_an_error_of_who_asks_for_it_after_all(
    client: Pymonik, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others send a call while its handle is garbage, and its finalizer has not run yet."""
    monkeypatch.setattr(recorder, "is_under_way", lambda: False)

    class Holder(Cycle):
        def __del__(self) -> None:
            client.flush()
            try:
                found.append(self.handle.get(PATIENCE))
            except LostValueError as error:
                found.append(str(error))

    found: list[Any] = []
    kept = [square.invoke(1), square.invoke(2)]
    for handle in (square.invoke(3), square.map_invoke([4, 5])):
        Holder(handle)
    del handle
    gc.collect()
    assert [handle.get(PATIENCE) for handle in kept] == [1, 4]
    assert len(found) == 2
    assert all(
        "was not kept: nothing held its handle when its call was sent" in one for one in found
    )


@pytest.mark.parametrize("made", [square, Task(square.func, func_name="square", pure=True)])
def test_nor_has_a_call_an_end_whose_value_was_not_kept(
    client: Pymonik, monkeypatch: pytest.MonkeyPatch, made: Any
) -> None:
    monkeypatch.setattr(recorder, "is_under_way", lambda: False)

    class Holder(Cycle):
        def __del__(self) -> None:
            assert square.invoke(3).get(PATIENCE) == 9
            try:
                found.append(self.handle.exception(PATIENCE))
            except LostValueError as error:
                found.append(str(error))

    found: list[Any] = []
    Holder(made.invoke(2))
    gc.collect()
    assert len(found) == 1
    assert "was not kept" in str(found[0])


@pytest.mark.asynchronous
def test_a_finalizer_amid_a_lock_may_cancel(known: set[Any], client: Pymonik, gate: Any) -> None:
    assert square.invoke(2).get() == 4
    for lock in live_locks(known):
        handle = pass_gate.invoke(gate.path)
        client.flush()
        with lock:
            assert handle.cancel()
        with pytest.raises(Cancelled):
            handle.get(PATIENCE)


def test_a_finalizer_amid_the_sending_of_a_plan_is_told_that_it_waits_for_itself(
    client: Pymonik, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = square.invoke(7)
    backend: Any = client.parts.engine.opened()
    submit = backend.submit
    found: list[Any] = []

    def finalize(plan: Any) -> None:
        monkeypatch.undo()
        for wait in (handle.get, lambda: handle.get(PATIENCE), handle.wait):
            with pytest.raises(BackendError, match="runs inside a flush"):
                wait()
        with pytest.raises(BackendError, match="runs inside a flush of this client"):
            client.close()
        submit(plan)
        found.append(handle.get(PATIENCE))

    with monkeypatch.context() as patched:
        patched.setattr(backend, "submit", finalize)
        client.flush()
    assert found == [49]
    assert handle.get() == 49


def test_a_finalizer_amid_a_call_of_this_thread_is_told_that_others_come_behind_it() -> None:
    """Where calls run in the thread that waits, nobody else would run what has not begun."""
    with Pymonik(backend="inline", optimize=False) as client:
        backend: Any = client.parts.engine.opened()
        run, told = backend._run, list[str]()

        def finalize(piece: Any) -> None:
            del backend._run
            with pytest.raises(
                BackendError, match="the task that makes the value has not run"
            ) as caught:
                second.get()
            told.append(str(caught.value))
            run(piece)

        backend._run = finalize
        first, second = square.invoke(2), square.invoke(3)
        assert [first.get(), second.get()] == [4, 9]
        assert len(told) == 1


def test_inline_no_garbage_is_collected_amid_a_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its finalizer would find units that neither wait nor run, and so have them fail."""
    real, seen = Scheduler.handle, list[bool]()

    def handle(self: Scheduler, event: Any) -> Any:
        seen.append(gc.isenabled())
        return real(self, event)

    monkeypatch.setattr(Scheduler, "handle", handle)
    with Pymonik(backend="inline"):
        assert square.invoke(2).get(PATIENCE) == 4
    assert gc.isenabled()
    assert seen
    assert not any(seen)
