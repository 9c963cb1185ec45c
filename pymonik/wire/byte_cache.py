"""What is kept across tasks within a budget of bytes: the least recently used goes first.

Enters: values by key, with their bytes. Leaves: those that are still there. Not safe for threads.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from pymonik.system.structs import NamedTuple

T = TypeVar("T")

logger = logging.getLogger("pymonik.contents")


class CacheInfo(NamedTuple):
    """How much a cache holds, and how often it was of use."""

    items: int
    bytes: int
    hits: int
    misses: int


# Functions that executors keep loaded, by the bytes of their pickles.
FUNCTION_BYTES = 64 << 20


class ByteCache(Generic[T]):
    """Values by key; those of at most `limit` bytes together, and in any case the last one."""

    def __init__(self, name: str, limit: int) -> None:
        self._name = name
        self._limit = limit
        self._values: OrderedDict[Hashable, tuple[T, int]] = OrderedDict()
        self._bytes = self._hits = self._misses = 0

    def find(self, key: Hashable) -> T | None:
        """Return the value of a key, if it is there."""
        entry = self._values.get(key)
        if entry is None:
            return None
        self._hits += 1
        self._values.move_to_end(key)
        return entry[0]

    def get(self, key: Hashable, size: int, make: Callable[[], T]) -> T:
        """Return the value of a key, made when it is not there; size: its bytes."""
        entry = self._values.get(key)
        if entry is not None:  # as `find` does
            self._hits += 1
            self._values.move_to_end(key)
            return entry[0]
        made = make()
        self._misses += 1
        self._values[key] = (made, size)
        self._bytes += size
        # The last one stays even where it is larger than all: it is about to be used.
        while self._bytes > self._limit and len(self._values) > 1:
            _, (_, dropped) = self._values.popitem(last=False)
            self._bytes -= dropped
            logger.info("%s: dropped %d bytes; %s", self._name, dropped, self.info)
        return made

    @property
    def info(self) -> CacheInfo:
        """What it holds now, and its hits and misses so far."""
        return CacheInfo(len(self._values), self._bytes, self._hits, self._misses)
