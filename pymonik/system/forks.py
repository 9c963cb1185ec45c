"""Forks: in a child of `os.fork`, a lock that another thread held would be held for ever.

Enters: locks. Leaves: the same, which are free in a child. What they guard was made by threads that
the child does not have: it refuses to use them, or makes its own. The locks of imports are
Python's: what another thread was importing, maybe for us, the child imports anew.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
import weakref
from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar

Lock = TypeVar("Lock")
Value = TypeVar("Value")

# No weak set: that drops what has died by a function of Python, in which Ctrl-C would be ignored.
_LOCKS: dict[weakref.ref[Any], None] = {}


def fork_safe(lock: Lock) -> Lock:
    """Return a lock or condition that will be free in the child of a fork."""
    _LOCKS[weakref.ref(lock, _LOCKS.pop)] = None
    return lock


class fork_safe_property(cached_property[Value]):  # noqa: N801  # as the one of Python is named
    """A cached property whose lock, which Python had before 3.12, will be free in such a child."""

    def __init__(self, function: Callable[[Any], Value]) -> None:
        super().__init__(function)
        if hasattr(self, "lock"):
            fork_safe(self.lock)


def _free_all() -> None:
    locks = [reference() for reference in list(_LOCKS)]
    for lock in filter(None, locks):
        lock._at_fork_reinit()  # what the standard library does with its own


def _forget_half_imported() -> None:
    """Let the child import anew what other threads were importing: it would wait for them."""
    locks = getattr(importlib._bootstrap, "_module_locks", {})
    thread = threading.get_ident()
    for name, reference in list(locks.items()):
        if getattr(reference(), "owner", None) not in (None, thread):
            sys.modules.pop(name, None)
            locks.pop(name, None)


def _after_fork() -> None:
    _free_all()
    _forget_half_imported()


if hasattr(os, "register_at_fork"):
    # Such functions are called as they were registered. Who registers others that take locks of
    # ours has imported this before: they find them free.
    os.register_at_fork(after_in_child=_after_fork)
