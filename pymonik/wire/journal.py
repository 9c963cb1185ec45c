"""The page that an executor shares with its host: what it runs now, and what it has just finished.

The executor writes, the host reads: now and then, so that a value is told of while the next call
runs, and after the executor's death, so that what had ended does not run again. The journal has the
records of elements that ended since the last report; behind it stand the steps of the element that
runs now, overwritten when that ends.

    numbers: element · step · deadline (ns, 0: none) · unit (-1: none) · bytes of the journal ·
             the journal's first element · bytes of the steps behind it · how often it was begun
    entry:   4 bytes: length · 4 bytes: checksum · the pickle

An executor may die of writing where it should not. The checksums are a chain that begins with the
unit and its first element: nothing is unpickled, or taken for another's, that was not noted here.
"""

from __future__ import annotations

import logging
import mmap
import os
import pickle
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple
from zlib import crc32

from pymonik.system.memory_file import MemoryFile, open_memory_file
from pymonik.values.content import Content
from pymonik.values.outcome import Failure

logger = logging.getLogger("pymonik.host")

_NUMBERS = 64
_SIZE = 1 << 18
ELEMENT, STEP, DEADLINE, UNIT, JOURNAL, FIRST, STEPS, BEGUN = range(8)
# A step that ended, and whose value is nowhere but in the executor's memory.
GONE: tuple[Any, ...] = ()
_HEAD = struct.Struct("<II")
_BEGUN = struct.Struct("<qq")
# Steps continue the chain of elements in another way: none is taken for an element.
_OF_STEPS = 0x73746570


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
        # The last checksums of the journal, and of the steps behind it.
        self._chain = self._steps_chain = 0
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
        self._chain = crc32(_BEGUN.pack(unit, first))
        self._steps_chain = self._chain ^ _OF_STEPS

    def add(self, record: Any) -> bool:
        """Note the records of one more element that ended; False when there is no room for them."""
        kind = type(record)
        if any(map(_is_large, record)) if kind is list else _is_large(record):
            return False
        if self._steps:  # they are about to be overwritten
            self.numbers[STEPS] = self._steps = 0
        at = self.numbers[JOURNAL]
        end, self._chain = self._write(at, record, self._chain)
        if end == at:
            return False
        self._steps_chain = self._chain ^ _OF_STEPS
        self.numbers[JOURNAL] = end
        return True

    def note(self, step: tuple[Any, ...]) -> bool:
        """Note one more step of the element that runs; False when no more can be noted of it."""
        if step and _is_large(step[0]):
            step = GONE
        at = self.numbers[JOURNAL] + self._steps
        end, self._steps_chain = self._write(at, step, self._steps_chain)
        self._steps += end - at
        self.numbers[STEPS] = self._steps
        return end > at

    def _write(self, at: int, entry: Any, chain: int) -> tuple[int, int]:
        """Write an entry; give where it ends, `at` when there is no room, and the last checksum."""
        data = pickle.dumps(entry, 5)
        begin = _NUMBERS + at + _HEAD.size
        end = begin + len(data)
        if end > _SIZE:
            return at, chain
        chain = crc32(data, chain)
        _HEAD.pack_into(self._bytes, _NUMBERS + at, len(data), chain)
        self._bytes[begin:end] = data
        return end - _NUMBERS, chain

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
    unit, first = numbers[UNIT], numbers[FIRST]
    entries: list[Any] = []
    steps: list[tuple[Any, ...]] = []
    try:
        chain = crc32(_BEGUN.pack(unit, first))
        for entry, checksum in _entries(data[: numbers[JOURNAL]], chain):
            entries.append(pickle.loads(entry))
            chain = checksum
        for entry, _ in _entries(data[numbers[JOURNAL] :], chain ^ _OF_STEPS):
            steps.append(pickle.loads(entry))
    except Exception:  # user code has written over it: what cannot be read runs again
        logger.warning("the page of an executor holds what it did not write")
    return Journal(unit, first, entries, steps)


def _entries(data: bytes, chain: int) -> Iterator[tuple[bytes, int]]:
    """Yield the pickles of entries, each with its checksum; raises ValueError behind the last."""
    at = 0
    while at < len(data):
        size, checksum = _HEAD.unpack_from(data, at)
        entry = data[at + _HEAD.size : at + _HEAD.size + size]
        chain = crc32(entry, chain)
        if chain != checksum or len(entry) != size:
            raise ValueError("an entry is not what was written")
        yield entry, chain
        at += _HEAD.size + size


def _is_large(record: Any) -> bool:
    if type(record) is Content:
        return any(type(buffer) is MemoryFile for buffer in record.buffers)
    return type(record) is Failure and record.exception is not None
