"""A flush that goes on without who waits for it: a request may be answered late, or never.

Enters: `flush`, from threads that wait until a time. Leaves: calls that were sent, or TimeoutError;
the submission then goes on, and its values can be waited for again.
"""

from __future__ import annotations

import contextvars
import os
import threading
import time
from collections.abc import Callable

from pymonik.system.conditions import SafeCondition
from pymonik.system.waits import yielding_lock


class Flushers:
    """Lets a thread flush for all waits with a timeout, one at a time."""

    def __init__(self) -> None:
        # Held to look at the thread under way, and to start another one. Taken again by a finalizer
        # of the user's that waits for a value amid that.
        self._lock = yielding_lock()
        self._current: _Flusher | None = None

    def flush_by(self, flush: Callable[[], None], end: float, is_sent: Callable[[], bool]) -> bool:
        """Flush until `is_sent`; return whether that came by `end`, on time.monotonic.

        One that is under way may have begun too early for a call: the next one takes it. Raises
        what a flush raises that was begun for it.
        """
        is_ours = False
        while not is_sent() and not is_ours:
            with self._lock:
                flusher = self._current
                if flusher is None or flusher.has_ended:
                    # The one that has just ended may have sent it, after the look before the lock.
                    if is_sent():
                        return True
                    # It belongs to who has begun it: only that wait raises what it raises.
                    is_ours, flusher = True, _Flusher(flush)
                    # In this order: nobody is to wait for one that the system has no thread for,
                    # nor a finalizer amid this for one that has not begun.
                    flusher.start()
                    self._current = flusher
            # Without the lock, so that other waits find the flush that is under way.
            if not flusher.wait(max(0.0, end - time.monotonic())):
                return False
            if is_ours and flusher.problem is not None:
                raise flusher.problem
        return True


class _Flusher(threading.Thread):
    """One flush, in the context of the thread that asked for it first."""

    def __init__(self, flush: Callable[[], None]) -> None:
        # A daemon: a request that is never answered must not keep the program from its end.
        super().__init__(name="pymonik-flush", daemon=True)
        self._flush = flush
        self._context = contextvars.copy_context()
        self._process = os.getpid()
        # Not `join` and `is_alive`: before Python 3.13, of two threads that ask at the end of a
        # third, one may get an AssertionError.
        self._ended = SafeCondition()
        self._has_run = False
        self.problem: BaseException | None = None

    @property
    def has_ended(self) -> bool:
        """Whether it has; it has stayed behind in the parent of a fork."""
        return self._has_run or self._process != os.getpid()

    def wait(self, seconds: float) -> bool:
        """Return whether it has ended, after so long at most."""
        with self._ended:
            return bool(self._ended.wait_for(lambda: self.has_ended, seconds))

    def run(self) -> None:
        try:
            self._context.run(self._flush)
        except BaseException as problem:  # raised by who waits, or by the values of its calls
            self.problem = problem
        finally:
            del self._flush, self._context  # both hold the client
            with self._ended:
                self._has_run = True
                self._ended.notify_all()
