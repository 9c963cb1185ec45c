"""The page that an executor shares with its host: what it runs now, and what it has just finished.

The executor writes, the host reads: now and then, so that a value is known while the next call
runs, and after the executor's death, so that what had ended does not run again. The journal has the
records of elements that ended since the last report; behind it stand the steps of the element that
runs now, overwritten when that ends. Both are a log each (`wire.shared_log`).

    numbers: element · step · deadline (ns, 0: none) · unit (-1: none) · two of the elements ·
             two of the steps · the first element of the journal · how often it was begun ·
             bytes of the log of graphs that run where they were made, which has the other half of
             the page (`wire.activation_log`) · whether other executors have nothing to do, which
             the host writes

An executor may die of writing where it should not. The checksums of both logs begin with the unit
and its first element: nothing is unpickled, or taken for another's, that was not noted here.
"""

from __future__ import annotations

import logging
import mmap
import os
import struct
from typing import Any
from zlib import crc32

from pymonik.system.memory_file import open_memory_file
from pymonik.system.structs import NamedTuple
from pymonik.values.content import Content
from pymonik.values.outcome import Failure
from pymonik.wire.activation_log import ActivationLog
from pymonik.wire.shared_log import SharedLog, SharedLogReader

logger = logging.getLogger("pymonik.host")

# Twelve numbers of 8 bytes, named below.
_NUMBERS = 96
# Room for 16 000 numbers: what does not go in any more is reported at once.
_SIZE = 1 << 18
# The second half has the log of activations.
_WITH_LOG = 2 * _SIZE
ELEMENT, STEP, DEADLINE, UNIT, ELEMENTS, _, STEPS, _, FIRST, BEGUN, LOG, IDLE = range(12)
# A step that ended, and whose value is nowhere but in the executor's memory.
GONE: tuple[Any, ...] = ()
# The numbers of two logs without an entry.
_EMPTY_LOGS = memoryview(bytes(32)).cast("q")
_BEGUN = struct.Struct("<qq")
# Steps continue the checksums of elements in another way: none is taken for an element.
_OF_STEPS = 0x73746570


class Journal(NamedTuple):
    """What a page says has ended.

    unit: its number. first: the first element of `entries`, the records of elements. steps: of the
    element behind them, in order, each a tuple with a record, or `GONE`. log: of a graph that it
    has recorded, see `wire.activation_log`.
    """

    unit: int
    first: int
    entries: list[Any]
    steps: list[tuple[Any, ...]]
    log: bytes = b""


def open_page() -> int:
    """Open a new page; return its descriptor."""
    fd = open_memory_file()
    os.ftruncate(fd, _WITH_LOG)
    return fd


