"""The health of a control plane that counts its own faults, as the engine does.

Answers of UNKNOWN are faults. More of them than allowed make the control plane unhealthy, and it
stops answering. Later servers forgive one fault for each success; 0.37.2 never forgives.
"""

from __future__ import annotations

import threading


class Vitals:
    """Counts faults against a limit."""

    def __init__(self, max_errors: int, *, forgiving: bool) -> None:
        self._lock = threading.Lock()
        self._errors = 0
        self._max_errors = max_errors
        self._forgiving = forgiving
        self.failed = False

    def fault(self) -> None:
        """Record a fault."""
        with self._lock:
            self._errors += 1
            self.failed = self.failed or self._errors > self._max_errors

    def success(self) -> None:
        """Record a success."""
        if self._forgiving and self._errors:
            with self._lock:
                self._errors = max(0, self._errors - 1)
