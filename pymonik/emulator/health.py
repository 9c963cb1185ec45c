"""The health of a control plane that counts its own faults, as the engine does.

Answers of UNKNOWN are faults. More of them than allowed make the control plane exit a while later;
in between it answers as ever. Later servers forgive one fault for each success; 0.37.2 never
forgives.
"""

from __future__ import annotations

import threading
from collections.abc import Callable


class Health:
    """Counts faults against a limit, and says once that it was passed."""

    def __init__(self, max_errors: int, *, forgiving: bool, exhausted: Callable[[], None]) -> None:
        # Guards the count: all threads of the server record here.
        self._lock = threading.Lock()
        self._errors = 0
        self._max_errors = max_errors
        self._forgiving = forgiving
        self._exhausted = exhausted
        self._failed = False

    def record_error(self) -> None:
        """Record a fault."""
        with self._lock:
            self._errors += 1
            fails = self._errors > self._max_errors and not self._failed
            self._failed = self._failed or fails
        if fails:
            self._exhausted()

    def record_success(self) -> None:
        """Record a success."""
        if self._forgiving and self._errors:
            with self._lock:
                self._errors = max(0, self._errors - 1)
