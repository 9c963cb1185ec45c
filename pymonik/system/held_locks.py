"""Locks that a thread yields while a wait amid what they guard sleeps; which of them it holds.

Finalizers and weak references call wherever Python makes or calls something, also amid a section
that a lock of ours guards; what they call may wait for a value, and who brings that may need this
very lock. Such a section must already tolerate a finalizer that enters it again on the same thread.
It therefore also tolerates another thread that runs it to its end while the first one sleeps.

Enters: locks. Leaves: the same, known here as long as they live. `waits` has them yielded. Not
known are roles, which are held on purpose while values are waited for: that of who leads a host
(`leadership`), whose turn it is to submit (`Traits.turn`), and who sends for a client
(`ClientState.lock`): what is half sent, others are not to send on.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

# The check of each. No weak dictionary: that cannot be looked through while other threads add to
# it, and drops what has died by a function of Python, in which a handler that raises is ignored.
_ALL: dict[weakref.ref[Any], Callable[[], None]] = {}


def always() -> None:
    """Let a lock be yielded."""


def yielding(lock: Any, check: Callable[[], None] = always) -> Any:
    """Return a lock that its own thread may take again; it is yielded from now on.

    check: raises where what it guards is such, now, that no other thread is to find it. It must
    not hold the lock: it is kept as long as that lives.
    """
    _ALL[weakref.ref(lock, _ALL.pop)] = check
    return lock


def held_here(besides: Any = None) -> list[Any]:
    """Return the locks among these that this thread holds, maybe besides one.

    Raises what the check of one of them raises, which must not be yielded now.
    """
    held = []
    for reference, check in _ALL.copy().items():
        lock = reference()
        # Asked as conditions of the standard library do.
        if lock is not None and lock is not besides and lock._is_owned():
            check()
            held.append(lock)
    return held
