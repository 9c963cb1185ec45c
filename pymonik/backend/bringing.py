"""Threads that bring values: a wait for one, amid what they do, would keep them from it.

Enters: blocks of such threads, and waits. Leaves: an error where one is amid the other, as that of
a finalizer may be, in place of a wait without an end.
"""

from __future__ import annotations

import threading

from pymonik.errors import BackendError


class _Bringing(threading.local):
    """A block of this thread in which it brings values; entered again within itself."""

    depth = 0

    def __enter__(self) -> None:
        self.depth += 1

    def __exit__(self, *_: object) -> None:
        self.depth -= 1


BRINGING = _Bringing()


def demand_other_thread() -> None:
    """Raise BackendError where this thread is one that is to bring what would be waited for."""
    if BRINGING.depth or _hears_answers():
        raise BackendError(
            "cannot wait for a value here: this code (such as a finalizer) runs in a thread that "
            "fetches values from the cluster, and the value would never come; wait for it in "
            "another thread"
        )


def demand_answers() -> None:
    """Raise BackendError in a thread that hears the answers of requests: it cannot await any."""
    if _hears_answers():
        raise BackendError(
            "cannot send calls here: this code (such as a finalizer) runs in a thread that "
            "fetches values from the cluster, and would never receive the answer; they go with "
            "the next flush of another thread"
        )


def _hears_answers() -> bool:
    # Threads that gRPC starts run a function of its own.
    target = getattr(threading.current_thread(), "_target", None)
    return getattr(target, "__module__", None) == "grpc._cython.cygrpc"
