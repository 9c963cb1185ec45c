"""Callbacks of users: called one after the other, on a thread of their own.

Enters: functions without arguments. Leaves: calls, off the threads of the engines, so that a
callback may wait for a value, also in an event loop, or cancel a call. The thread starts with the
first callback. Another one ends clients that were collected, which happens amid anything.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable

from pymonik.system.conditions import Latch
from pymonik.system.deferred_signals import start_thread
from pymonik.system.safe_logging import safe_logger
from pymonik.system.waits import yielding_lock

logger = safe_logger("pymonik")


class Callbacks:
    """A queue of calls and the thread that makes them."""

    def __init__(self, name: str = "pymonik-callbacks") -> None:
        self._name = name
        self._reset()

    def _reset(self) -> None:
        """Begin anew: in a child of a fork, what was put is its parent's to call."""
        # Written by any thread, read by that of callbacks; to write takes no lock of Python.
        self._calls: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        # Guards the start of the thread; a finalizer may come here amid it.
        self._lock = yielding_lock()
        self._thread: threading.Thread | None = None

    def put(self, call: Callable[[], object]) -> None:
        """Call a function after those before it; once started, it takes no lock."""
        # A `SimpleQueue`, which finalizers may use: its `put` is reentrant, that of `Queue` is not.
        self._calls.put(call)
        try:
            self.start()
        except RuntimeError:  # no thread to spare: who puts the next, or waits for it, tries again
            logger.debug("a callback waits for a thread", exc_info=True)

    def start(self) -> None:
        """Start the thread, unless it runs."""
        if self._thread is not None:
            return
        with self._lock:
            if self._thread is None:
                # A daemon: who is to wait for callbacks is decided where clients are closed
                # (`drain`).
                thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                start_thread(self, thread)

    @property
    def runs_here(self) -> bool:
        """Return whether a callback is what runs in this thread."""
        return self._thread is threading.current_thread()

    def drain(self) -> None:
        """Wait until what was put so far has been called."""
        # A callback that waited for callbacks would wait for itself.
        if self._thread is None or self.runs_here:
            return
        # Opened behind all that was put before: the thread takes them in order.
        called = Latch()
        self._calls.put(called.open)
        called.wait()

    def _run(self) -> None:
        while True:
            call = self._calls.get()
            try:
                call()
            except BaseException:  # sys.exit, or a cancelled future: others wait to be called
                logger.exception("a callback failed")
            del call  # it may hold the last of a client


CALLBACKS = Callbacks()
# What ends clients that were collected: started when one is opened, a finalizer may start nothing.
ENDINGS = Callbacks("pymonik-endings")
if hasattr(os, "register_at_fork"):
    for each in (CALLBACKS, ENDINGS):
        # The thread has stayed behind, and the parent may hold the lock and the queue.
        os.register_at_fork(after_in_child=each._reset)
