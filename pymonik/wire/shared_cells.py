"""Cells in shared memory, each written once: how executors that run a unit together hand values on.

Enters: records, by the executor that has made them. Leaves: the same, to the others, as soon as
they look; and to the host when one of them has died. They are I-structures (Arvind, Nikhil and
Pingali 1989), but that who waits for one looks again and again: between two processes that is a few
microseconds, where a message and its wake-up take a hundred.

    numbers: why all are to stop · how many bytes of pickles each executor has written · which of
             them have come, and whose part others have taken
    cells:   8 bytes: the value, or where its pickle is · 8 bytes: the value XOR (a check of its
             kind + the place)
    pickles: a part for each executor; 4 bytes: checksum · the pickle

The second word tells that the first is there, whichever of them is seen first: memory that nobody
has written to, or somebody else has, holds no value.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import pickle
import struct
from collections.abc import Sequence
from types import NoneType
from typing import Any
from zlib import crc32

from pymonik.system.memory_file import MemoryFile, open_memory_file
from pymonik.system.structs import NamedTuple
from pymonik.values.content import Content
from pymonik.values.outcome import Failure

# What `get` gives for a cell in which there is nothing yet.
EMPTY = object()
# The record of a value that is too large to be copied: who has made it has it.
HELD = object()
# Why all stop: they are to begin again, with others; or others are to run what is left.
AGAIN, OVER = 1, 2
# What tells that an executor has come, or that another has taken its part before.
_HERE, _TAKEN = 1, 2
# Where things stand in the memory. First words of 8 bytes: why all stop, how far each executor
# has filled its pickles, and which of them have come. Then the cells, then the pickles.
STOP = 0
# As many executors may run a unit together.
MEMBERS = 63
# Bytes of the first words: up to where pickles are filled, and with those that tell who has come.
_USED = 8 * (1 + MEMBERS)
_NUMBERS = _USED + 8 * MEMBERS
# A word for the value, or for where its pickle is, and one that checks it and tells its kind.
_CELL = 16
# Bytes that each executor has for them. Memory that nobody writes to costs nothing.
_PICKLES = 1 << 23
# A larger record is not copied; of that size on a value is a result of its own, too (`apart_size`).
_LARGEST = 1 << 16
_HEAD = struct.Struct("<I")
_INT, _FLOAT, _BOOL, _NONE, _PICKLE, _HELD = range(1, 7)
_KINDS: dict[type, int] = {int: _INT, float: _FLOAT, bool: _BOOL, NoneType: _NONE}
# The integers that a word holds; others are pickled.
_LEAST, _MOST = -(1 << 63), (1 << 63) - 1
# Checks differ above all places: never 0, which memory is full of.
_CHECK_SHIFT = 40
# A pickle is named by its place, above these bits, and by its length.
_OFFSET_SHIFT = 24


class Gang(NamedTuple):
    """What an executor must know to run its part of a unit (Ousterhout 1982: gang scheduling).

    file: the memory of the cells. lanes: of each call. parts: how many lanes there are. member:
    which of the `members` executors it is. is_again: whether calls have ended before.
    """

    file: MemoryFile | bytes
    lanes: bytes
    parts: int
    member: int
    members: int
    is_again: bool


class _Told(NamedTuple):
    """A record, and failures of calls that it was made by, whose own values nobody needs."""

    record: Any
    failures: list[Failure]


class SharedCells:
    """The cells of one unit, mapped here. member: to whose part of the pickles it writes."""

    def __init__(self, fd: int, count: int, parts: int, member: int = 0) -> None:
        size = _size(count, parts)
        self._fd, self._count, self._parts, self._member = fd, count, parts, member
        self._map = mmap.mmap(fd, size)
        self._bytes = memoryview(self._map)
        self.numbers = self._bytes[:_NUMBERS].cast("q")
        cells = self._bytes[_NUMBERS : _NUMBERS + count * _CELL]
        self._words = cells.cast("q")
        self._floats = cells.cast("d")
        self._pickles = self._bytes[_NUMBERS + count * _CELL :]
        # Not zero, as all words of a new file are: an empty cell is of no kind.
        self._checks = {kind: (0x5A00 + kind) << _CHECK_SHIFT for kind in range(1, 7)}
        self._kinds = {check: kind for kind, check in self._checks.items()}
        self._of_int = self._checks[_INT]

    @staticmethod
    def new_file(count: int, parts: int) -> MemoryFile:
        """Return memory for so many cells, none of which has a value."""
        file = MemoryFile(open_memory_file(), _size(count, parts))
        os.ftruncate(file.fd, file.size)
        return file

    def close(self) -> None:
        """Let go of the memory, and of what was claimed."""
        fcntl.lockf(self._fd, fcntl.LOCK_UN)
        for view in (self._pickles, self._floats, self._words, self.numbers, self._bytes):
            view.release()
        self._map.close()

    @property
    def stopped(self) -> int:
        """Why no more calls are to begin; 0 while they may."""
        return self.numbers[STOP]

    def stop(self, why: int) -> None:
        """Let no more calls begin."""
        # Two processes may write at once, and one of the reasons is lost: either stops all, and
        # what stands in the cells stays.
        self.numbers[STOP] = max(why, self.numbers[STOP])

    def come(self) -> None:
        """Say that this executor is here, and will say when it has ended its part."""
        self.numbers[1 + MEMBERS + self._member] = _HERE

    def has_come(self, member: int) -> bool:
        """Return whether an executor has been here."""
        return self.numbers[1 + MEMBERS + member] == _HERE

    def arrive(self) -> bool:
        """Claim the part of this executor; False where another has taken it, which may be dead."""
        return self.claim(self._member) and self.numbers[1 + MEMBERS + self._member] != _TAKEN

    def take(self, member: int) -> bool:
        """Take the part of an executor that has not come; False where it has, or another took it.

        The lock of one that has died is free, too: of what it ran the host is to hear first. What
        is noted of it stays.
        """
        at = 1 + MEMBERS + member
        # Asked again: it may have come, and left, before it was claimed.
        if self.numbers[at] or not self.claim(member) or self.numbers[at]:
            return False
        self.numbers[at] = _TAKEN
        return True

    def copied(self) -> MemoryFile:
        """Return other memory with the same in it, in which calls may begin."""
        file = self.new_file(self._count, self._parts)
        first = _NUMBERS + self._count * _CELL
        os.pwrite(file.fd, self._bytes[8:_USED], 8)
        os.pwrite(file.fd, self._bytes[_NUMBERS:first], _NUMBERS)
        for begin, used in zip(range(first, file.size, _PICKLES), self.numbers[1:]):
            os.pwrite(file.fd, self._bytes[begin : begin + used], begin)
        return file

    def claim(self, member: int) -> bool:
        """Take the part of an executor, which may be oneself; False where somebody has taken it.

        It is let go of when this process closes any descriptor of the memory: one has a single one.
        """
        try:
            fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, member)
        except OSError:
            return False
        return True

    def get(self, place: int) -> Any:
        """Return the record in a cell, `EMPTY` or `HELD`."""
        at, words = place + place, self._words
        word = words[at]
        check = (word ^ words[at + 1]) - place
        if check == self._of_int:  # the usual case
            return word
        kind = self._kinds.get(check)
        if kind is None:
            return EMPTY
        if kind == _FLOAT:
            return self._floats[at]
        if kind == _PICKLE:
            loaded = self._loaded(word)
            return loaded.record if type(loaded) is _Told else loaded
        return bool(word) if kind == _BOOL else None if kind == _NONE else HELD

    def put(self, place: int, record: Any, failures: Sequence[Failure] = ()) -> bool:
        """Write a record into a cell; False where it is only said that there is one.

        failures: what is known here alone of calls that have made it.
        """
        if type(record) is int and _LEAST <= record <= _MOST and not failures:  # the usual case
            at, words = place + place, self._words
            words[at] = record
            words[at + 1] = record ^ (self._of_int + place)
            return True
        if failures:
            record = _Told(record, list(failures))
        kind, word, at = _KINDS.get(type(record), _PICKLE), record, place + place
        if kind == _FLOAT:
            self._floats[at] = record
            word = self._words[at]
        elif kind == _NONE:
            word = 0
        elif kind == _PICKLE or (kind == _INT and not _LEAST <= record <= _MOST):
            kind, word = self._pickled(record)
        # In any order, and seen in any order: the second word is none without the first.
        self._words[at] = word
        self._words[at + 1] = word ^ (self._checks[kind] + place)
        return kind != _HELD

    def records(self) -> dict[int, Any]:
        """Return all records that are there, by place; not those that are held elsewhere."""
        cells = ((place, self.get(place)) for place in range(self._count))
        return {place: one for place, one in cells if one is not EMPTY and one is not HELD}

    def failures(self) -> list[Failure]:
        """Return the failures that were written beside records."""
        return [failure for place in range(self._count) for failure in self._beside(place)]

    def _beside(self, place: int) -> list[Failure]:
        at = place + place
        word = self._words[at]
        if self._kinds.get((word ^ self._words[at + 1]) - place) != _PICKLE:
            return []
        loaded = self._loaded(word)
        return loaded.failures if type(loaded) is _Told else []

    def _pickled(self, record: Any) -> tuple[int, int]:
        inner = record.record if type(record) is _Told else record
        content = inner.exception if type(inner) is Failure else inner
        if type(content) is Content and content.is_shared:
            return _HELD, 0
        data = pickle.dumps(record, 5)
        number = 1 + self._member
        begin = self.numbers[number]
        end = begin + _HEAD.size + len(data)
        if len(data) > _LARGEST or end > _PICKLES:
            return _HELD, 0
        at = self._member * _PICKLES + begin
        _HEAD.pack_into(self._pickles, at, crc32(data))
        self._pickles[at + _HEAD.size : at + _HEAD.size + len(data)] = data
        # Behind the pickle, and before the cell that names it: what counts as used has both.
        self.numbers[number] = end
        return _PICKLE, at << _OFFSET_SHIFT | len(data)

    def _loaded(self, word: int) -> Any:
        at, size = word >> _OFFSET_SHIFT, word & ((1 << _OFFSET_SHIFT) - 1)
        begin = at + _HEAD.size
        data = bytes(self._pickles[begin : begin + size])
        # Not there yet as it was written, or written over since: it is as if there were none.
        if len(data) < size or _HEAD.unpack_from(self._pickles, at)[0] != crc32(data):
            return EMPTY
        return pickle.loads(data)


def _size(count: int, parts: int) -> int:
    return _NUMBERS + count * _CELL + parts * _PICKLES
