"""Callbacks of users: called one after the other, on a thread of their own.

Enters: functions without arguments. Leaves: calls, off the threads of the engines, so that a
callback may wait for a value or cancel a call. The thread starts with the first callback.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

logger = logging.getLogger("pymonik")


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
                self._thread = threading.Thread(
                    target=self._run, name="pymonik-callbacks", daemon=True
                )
                self._thread.start()
        self._calls.put(call)

    def drain(self) -> None:
        """Wait until what was put so far has been called."""
        if self._thread is None or self._thread is threading.current_thread():
            return
        called = threading.Event()
        self._calls.put(called.set)
        called.wait()

    def _run(self) -> None:
        while True:
            call = self._calls.get()
            try:
                call()
            except Exception:
                logger.exception("a callback failed")


CALLBACKS = Callbacks()
