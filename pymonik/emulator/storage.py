"""Object storage in memory: an id for each stored object, its chunks as they were written.

Chunks come back as they went in (as the engine's Redis storage does): 10 MB created in one request
are one download message of 10 MB.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterable

Chunks = tuple[bytes, ...]


class ObjectStorage:
    """Immutable objects by opaque id."""

    def __init__(self) -> None:
        # Guards the dictionary; objects themselves never change.
        self._lock = threading.Lock()
        self._objects: dict[bytes, Chunks] = {}

    def add(self, chunks: Iterable[bytes]) -> tuple[bytes, int]:
        """Store chunks and return the new opaque id and the size."""
        stored = tuple(chunks)
        object_id = uuid.uuid4().hex.encode()
        with self._lock:
            self._objects[object_id] = stored
        return object_id, sum(map(len, stored))

    def find(self, object_id: bytes) -> Chunks | None:
        """Return the chunks of an object, or None."""
        with self._lock:
            return self._objects.get(object_id)

    def drop(self, object_id: bytes) -> None:
        """Delete an object, if it is there."""
        with self._lock:
            self._objects.pop(object_id, None)

    def __len__(self) -> int:
        return len(self._objects)
