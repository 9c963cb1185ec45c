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
from pymonik.system.held_locks import held_here, yielding_lock

T = TypeVar("T")

# Seconds that a wait sleeps before it looks whether its thread keeps others out meanwhile: most
# waits are over by then, and only that of a finalizer can hold a lock.
MOMENT = 0.25


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


class EnteredYielding:
    """A lock in whose section others are taken: who waits for it yields those of its thread.

    A finalizer asks for it amid a section of one of those, which its holder may need meanwhile.
    """

    _lock: Any
    _is_owned: Callable[[], bool]
    acquire: Callable[..., bool]
    release: Callable[[], None]

    # Of C where nobody can be waited for: no function of Python is between the lock and the block.
    __enter__ = property(lambda self: self._lock.__enter__ if self._is_owned() else self._enter)
    __exit__ = property(lambda self: self._lock.__exit__)

    def _enter(self) -> bool:
        try:
            return bool(self.acquire(blocking=False) or yielding_locks(self.acquire))
        except BaseException:  # a handler, behind the taking
            if self._is_owned():
                self.release()
            raise


class RoleLock(EnteredYielding):
    """Held by one thread for long; its own may take it again."""

    def __init__(self, is_yielding: bool = False) -> None:
        """is_yielding: whether it is yielded itself."""
        # Of whoever keeps this, who says what it guards.
        lock: Any = yielding_lock() if is_yielding else fork_safe(threading.RLock())
        self._lock = lock
        self._is_owned = lock._is_owned
        self.acquire = lock.acquire
        self.release = lock.release
