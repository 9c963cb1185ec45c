"""One priority queue of task ids per partition, between the machine and the pods."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable

Message = tuple[int, int, str]


class Queues:
    """Messages by partition: bigger priorities first, then first come, first served."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        # Guards the heaps; pods wait on it for messages.
        self._changed = threading.Condition()
        self._heaps: dict[str, list[Message]] = {}
        self._on_their_way: dict[str, list[tuple[float, Message]]] = {}
        self._order = itertools.count()
        self._clock = clock
        self._closed = False

    def push(self, partition: str, task_id: str, priority: int, delay: float = 0.0) -> None:
        """Add a message, which can be taken after so many seconds."""
        with self._changed:
            message = (-priority, next(self._order), task_id)
            if delay:
                due = (self._clock() + delay, message)
                heapq.heappush(self._on_their_way.setdefault(partition, []), due)
            else:
                heapq.heappush(self._heaps.setdefault(partition, []), message)
            # All: those that wait are pods of several partitions, and only some can take it.
            self._changed.notify_all()

    def pop(self, partition: str) -> str | None:
        """Wait for a message of a partition; None says that the queues are closed."""
        with self._changed:
            while not self._closed:
                coming = self._deliver(partition)
                heap = self._heaps.get(partition)
                if heap:
                    return heapq.heappop(heap)[2]
                self._changed.wait(coming)
        return None

    def close(self) -> None:
        """Wake everybody who waits, for good."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _deliver(self, partition: str) -> float | None:
        """Put what has arrived into the heap; return the seconds until the next message."""
        coming = self._on_their_way.get(partition, [])
        now = self._clock()
        while coming and coming[0][0] <= now:
            _, message = heapq.heappop(coming)
            heapq.heappush(self._heaps.setdefault(partition, []), message)
        return coming[0][0] - now if coming else None
