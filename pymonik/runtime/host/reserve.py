"""Executors that no host uses now: kept for a while, for the next client of this process.

Enters: executors that are idle when their host ends. Leaves: the same, for a host that would start
others just like them, with all that they have imported; or their end in order, when no host has
wanted them for `PYMONIK_KEEP_EXECUTORS` seconds. What a task has left behind is undone as between
two tasks. A program that ends takes them along, however it ends: see `process`.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections import deque
from collections.abc import Hashable, Sequence

from pymonik.runtime.host.pool import ExecutorPool, relay_logs
from pymonik.runtime.host.process import Process
from pymonik.runtime.host.start_state import available_cpus, ends_without_us
from pymonik.settings import settings
from pymonik.system.conditions import SafeCondition
from pymonik.system.forks import fork_safe
from pymonik.system.safe_logging import safe_logger
from pymonik.system.structs import NamedTuple

logger = safe_logger("pymonik.host")


class _Spare(NamedTuple):
    """An executor, what it was started with, and until when it is kept."""

    origin: Hashable
    process: Process
    until: float


class Reserve:
    """Idle executors; those that were used last are taken first. Safe for threads.

    `most`: more than that are not kept; None: one a CPU.
    """

    def __init__(self, most: int | None = None) -> None:
        self._most = most or available_cpus()
        # Guards all below. Executors are ended without it: that takes as long as they like.
        self._changed = fork_safe(SafeCondition())
        # In the order in which they were kept, which is that of their ends, too.
        self._spares: deque[_Spare] = deque()
        # Ends those whose time has come; there is none while nothing is kept.
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._spares)

    def keep(self, origin: Hashable, process: Process) -> bool:
        """Take over an idle executor; False when it is to end now."""
        seconds = settings().keep_executors
        with self._changed:
            if self._is_closed or not seconds or ends_without_us():
                return False
            if self._thread is None:
                # A daemon: at the end of the program `close` ends what is left, and waits for it.
                # Started under the lock, which it takes first: it finds what is kept below.
                thread = threading.Thread(target=self._run, name="pymonik-reserve", daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # the system has no thread left
                    return False
                self._thread = thread
            self._spares.append(_Spare(origin, process, time.monotonic() + seconds))
            self._changed.notify()
            return True

    def has(self, origin: Hashable) -> bool:
        """Return whether an executor is here that was started with the same."""
        with self._changed:
            return any(one.origin == origin and one.process.is_alive() for one in self._spares)

    def take(self, origin: Hashable) -> Process | None:
        """Return an executor that was started with the same, None when there is none."""
        with self._changed:
            # The youngest: what it has loaded is most likely in memory still.
            for spare in reversed(self._spares):
                if spare.origin == origin and spare.process.is_alive():
                    self._spares.remove(spare)
                    return spare.process
        return None

    def close(self) -> None:
        """End all of them, in order; none is kept any more."""
        with self._changed:
            self._is_closed = True
            left = [spare.process for spare in self._spares]
            self._spares.clear()
            thread = self._thread
            self._changed.notify()
        _end(left)
        if thread is not None:  # it may be ending others
            thread.join()

    def forget(self) -> None:
        """Leave all of them to the process that this one was forked from."""
        self._spares.clear()
        self._thread = None

    def _run(self) -> None:
        while True:
            with self._changed:
                late = self._late()
                if not late:
                    if not self._spares:
                        self._thread = None
                        return
                    left = self._spares[0].until - time.monotonic()
                    # A setting may name more seconds than the system can wait for at once.
                    self._changed.wait(min(left, threading.TIMEOUT_MAX))
                    continue
            _end(late)

    def _late(self) -> list[Process]:
        """Take out those whose time has come, and those that are too many."""
        now, late = time.monotonic(), []
        while self._spares and (self._spares[0].until <= now or len(self._spares) > self._most):
            late.append(self._spares.popleft().process)
        return late


def _end(processes: Sequence[Process]) -> None:
    """Let executors end in order, and hand on what they say until then."""
    if not processes:
        return
    pool = ExecutorPool("reserve", len(processes), {})
    try:
        for number, process in enumerate(processes):
            pool.adopt(number, process)
        for _, news in pool.finish(()):
            relay_logs(news)
    except Exception:  # then they are killed
        logger.exception("executors did not end in order")
    finally:
        pool.close()


RESERVE = Reserve()
# Registered before `host` registers the end of hosts, and so called after it.
atexit.register(RESERVE.close)

if hasattr(os, "register_at_fork"):
    # The executors, and the thread that ends them, are those of the parent.
    os.register_at_fork(after_in_child=RESERVE.forget)
