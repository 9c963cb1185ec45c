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
from pymonik.system.conditions import SafeCondition
from tests.conformance.seams import PATIENCE, Other
from tests.interruption import Interruption, is_free

MODULES = ("pymonik.system.conditions", "pymonik.runtime.host", "pymonik.backend", "threading")


def led() -> Changed:
    """Make the condition of a host that nobody leads, so that who waits does."""
    leadership = Leadership(lambda end: False, lambda: None, lambda: True)
    leadership._leader.clear()
    return Changed(leadership)


def rested() -> Changed:
    """Make the condition of a host whose own thread leads."""
    return Changed(Leadership(lambda end: False, lambda: None, lambda: True))


@pytest.mark.parametrize("made", [SafeCondition, Waiters, led, rested])
def test_a_wait_that_is_interrupted_anywhere_leaves_the_lock_free(made: Callable[[], Any]) -> None:
    """And raises what the handler has raised, not that a lock was not held."""
    place, is_through = 0, False
    while not is_through:
        place += 1
        condition = made()
        with Interruption(place, MODULES) as interruption, condition:
            assert not condition.wait_for(lambda: False, 1e-6)
        is_through = not interruption.has_come
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


class Finalizing(deque[Any]):
    """Waiters of a condition, where garbage is collected before the first is among them."""

    def __init__(self, finalize: Callable[[], object]) -> None:
        super().__init__()
        self._finalize = [finalize]

    def append(self, waiter: Any) -> None:
        if self._finalize:
            self._finalize.pop()()
        super().append(waiter)


@pytest.mark.parametrize("made", [SafeCondition, Waiters, rested])
def test_what_comes_while_a_finalizer_amid_a_wait_waits_ends_both(made: Callable[[], Any]) -> None:
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

    condition._waiters = Finalizing(finalize)

    def wait() -> bool:
        with condition:
            return bool(condition.wait_for(lambda: come))

    assert Other(wait).value()


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
