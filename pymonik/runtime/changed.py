"""The condition on which everybody waits who waits for a host.

Enters: what is waited for, as predicates. Leaves: wake-ups, only of those whose wait is over.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


class Changed(threading.Condition):
    """Wakes who waits only when what it waits for is true: the host looks on its behalf."""

    def __init__(self) -> None:
        super().__init__()
        self._awaited: list[Callable[[], Any]] = []

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        """Wait until `predicate()` is true, as a condition does."""
        self._awaited.append(predicate)
        try:
            return super().wait_for(predicate, timeout)
        finally:
            self._awaited.remove(predicate)

    def announce(self) -> None:
        """Wake everybody if something that is waited for has come."""
        if self._awaited:
            with self:
                if any([predicate() for predicate in self._awaited]):
                    self.notify_all()
