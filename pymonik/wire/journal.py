"""The page that an executor shares with its host: what it runs now, and what it has just finished.

The executor writes, the host reads: now and then, so that a value is told of while the next call
runs, and after the executor's death, so that what had ended does not run again. The journal has the
records of elements that ended since the last report; behind it stand the steps of the element that
runs now, overwritten when that ends.

    numbers: element · step · deadline (ns, 0: none) · unit (-1: none) · bytes of the journal ·
             the journal's first element · bytes of the steps behind it · how often it was begun
"""

from __future__ import annotations

import io
import logging
import mmap
import os
import pickle
from typing import Any, NamedTuple

from pymonik.system.memory_file import MemoryFile, open_memory_file
from pymonik.values.content import Content
from pymonik.values.outcome import Failure

logger = logging.getLogger("pymonik.host")

_NUMBERS = 64
_SIZE = 1 << 18
ELEMENT, STEP, DEADLINE, UNIT, JOURNAL, FIRST, STEPS, BEGUN = range(8)
# A step that ended, and whose value is nowhere but in the executor's memory.
GONE: tuple[Any, ...] = ()


class Journal(NamedTuple):
    """What a page says has ended.

    unit: its number. first: the first element of `entries`, the records of elements. steps: of the
    element behind them, in order, each a tuple with a record, or `GONE`.
    """

    unit: int
    first: int
    entries: list[Any]
    steps: list[tuple[Any, ...]]


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
        self._steps = 0
        self._seen: list[int] = []

    def close(self) -> None:
        """Let go of the mapping."""
        self.numbers.release()
        self._bytes.release()
        self._map.close()

    def begin(self, unit: int, first: int) -> None:
        """Note that a unit starts, or goes on behind a report, at an element."""
        self.numbers[BEGUN] += 1
        self.numbers[JOURNAL] = self.numbers[STEPS] = self._steps = 0
        self.numbers[ELEMENT] = first
        self.numbers[STEP] = self.numbers[DEADLINE] = 0
        self.numbers[FIRST] = first
        self.numbers[UNIT] = unit

    def add(self, record: Any) -> bool:
        """Note the records of one more element that ended; False when there is no room for them."""
        kind = type(record)
        if any(map(_is_large, record)) if kind is list else _is_large(record):
            return False
        if self._steps:  # they are about to be overwritten
            self.numbers[STEPS] = self._steps = 0
        at = self.numbers[JOURNAL]
        end = self._write(at, record)
        if end == at:
            return False
        self.numbers[JOURNAL] = end
        return True

    def note(self, step: tuple[Any, ...]) -> bool:
        """Note one more step of the element that runs; False when no more can be noted of it."""
        if step and _is_large(step[0]):
            step = GONE
        at = self.numbers[JOURNAL] + self._steps
        end = self._write(at, step)
        self._steps += end - at
        self.numbers[STEPS] = self._steps
        return end > at

    def _write(self, at: int, entry: Any) -> int:
        """Write an entry; give where it ends, `at` when there is no room."""
        data = pickle.dumps(entry, 5)
        end = at + len(data)
        if end > _SIZE - _NUMBERS:
            return at
        self._bytes[_NUMBERS + at : _NUMBERS + end] = data
        return end

    def journal(self) -> Journal:
        """Return what has ended; nobody writes any more."""
        numbers = self.numbers.tolist()
        return _parsed(numbers, self._copy(numbers))

    def peek(self) -> Journal | None:
        """Return what has ended while the executor writes on; None when there is nothing new."""
        numbers = self.numbers.tolist()
        kept = numbers[UNIT:]
        if kept == self._seen or not numbers[JOURNAL] + numbers[STEPS]:
            return None
        data = self._copy(numbers)
        if self.numbers.tolist()[UNIT:] != kept:  # it was written meanwhile: the next look will do
            return None
        self._seen = kept
        return _parsed(numbers, data)

    def look_anew(self) -> None:
        """Let the next look tell of all there is: units have other numbers from now on."""
        self._seen = []

    def _copy(self, numbers: list[int]) -> bytes:
        size = numbers[JOURNAL] + numbers[STEPS]
        if not 0 <= numbers[JOURNAL] <= size <= _SIZE - _NUMBERS:
            return b""
        return bytes(self._bytes[_NUMBERS : _NUMBERS + size])


def _parsed(numbers: list[int], data: bytes) -> Journal:
    stream = io.BytesIO(data)
    entries: list[Any] = []
    steps: list[tuple[Any, ...]] = []
    try:
        while stream.tell() < min(numbers[JOURNAL], len(data)):
            entries.append(pickle.load(stream))
        while stream.tell() < len(data):
            steps.append(pickle.load(stream))
    except Exception:  # user code has written over it: what cannot be read runs again
        logger.warning("the page of an executor holds what it did not write")
    return Journal(numbers[UNIT], numbers[FIRST], entries, steps)


def _is_large(record: Any) -> bool:
    if type(record) is Content:
        return any(type(buffer) is MemoryFile for buffer in record.buffers)
    return type(record) is Failure and record.exception is not None
