"""How many tasks of a session run now."""

from __future__ import annotations

import contextlib
import time

from pymonik.backend.armonik.session import Session
from pymonik.errors import ClusterError

# Seconds between two counts of the running tasks.
_CENSUS = 2.0


class TaskCensus:
    """Counts the tasks that run: see `protocol.CountsRunning`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        # When to count the running tasks again, and how many there were.
        self._last = (0.0, 0)

    def running(self) -> int:
        """Return the tasks that run.

        The cluster is asked every two seconds at most, and only while somebody looks.
        """
        if time.monotonic() >= self._last[0]:
            with contextlib.suppress(ClusterError):
                self._last = (0.0, self._session.running())
            self._last = (time.monotonic() + _CENSUS, self._last[1])
        return self._last[1]
