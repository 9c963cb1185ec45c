"""Conditions on which threads wait whose signals have handlers that raise, as that of Ctrl-C does.

Enters: who waits. Leaves: `threading.Condition`, whose lock is free behind each `with` block, and
held in it, wherever a handler has raised. That of the standard library is written in Python, whose
`__enter__` can be left with the lock held, and whose `wait` without it. And an `Answer` that one
thread gives to another, behind a `Latch`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Generic, TypeVar

from pymonik.system.held_locks import held_here
from pymonik.system.waits import MOMENT, last_yield, without, yielding_lock, yielding_locks

T = TypeVar("T")

# Called by `map` alone, in C, which keeps what it gives: no handler comes in between.
RELEASE: Callable[[Any], Any] = type(threading.RLock())._release_save  # type: ignore[attr-defined]


class _LetGo(threading.local):
    """How often this thread has held a lock that it has let go of, for each wait that does so."""

    def __init__(self) -> None:
        # The innermost wait, as that of a finalizer amid another, stands last.
        self.states: list[Any] = []


class SafeCondition(threading.Condition):
    """A condition with a lock that its own thread may take again.

    A wait for what comes yields other locks that its thread holds: see `held_locks`.
    """

    # What the base class takes from its lock.
    _lock: Any
    _is_owned: Callable[[], bool]
    # Whether the lock was let go of since who holds it has looked at what it waits for: by a wait
    # of its own on this very condition, as that of a finalizer is, or by one on anything else,
    # which yields it. `_looked` is the `last_yield` of that look; None where nobody has looked yet.
    _is_stale = False
    _looked: object = None

    def __init__(self) -> None:
        # Of whoever keeps the condition, who says what it guards.
        lock: Any = yielding_lock()
        super().__init__(lock)
        vars(self).pop("_release_save")  # that of the lock
        self._let_go = _LetGo()

    # Looked up for each block: no function of Python is between the lock and the block.
    __enter__ = property(lambda self: self._lock.__enter__)
    __exit__ = property(lambda self: self._lock.__exit__)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait, as a condition does; the lock is held as before behind it, whatever is raised."""
        self._demand_held()
        depth = len(self._let_go.states)
        try:
            return super().wait(timeout)
        finally:
            self._hold(depth)

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        """Wait until `predicate()` is true, as a condition does."""

        def look() -> Any:
            self._is_stale, self._looked = False, last_yield()
            return predicate()

        wait_for = super().wait_for
        end = None if timeout is None else time.monotonic() + timeout
        try:
            if timeout is not None and timeout <= MOMENT:
                return wait_for(look, timeout)
            if result := wait_for(look, MOMENT):
                return result
            # Once more where it was true, but not any more once all locks were held again.
            while True:
                left = None if end is None else max(0.0, end - time.monotonic())
                if not (held := held_here(besides=self._lock._lock)):
                    return wait_for(look, left)
                sleep = partial(wait_for, look, left)
                result = without(held, sleep, inner=self._lock._lock)
                if not result or (result := look()):
                    return result
        finally:
            self._is_stale = True

    def bring(self, predicate: Callable[[], Any], end: float) -> Any:
        """Bring what is waited for in this thread, without the lock, where that can be done here.

        Return what `predicate` has said; None where it is to be waited for, as it always is here.
        """
        return None

    def look_again(self) -> None:
        """Let every waiting thread look again at what it waits for: what that asks has changed."""
        # Held, so that no thread which has just looked sleeps on.
        with self:
            self.notify_all()

    def _release_save(self) -> Any:
        # Called between the look at what is waited for and the sleep, by who will be woken from
        # now on. What has come since the look, while a finalizer waited for this or for anything
        # else, has woken others only.
        if self._is_stale or self._looked not in (None, last_yield()):
            threading.Condition.notify_all(self)
        states = self._let_go.states
        states += map(RELEASE, (self._lock._lock,))
        return states[-1]

    def _demand_held(self) -> None:
        """Raise RuntimeError, as a condition does, where the lock is not held: nor is it then."""
        if not self._is_owned():
            raise RuntimeError("cannot wait on un-acquired lock")

    def _hold(self, depth: int) -> None:
        """Take the lock as often as before where a handler has raised before it was taken again.

        depth: how many waits of this thread there were around this one.
        """
        states = self._let_go.states
        if not self._is_owned():
            self._lock._acquire_restore(states[depth])
        del states[depth:]


class Latch:
    """Closed until it is opened, once, by another thread (Java's `CountDownLatch` of one).

    A lock, and no event: its wait is of C, and what a handler raises amid it breaks nothing. It
    yields locks that its thread holds: see `held_locks`.
    """

    def __init__(self) -> None:
        # Taken here, and given back by whichever thread opens it: a lock has no owner.
        lock = threading.Lock()
        lock.acquire()
        self.wait: Callable[[], object] = lambda: yielding_locks(lock.acquire)
        self.open: Callable[[], None] = lock.release


class Answer(Generic[T]):
    """What one thread asks, and another works out, once.

    work: called by who answers.
    """

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._given = Latch()  # opened once there is an answer
        self._found: T | None = None

    def give(self) -> None:
        """Work it out, and let who waits go on; raises what that raises."""
        try:
            self._found = self._work()
        finally:
            self._given.open()

    def wait(self) -> T | None:
        """Return the answer once it was given; None where that has failed. Called once."""
        self._given.wait()
        return self._found