class SharedJournal:
    """The page, mapped in this process."""

    def __init__(self, fd: int) -> None:
        self._map = mmap.mmap(fd, _WITH_LOG)
        self._bytes = memoryview(self._map)
        self.numbers = self._bytes[:_NUMBERS].cast("q")
        self._elements = SharedLog(self._bytes[_NUMBERS:_SIZE], self.numbers[ELEMENTS:STEPS])
        self._steps = SharedLog(self._bytes[_NUMBERS:_SIZE], self.numbers[STEPS:FIRST])
        # Notes an element of a unit of one step, where its record can be noted as it is.
        self.add_plain = self._elements.add_plain
        self.log = ActivationLog(self.numbers, LOG, self._bytes[_SIZE:])
        # Whether the log of steps has any, or is to be begun behind the elements of now.
        self._has_steps = False
        # The numbers of the page at the last look: as long as they are the same, nothing is new.
        self._seen: list[int] = []
        # The beginning that the last look was after, and how many elements it has read since then.
        self._read = 0, 0

    def leave(self) -> None:
        """Write to a copy that no host reads, in a fork: the page is that of its parent."""
        self._map = mmap.mmap(-1, _WITH_LOG)
        self._bytes = memoryview(self._map)
        self.numbers = self._bytes[:_NUMBERS].cast("q")
        # A call that is running holds them: it is to find out that it is a fork, and writes before.
        self._elements.move(self._bytes[_NUMBERS:_SIZE], self.numbers[ELEMENTS:STEPS])
        self._steps.move(self._bytes[_NUMBERS:_SIZE], self.numbers[STEPS:FIRST])
        self.log.move(self.numbers, self._bytes[_SIZE:])

    def close(self) -> None:
        """Let go of the mapping."""
        self._elements.close()
        self._steps.close()
        self.log.close()
        self.numbers.release()
        self._bytes.release()
        self._map.close()

    def begin(self, unit: int, first: int) -> None:
        """Note that a unit starts, or goes on behind a report, at an element."""
        # First: who looks meanwhile sees that the page was begun anew, and tries again.
        self.numbers[BEGUN] += 1
        self._elements.begin(0, _key(unit, first))
        if self._has_steps:
            self._steps.begin(0, 0)
            self._has_steps = False
        self.numbers[ELEMENT] = self.numbers[FIRST] = first
        self.numbers[STEP] = self.numbers[DEADLINE] = self.numbers[LOG] = 0
        # Last: from here on what stands there is charged to this unit.
        self.numbers[UNIT] = unit

    def end(self) -> None:
        """Note that no unit runs: what stood here is of none."""
        numbers = self.numbers
        numbers[BEGUN] += 1
        numbers[ELEMENTS:FIRST] = _EMPTY_LOGS
        numbers[DEADLINE] = numbers[LOG] = 0
        numbers[UNIT] = -1

    def add(self, record: Any) -> bool:
        """Note the records of one more element that ended; False when there is no room for them."""
        if self._has_steps:  # they are about to be overwritten
            self._has_steps = False
            self._steps.begin(0, 0)
        if self._elements.add_plain(record):
            return True
        records = record if type(record) is list else [record]
        return not any(map(_is_large, records)) and self._elements.add(record)

    def note(self, step: tuple[Any, ...]) -> bool:
        """Note one more step of the element that runs; False when no more can be noted of it."""
        if not self._has_steps:
            self._has_steps = True
            self._steps.begin(self._elements.end, self._elements.checksum ^ _OF_STEPS)
        if not step:
            return self._steps.add(GONE)
        if self._steps.add_plain(step[0]):
            return True
        return self._steps.add(GONE if _is_large(step[0]) else step)

    def journal(self) -> Journal:
        """Return what has ended; the executor writes no more."""
        numbers = self.numbers.tolist()
        log = bytes(self._bytes[_SIZE:][: max(0, numbers[LOG])])
        return _parsed(numbers, self._copy())._replace(log=log)

    def peek(self) -> Journal | None:
        """Return what has ended since the last look, while the executor writes on; None if nothing.

        Of the elements those that are new, but for pickled ones: of these, as of the steps, all.
        """
        numbers = self.numbers.tolist()
        numbered = numbers[UNIT:LOG]
        if numbered == self._seen or not any(numbers[ELEMENTS:FIRST]):
            return None
        data = self._copy()
        if self.numbers.tolist()[UNIT:LOG] != numbered:  # written meanwhile: the next look will do
            return None
        begun, read = self._read
        journal = _parsed(numbers, data, read if begun == numbers[BEGUN] else 0)
        self._seen = numbered
        self._read = numbers[BEGUN], journal.first - numbers[FIRST] + len(journal.entries)
        return journal

    def tell_idle(self, is_idle: bool) -> None:
        """Let the executor know whether others have nothing to do."""
        self.numbers[IDLE] = is_idle

    def look_anew(self) -> None:
        """Let the next look give all there is: units have other numbers from now on."""
        self._seen, self._read = [], (0, 0)

    def _copy(self) -> bytes:
        # 20 µs: finding out how much of it matters costs more.
        return bytes(self._bytes[_NUMBERS:_SIZE])


def _key(unit: int, first: int) -> int:
    return crc32(_BEGUN.pack(unit, first))


def _parsed(numbers: list[int], data: bytes, read: int = 0) -> Journal:
    """Return what a page says, but for elements that were read before, as far as it can be."""
    unit, first = numbers[UNIT], numbers[FIRST]
    elements, steps = SharedLogReader(read), SharedLogReader()
    try:
        elements.read(data, 0, numbers[ELEMENTS:STEPS], _key(unit, first))
        steps.read(data, elements.end, numbers[STEPS:FIRST], elements.checksum ^ _OF_STEPS)
    except Exception:  # user code has written over it: what cannot be read runs again
        logger.warning(
            "the shared page of an executor was overwritten: it holds something that the "
            "executor did not write"
        )
    entries = elements.plain + elements.pickled
    completed = [*((record,) for record in steps.plain), *steps.pickled]
    return Journal(unit, first + elements.skipped, entries, completed)


def _is_large(record: Any) -> bool:
    if type(record) is Content:
        return record.is_shared
    return type(record) is Failure and record.exception is not None
