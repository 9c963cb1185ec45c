"""Forks: in a child of `os.fork`, a lock that another thread held would be held for ever.

Enters: locks. Leaves: the same, which are free in a child. What they guard was made by threads that
the child does not have: it refuses to use them, or makes its own.
"""

from __future__ import annotations

import os
import weakref
from typing import Any, TypeVar

Lock = TypeVar("Lock")

_LOCKS: weakref.WeakSet[Any] = weakref.WeakSet()


def fork_safe(lock: Lock) -> Lock:
    """Return a lock or condition that will be free in the child of a fork."""
    _LOCKS.add(lock)
    return lock


def _free_all() -> None:
    for lock in list(_LOCKS):
        lock._at_fork_reinit()  # what the standard library does with its own


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_free_all)
