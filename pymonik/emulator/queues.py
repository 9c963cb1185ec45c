"""One priority queue of task ids per partition, between the machine and the pods."""

from __future__ import annotations

import heapq
import itertools
import threading


class Queues:
    """Messages by partition: bigger priorities first, then first come, first served."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._heaps: dict[str, list[tuple[int, int, str]]] = {}
        self._order = itertools.count()
        self._closed = False

    def push(self, partition: str, task_id: str, priority: int) -> None:
        """Add a message."""
        with self._changed:
            heap = self._heaps.setdefault(partition, [])
            heapq.heappush(heap, (-priority, next(self._order), task_id))
            self._changed.notify_all()

    def pop(self, partition: str) -> str | None:
        """Wait for a message of a partition; None says that the queues are closed."""
        with self._changed:
            while not self._closed:
                heap = self._heaps.get(partition)
                if heap:
                    return heapq.heappop(heap)[2]
                self._changed.wait()
        return None

    def close(self) -> None:
        """Wake everybody who waits, for good."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
