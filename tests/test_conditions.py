"""Conditions whose waits are interrupted anywhere: their locks are free again behind them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from pymonik.backend.armonik.tracker import Waiters
from pymonik.runtime.host.condition import Changed
from pymonik.runtime.host.leadership import Leadership
from pymonik.system import conditions
from pymonik.system.conditions import Latch, SafeCondition
from pymonik.system.waits import yielding_lock, yielding_locks
from tests.conformance.seams import PATIENCE, Other
from tests.interruption import Interruption, is_free

MODULES = (
    "pymonik.system.conditions",
    "pymonik.system.waits",
    "pymonik.runtime.host",
    "pymonik.backend",
    "threading",
)


def led() -> Changed:
    """Make the condition of a host that nobody leads, so that who waits does."""
    leadership = Leadership(lambda end: False, lambda: None, lambda: True)
    leadership._leader.clear()
    return Changed(leadership)


def rested() -> Changed:
    """Make the condition of a host whose own thread leads."""
    return Changed(Leadership(lambda end: False, lambda: None, lambda: True))


@pytest.mark.parametrize("is_amid_a_section", [False, True])
@pytest.mark.parametrize("made", [SafeCondition, Waiters, led, rested])
def test_a_wait_that_is_interrupted_anywhere_leaves_the_lock_as_it_was(
    made: Callable[[], Any], is_amid_a_section: bool
) -> None:
    """And raises what the handler has raised, not that a lock was not held.

    Amid a section, as that of a finalizer, it leaves the lock held.
    """
    place, is_through = 0, False
    while not is_through:
        place += 1
        condition = made()
        if is_amid_a_section:
            condition.acquire()
        with Interruption(place, MODULES) as interruption, condition:
            assert not condition.wait_for(lambda: False, 1e-6)
        is_through = not interruption.has_come
        if is_amid_a_section:
            assert condition._is_owned(), place
            condition.release()
        assert Other(partial(is_free, condition)).value(), place
        assert getattr(condition, "count", 0) == 0
        assert getattr(condition, "_awaited", []) == []
    assert place > 5


@pytest.mark.parametrize("made", [SafeCondition, Waiters, led, rested])
def test_a_wait_without_the_lock_is_refused_and_takes_none(made: Callable[[], Any]) -> None:
    condition = made()
    with pytest.raises(RuntimeError, match="un-acquired lock"):
        condition.wait(1e-6)
    with pytest.raises(RuntimeError, match="un-acquired lock"):
        condition.wait_for(lambda: False, 1e-6)
    assert Other(partial(is_free, condition)).value()


@pytest.fixture
def no_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the first sleep of a wait, behind which it looks whether it keeps others out, be none."""
    monkeypatch.setattr(conditions, "MOMENT", 0.0)


class Finalizing(deque[Any]):
    """Waiters of a condition, where garbage is collected before the second is among them.

    The first sleeps for a moment only, after which it looks again by itself.
    """

    def __init__(self, finalize: Callable[[], object]) -> None:
        super().__init__()
        self._due = [finalize, lambda: None]

    def append(self, waiter: Any) -> None:
        if self._due:
            self._due.pop()()
        super().append(waiter)


def assert_seen(condition: Any, come: list[int], finalize: Callable[[], None]) -> None:
    """Wait for what has come, while a finalizer runs between the look and the sleep."""
    condition._waiters = Finalizing(finalize)

    def wait() -> bool:
        with condition:
            return bool(condition.wait_for(lambda: come))

    assert Other(wait).value()


@pytest.mark.parametrize("made", [SafeCondition, Waiters, rested])
def test_what_comes_while_a_finalizer_amid_a_wait_waits_ends_both(
    made: Callable[[], Any], no_moment: None
) -> None:
    condition, come = made(), list[int]()

    def bring() -> None:
        with condition:
            come.append(1)
            condition.notify_all()

    def finalize() -> None:
        """Wait for the same, as that of a user who asks for values does."""
        other = Other(bring)
        assert condition.wait_for(lambda: come)
        other.join()

    assert_seen(condition, come, finalize)


@pytest.mark.parametrize("made", [SafeCondition, Waiters, rested])
def test_what_comes_while_a_finalizer_amid_a_wait_waits_for_something_else_is_seen(
    made: Callable[[], Any], no_moment: None
) -> None:
    """It yields the lock, after the look at what is waited for and before the sleep."""
    condition, come, latch = made(), list[int](), Latch()

    def bring() -> None:
        with condition:
            come.append(1)
            condition.notify_all()
        latch.open()

    def finalize() -> None:
        other = Other(bring)
        latch.wait()
        other.join()

    assert_seen(condition, come, finalize)


def test_who_looks_by_itself_and_waits_sleeps_though_others_yield() -> None:
    """It would turn round and round: a wait that nobody has looked for has missed nothing."""
    condition, lock = SafeCondition(), yielding_lock()
    with lock:
        yielding_locks(lambda: None)
    with condition:
        assert not condition.wait(0.001)


@pytest.mark.parametrize("made", [SafeCondition, Waiters, rested])
def test_what_changes_while_it_is_looked_wakes_who_has_just_looked(
    made: Callable[[], Any],
) -> None:
    condition, come, tellers = made(), list[int](), list[threading.Thread]()

    def look() -> bool:
        seen = bool(come)
        if not tellers:
            come.append(1)
            tellers.append(threading.Thread(target=condition.look_again))
            tellers[0].start()
        return seen

    def wait() -> bool:
        with condition:
            return bool(condition.wait_for(look, PATIENCE))

    assert Other(wait).value()
    tellers[0].join()


def test_nobody_takes_the_lock_of_a_host_to_wake_nobody() -> None:
    condition: Any = rested()
    taken: list[Any] = []
    condition._lock.acquire = condition._lock._enter = taken.append
    condition.look_again()
    assert taken == []


def test_it_is_a_condition() -> None:
    condition, told = SafeCondition(), threading.Event()
    with condition:
        with condition:
            assert not Other(lambda: is_free(condition)).value()

        def tell() -> None:
            with condition:
                told.set()
                condition.notify_all()

        threading.Thread(target=tell).start()
        assert condition.wait_for(told.is_set, 60)
    with pytest.raises(RuntimeError, match="un-acquired"):
        condition.notify_all()
