"""A circuit breaker: while a server fails at whatever it is asked, one request at a time tries it.

ArmoniK answers UNKNOWN to everything while its database restarts, and six UNKNOWNs more than good
answers end the control plane itself. So those who ask share one schedule: 1 s after a failure one
of them tries, then 2 s after, up to 10 s; the others wait for what becomes of it.

Enters: who wants to ask, from any thread, and what came of it. Leaves: leave to ask.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from pymonik.system.conditions import SafeCondition

# Seconds from a failure to the next try; doubled each time.
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 10.0
# Those who wait look that often whether their client is closed.
_TICK = 0.5


class Breaker:
    """Closed while the server answers; open from a failure to the next good answer."""

    def __init__(self) -> None:
        # Guards all of this; threads whose turn to ask has not come wait on it.
        self._changed = SafeCondition()
        # Seconds from the last failure to the next try, 0 while the server answers; when that is;
        # and the thread that is trying.
        self._pause = 0.0
        self._retry_at = 0.0
        self._trier: int | None = None
        # How often the server failed, those that failed together counted once.
        self.failures = 0
        # Called, without a lock, when a server that had failed answers again.
        self.recovered: Callable[[], None] = lambda: None

    @property
    def is_open(self) -> bool:
        """Return whether the last answer was a failure."""
        return self._pause > 0.0

    @property
    def is_lasting(self) -> bool:
        """Return whether the server failed again when it was asked again."""
        return self._pause > _FIRST_PAUSE

    def enter(self, end: float, is_closing: Callable[[], bool]) -> bool:
        """Wait for the turn to ask; False when it does not come before `end`, on time.monotonic.

        Who has it says what came of it, or `gave_up`; also where a handler has raised amid this.
        """
        thread = threading.get_ident()
        with self._changed:
            while self._pause:
                now = time.monotonic()
                if self._trier is None and now >= self._retry_at:
                    self._trier = thread
                if self._trier == thread:  # also a finalizer amid the try, which nothing would end
                    return True
                if now >= end or is_closing():
                    return False
                until = min(end, self._retry_at) if self._trier is None else end
                self._changed.wait(min(max(until - now, 0.0), _TICK))
        return True

    def failed(self) -> None:
        """Note a failure of the server itself."""
        with self._changed:
            if self._trier is not None or not self._pause:  # many fail at once: that counts as one
                self._pause = min(2 * self._pause or _FIRST_PAUSE, _LONGEST_PAUSE)
                self._retry_at = time.monotonic() + self._pause
                self.failures += 1
            self._trier = None
            self._changed.notify_all()

    def passed(self) -> None:
        """Note that the server answered: well, or with a refusal that it knew how to give."""
        # The usual case, without the lock: a failure that comes just now is of another request.
        if not self._pause:
            return
        with self._changed:
            was_open, self._pause, self._trier = self._pause > 0.0, 0.0, None
            self._changed.notify_all()
        if was_open:
            self.recovered()

    def gave_up(self) -> None:
        """Note that nothing came of what this thread tried, neither an answer nor a failure.

        Nothing where it does not try: another one may.
        """
        if self._trier != threading.get_ident():
            return
        with self._changed:
            self._trier = None
            self._changed.notify_all()
