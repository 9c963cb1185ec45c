"""Counts requests and bytes per method, so that tests can assert on them.

Methods of the control plane go by their bare name ("SubmitTasks"), those of agents with a prefix
("Agent.SubmitTasks"), calls of workers too ("Worker.Process").
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Count:
    """Calls of one method; a stream is one request. Bytes are those of serialised messages."""

    requests: int = 0
    request_bytes: int = 0
    response_bytes: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(
            self.requests + other.requests,
            self.request_bytes + other.request_bytes,
            self.response_bytes + other.response_bytes,
        )

    def __sub__(self, other: Count) -> Count:
        return Count(
            self.requests - other.requests,
            self.request_bytes - other.request_bytes,
            self.response_bytes - other.response_bytes,
        )


class Counters(Mapping[str, Count]):
    """Counts by method name. A method that was never called counts zero."""

    def __init__(self) -> None:
        # Requests are counted by the threads of the server, read by those of tests.
        self._lock = threading.Lock()
        self._counts: dict[str, Count] = {}

    def add(self, method: str, count: Count) -> None:
        """Add to the count of a method."""
        with self._lock:
            self._counts[method] = self._counts.get(method, Count()) + count

    def reset(self) -> None:
        """Forget everything counted so far."""
        with self._lock:
            self._counts.clear()

    @property
    def total(self) -> Count:
        """All calls of the control plane together: what clients cost, agents and workers not."""
        with self._lock:
            counts = dict(self._counts)
        return sum((c for method, c in counts.items() if "." not in method), Count())

    def __getitem__(self, method: str) -> Count:
        with self._lock:
            return self._counts.get(method, Count())

    def __iter__(self) -> Iterator[str]:
        with self._lock:
            return iter(sorted(self._counts))

    def __len__(self) -> int:
        with self._lock:
            return len(self._counts)

    def __repr__(self) -> str:
        counts = ", ".join(f"{method}: {self[method].requests}" for method in self)
        return f"<Counters {counts or 'empty'}>"
