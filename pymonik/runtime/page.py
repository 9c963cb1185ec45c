"""The page that an executor shares with its host: what it runs now, and what it has just finished.

The executor writes, the host reads, also after the executor's death: then the journal tells which
elements had ended since the last report, and none of them runs again.

    numbers: element · step · deadline (ns, 0: none) · unit (-1: none) · bytes of the journal ·
             the journal's first element
"""

from __future__ import annotations

import io
import mmap
import os
import pickle
from typing import Any

from pymonik.content import Content, MemoryFile, open_memory_file
from pymonik.runtime.outcome import Failure

_NUMBERS = 64
_SIZE = 1 << 18
ELEMENT, STEP, DEADLINE, UNIT, JOURNAL, FIRST = range(6)


def open_page() -> int:
    """Open a new page; give its descriptor."""
    fd = open_memory_file()
    os.ftruncate(fd, _SIZE)
    return fd


class Page:
    """The page, mapped in this process."""

    def __init__(self, fd: int) -> None:
        self._map = mmap.mmap(fd, _SIZE)
        self._bytes = memoryview(self._map)
        self.numbers = self._bytes[:_NUMBERS].cast("q")

    def close(self) -> None:
        """Let go of the mapping."""
        self.numbers.release()
        self._bytes.release()
        self._map.close()

    def begin(self, unit: int, first: int) -> None:
        """Note that a unit starts, or goes on behind a report, at an element."""
        self.numbers[JOURNAL] = 0
        self.numbers[ELEMENT] = first
        self.numbers[STEP] = self.numbers[DEADLINE] = 0
        self.numbers[FIRST] = first
        self.numbers[UNIT] = unit

    def add(self, record: Any) -> bool:
        """Note the records of one more element that ended; False when there is no room for them."""
        kind = type(record)
        if any(map(_is_large, record)) if kind is list else _is_large(record):
            return False
        data = pickle.dumps(record, 5)
        at = self.numbers[JOURNAL]
        end = at + len(data)
        if end > _SIZE - _NUMBERS:
            return False
        self._bytes[_NUMBERS + at : _NUMBERS + end] = data
        self.numbers[JOURNAL] = end
        return True

    def journal(self) -> tuple[int, list[Any]]:
        """Give the first element that was noted, and the records of all."""
        end, first = self.numbers[JOURNAL], self.numbers[FIRST]
        entries: list[Any] = []
        if not 0 <= end <= _SIZE - _NUMBERS:
            return first, entries
        stream = io.BytesIO(self._bytes[_NUMBERS : _NUMBERS + end])
        while stream.tell() < end:
            entries.append(pickle.load(stream))
        return first, entries


def _is_large(record: Any) -> bool:
    if type(record) is Content:
        return any(type(buffer) is MemoryFile for buffer in record.buffers)
    return type(record) is Failure and record.exception is not None
