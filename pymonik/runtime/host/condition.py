"""The condition on which everybody waits who waits for a host.

Enters: what is waited for, as predicates. Leaves: wake-ups, only of those whose wait is over. Who
waits may be the one that runs the host's loop meanwhile: see `leadership`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from pymonik.runtime.host.leadership import Leadership
from pymonik.system.conditions import RELEASE, SafeCondition


class Changed(SafeCondition):
    """Wakes a thread only when what it waits for is true: the host looks on its behalf."""

    # Half of the base class's own `wait`, which it takes from its lock.
    _acquire_restore: Callable[[Any], None]
    # Who waits now, as the base class keeps them.
    _waiters: deque[Any]

    def __init__(self, leadership: Leadership) -> None:
        super().__init__()
        self._leadership = leadership
        self._awaited: list[Callable[[], Any]] = []

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        """Wait until `predicate()` is true, as a condition does."""
        self._demand_held()
        if timeout is not None and timeout <= 0:
            if not (result := predicate()):
                self._leadership.give_up()
            return result
        end = None if timeout is None else time.monotonic() + timeout
        depth = len(self._let_go.states)
        try:
            result = self._lead(predicate, end)
            if result:
                return result
            # Before the look with which the wait below begins: `announce` reads the list without
            # the lock, so news for which it finds nobody in there is seen by that look.
            self._awaited.append(predicate)
            left = None if end is None else max(0.0, end - time.monotonic())
            return super().wait_for(predicate, left)
        finally:
            try:
                self._hold(depth)  # first: others look through the list
            finally:
                self._is_stale = True
                if predicate in self._awaited:
                    self._awaited.remove(predicate)

    def bring(self, predicate: Callable[[], Any], end: float) -> Any:
        """Run the host's loop until the wait is over, or its time, if no other thread does."""
        # What runs amid a turn, such as a finalizer, is told so by `wait_for`; who holds the lock
        # is amid a wait, which has to look again behind this one: that is seen to there.
        if self._leadership.is_led or self._is_owned():
            return None
        return self._leadership.lead(predicate, end)

    def _lead(self, predicate: Callable[[], Any], end: float | None) -> Any:
        """Run the host's loop without the lock, until the wait is over or somebody else does."""
        # As the base class does. Where a handler raises amid it, `wait_for` takes the lock again.
        states = self._let_go.states
        states += map(RELEASE, (self._lock._lock,))
        try:
            # It looks without the lock, too: what it looks at is filled by this very thread, and
            # whoever else has news asks it to look again.
            return self._leadership.lead(predicate, end)
        finally:
            self._acquire_restore(states[-1])

    def notify_all(self) -> None:
        """Let every waiting thread look again: also the one that runs the loop."""
        if self._waiters:
            super().notify_all()
        if self._leadership.is_lent:
            self._leadership.look_again()

    def look_again(self) -> None:
        """Let every waiting thread look again; take the lock only where one may be asleep."""
        if self._awaited or self._waiters:  # read as in `announce`
            super().look_again()
        elif self._leadership.is_lent:
            self._leadership.look_again()

    def announce(self) -> None:
        """Wake everybody if something that is waited for has come."""
        # Read without the lock, which most turns need not take: see `wait_for`.
        if self._awaited:
            with self:
                if any([predicate() for predicate in self._awaited]):
                    super().notify_all()
