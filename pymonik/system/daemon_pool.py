"""A pool of threads for which no exit of the program waits, as it does for a ThreadPoolExecutor's.

Enters: functions, from any thread. Leaves: calls of these, several at once. Threads start as there
is work for them, and end when the pool is collected.
"""

from __future__ import annotations

import queue
import threading
import weakref
from collections.abc import Callable
from typing import Any

from pymonik.system.safe_logging import safe_logger
from pymonik.system.waits import yielding_lock

logger = safe_logger("pymonik")

_Call = tuple[Callable[..., object], tuple[Any, ...]]


class DaemonPool:
    """Runs functions on a few threads."""

    def __init__(self, threads: int, name: str) -> None:
        """Start at most so many threads."""
        self._most = threads
        self._name = name
        # What waits to be called; each None ends a thread.
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        # An item for each thread that has nothing to do. No semaphore: those are of Python, and
        # their lock is not for a finalizer that comes here amid it.
        self._idle: queue.SimpleQueue[None] = queue.SimpleQueue()
        # Guards the start of threads; for the same reason its thread may take it again.
        self._lock = yielding_lock()
        self._count = 0
        # Neither this nor a thread holds the pool, but its queues only: else it would never be
        # collected.
        weakref.finalize(self, _dismiss, self._calls, threads)

    def submit(self, function: Callable[..., object], *args: Any) -> None:
        """Run a function soon; raise RuntimeError when there is no thread, and none can start."""
        with self._lock:
            if not self._takes_idle() and self._count < self._most:
                self._start()
            self._calls.put((function, args))

    def _takes_idle(self) -> bool:
        try:
            self._idle.get_nowait()
        except queue.Empty:
            return False
        return True

    def _start(self) -> None:
        args = self._calls, self._idle
        # A daemon: who waits for what it does is decided by who submits it.
        thread = threading.Thread(target=_run, args=args, name=self._name, daemon=True)
        self._count += 1  # first: a finalizer may come here amid the start
        try:
            thread.start()
        except RuntimeError:
            self._count -= 1
            if not self._count:
                raise


def _run(calls: queue.SimpleQueue[_Call | None], idle: queue.SimpleQueue[None]) -> None:
    while True:
        call = calls.get()
        if call is None:
            return
        function, args = call
        try:
            function(*args)
        except BaseException:  # others wait to be called
            logger.exception("a function in a thread pool failed")
        del call, function, args  # they may hold the last of the pool
        idle.put(None)


def _dismiss(calls: queue.SimpleQueue[_Call | None], threads: int) -> None:
    for _ in range(threads):
        calls.put(None)
