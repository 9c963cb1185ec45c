"""Whether the database of the engine answers. Without it, every request of a client is UNKNOWN.

Agents wait for it with what they have to report: no task is lost. Event streams that were open
when it went away stay open, and say nothing more.
"""

from __future__ import annotations

import threading


class Database:
    """Answers, until it is made to go away."""

    def __init__(self) -> None:
        # Set while it answers; agents wait for it.
        self._answers = threading.Event()
        self._answers.set()
        # Guards the number of outages so far, which tells their timers apart.
        self._lock = threading.Lock()
        self._outage = 0

    @property
    def is_away(self) -> bool:
        """Whether it does not answer at present."""
        return not self._answers.is_set()

    def go_away(self, seconds: float | None = None) -> None:
        """Stop answering, for so many seconds or until `come_back`."""
        with self._lock:
            self._outage += 1
            self._answers.clear()
            outage = self._outage
        if seconds is not None:
            # A daemon: an emulator that ends waits for no outage.
            timer = threading.Timer(seconds, self._end, (outage,))
            timer.daemon = True
            timer.start()

    def come_back(self) -> None:
        """Answer again."""
        self._answers.set()

    def wait(self) -> None:
        """Wait until it answers."""
        self._answers.wait()

    def _end(self, outage: int) -> None:
        # A later outage is not ended by the timer of an earlier one.
        with self._lock:
            if outage == self._outage:
                self._answers.set()
