"""A deeper stack: for what goes down into an object as deep as it is nested, as `pickle` does.

Enters: a function that has run out of recursion. Leaves: what it returns, in a thread with a stack
that is large enough. From Python 3.12 on the depth of C code is its own, and cannot be set.
"""

from __future__ import annotations

import contextvars
import sys
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from pymonik.system.forks import fork_safe

T = TypeVar("T")

# As deep as C code may go since Python 3.13: `pickle` takes up to three levels for each object.
_DEPTH = 10_000
# Of the stack, at most 2 KiB for each level: memory that is not used is not taken.
_STACK = 64 << 20
# Guards the two sizes below, which are those of all threads: of new stacks, and of recursion.
_lock = fork_safe(threading.Lock())
# The limit of the program while another one is set.
set_limit: int | None = None
# The thread that is deep now. It holds up who waits for it with the lock, and has all the room that
# there is: what it pickles may pickle something else that is too deep.
_deep: threading.Thread | None = None


def can_go_deeper() -> bool:
    """Return whether there is more recursion to be had here."""
    is_deep = threading.current_thread() is _deep
    return sys.version_info < (3, 12) and recursion_limit() < _DEPTH and not is_deep


def recursion_limit() -> int:
    """Return the recursion limit that the program has set."""
    return set_limit or sys.getrecursionlimit()


def deeply(function: Callable[[], T]) -> T:
    """Return what a function returns, or raises, with room for deep recursion."""
    ends: list[Any] = []

    def run() -> None:
        try:
            ends.append((True, function()))
        except BaseException as error:  # raised where it is waited for
            ends.append((False, error))

    global set_limit, _deep
    context = contextvars.copy_context()
    # A thread has the stack with which it was started: this one cannot get a larger one. A daemon:
    # after Ctrl-C nobody waits for it.
    thread = threading.Thread(target=context.run, args=(run,), name="pymonik-deep", daemon=True)
    with _lock:
        size = threading.stack_size(_STACK)
        set_limit = sys.getrecursionlimit()
        _deep = thread
        try:
            sys.setrecursionlimit(_DEPTH)
            thread.start()
            thread.join()
        finally:
            threading.stack_size(size)
            sys.setrecursionlimit(set_limit)
            set_limit = _deep = None
    is_value, end = ends[0]
    if not is_value:
        raise end
    value: T = end
    return value
