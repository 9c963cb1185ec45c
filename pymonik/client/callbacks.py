"""Callbacks of users: called one after the other, on a thread of their own.

Enters: functions without arguments. Leaves: calls, off the threads of the engines, so that a
callback may wait for a value or cancel a call. The thread starts with the first callback.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable

from pymonik.system.safe_logging import safe_logger

logger = safe_logger("pymonik")


class Callbacks:
    """A queue of calls and the thread that makes them."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def put(self, call: Callable[[], object]) -> None:
        """Call a function after those before it."""
        with self._lock:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="pymonik-callbacks", daemon=True)
                thread.start()
                self._thread = thread
        self._calls.put(call)

    @property
    def runs_here(self) -> bool:
        """Return whether a callback is what runs in this thread."""
        return self._thread is threading.current_thread()

    def drain(self) -> None:
        """Wait until what was put so far has been called."""
        if self._thread is None or self.runs_here:
            return
        called = threading.Event()
        self._calls.put(called.set)
        called.wait()

    def _run(self) -> None:
        while True:
            call = self._calls.get()
            try:
                call()
            except BaseException:  # sys.exit, or a cancelled future: others wait to be called
                logger.exception("a callback failed")

    def _after_fork(self) -> None:
        """Begin anew: the thread has stayed behind, and what was put is its parent's to call."""
        self.__init__()  # type: ignore[misc]  # the lock and the queue may be held in the parent


CALLBACKS = Callbacks()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=CALLBACKS._after_fork)
