"""Waits that keep nobody out: locks that this thread holds are yielded while it sleeps.

Enters: a wait, such as that of a finalizer amid a section of ours (`held_locks`). Leaves: what it
returns, with the same locks held again, as often as before.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from pymonik.system.deferred_signals import DeferredSignals
from pymonik.system.forks import fork_safe
from pymonik.system.held_locks import always, held_here, yielding

T = TypeVar("T")

# Seconds that a wait for a condition, or a lock, sleeps before it looks whether its thread keeps
# others out meanwhile: most are over by then, and only one amid a section, such as that of a
# finalizer, can hold a lock.
MOMENT = 0.25

# An object of each time that locks of a section were free, and are held again: who has looked at
# what they guard, and finds another one here, is to look again. Of all threads: it is seldom.
_last_yield: object = object()


def last_yield() -> object:
    """Return what is another object once any thread has yielded locks amid a section."""
    return _last_yield


def yielding_locks(wait: Callable[[], T]) -> T:
    """Return what a wait returns; locks of this thread are free meanwhile."""
    held = held_here()
    return without(held, wait) if held else wait()


def without(locks: list[Any], wait: Callable[[], T], inner: Any = None) -> T:
    """Return what a wait returns; these locks are free meanwhile.

    inner: a lock that the wait takes, or leaves held. It is let go of while the others are taken
    again, for whoever holds one of them may need it: what it guards may have changed behind this.
    """
    states: dict[Any, Any] = {}
    try:
        with DeferredSignals():
            for lock in locks:
                states[lock] = lock._release_save()
        return wait()
    finally:
        try:
            with DeferredSignals():
                if inner is not None and inner._is_owned():
                    states[inner] = inner._release_save()
                _take_all(states)
        except BaseException:  # a handler, before signals were deferred or behind that
            _take_all(states)
            raise


def _take_all(states: dict[Any, Any]) -> None:
    """Take locks again: all, or none while one of them is waited for, so that no two threads cross.

    Those that this thread holds already are left alone: a handler may have raised amid this.
    """
    global _last_yield
    missing = [lock for lock in states if not lock._is_owned()]
    while missing:
        first, *others = missing
        first.acquire()
        taken = [first]
        for lock in others:
            if not lock.acquire(blocking=False):
                break
            taken.append(lock)
        else:
            break
        for held in taken:
            held.release()
        missing = [lock, *(other for other in missing if other is not lock)]
    for lock in missing:
        for _ in range(states[lock][0] - 1):  # how often it was held
            lock.acquire()
    # Once all are held: others have changed what they guard until now.
    _last_yield = object()


class PatientLock:
    """A lock that its own thread may take again; who waits long for it yields those that it holds.

    Its holder may need them: two finalizers, or one and an ordinary section, may come to locks in
    any order.
    """

    def __init__(self) -> None:
        # Of whoever keeps this, who says what it guards.
        lock: Any = fork_safe(threading.RLock())
        self._lock = lock
        self._is_owned: Callable[[], bool] = self._lock._is_owned
        self.release: Callable[[], None] = self._lock.release
        # Of conditions: before a sleep.
        self._release_save: Callable[[], Any] = self._lock._release_save

    # Of C where nobody can be waited for: no function of Python is between the lock and the block.
    __enter__ = property(lambda self: self._lock.__enter__ if self._is_owned() else self._enter)
    __exit__ = property(lambda self: self._lock.__exit__)

    def acquire(self, blocking: bool = True) -> bool:
        """Take the lock, as that of the standard library does."""
        take = self._lock.acquire
        if take(blocking=False):
            return True
        if not blocking:
            return False
        # Most are free again by then, and nothing of the sections around this is shown to others.
        return bool(take(timeout=MOMENT) or without(held_here(), take, inner=self._lock))

    def _enter(self) -> bool:
        try:
            return bool(self._lock.acquire(blocking=False) or self.acquire())
        except BaseException:  # a handler, behind the taking
            if self._is_owned():
                self.release()
            raise

    def _acquire_restore(self, state: Any) -> None:
        """Take it again behind the sleep of a condition, as often as it was held.

        Where a handler raises it is taken so, or not at all.
        """
        if state[0] == 1:
            self.acquire()
            return
        with DeferredSignals():
            self.acquire()
            for _ in range(state[0] - 1):
                self._lock.acquire()

    def _at_fork_reinit(self) -> None:
        self._lock._at_fork_reinit()


def yielding_lock(check: Callable[[], None] = always) -> PatientLock:
    """Make a lock that is yielded while its thread sleeps; check: as of `held_locks.yielding`."""
    lock = PatientLock()  # of whoever keeps it, who says what it guards
    yielding(lock._lock, check)
    return lock
