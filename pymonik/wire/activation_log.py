"""The log of calls that run where they were made: what an executor's death leaves of them.

An executor that runs the graph which a call has recorded notes, in memory that it shares with its
host, the graph and each value of it. The host reads that only when the executor has died, and hands
it, unread, to the one that goes on in its place: no call runs again that had ended.

    8 bytes: element · 8 bytes: step, of the call whose graph it is · entries
    entry:   4 bytes: length · 4 bytes: checksum · the pickle

It is a stack: what a graph has noted is cut off once it has its value. Checksums are a chain, as in
`wire.journal`: an entry that was overwritten in part ends the log before it.
"""

from __future__ import annotations

import pickle
import struct
from typing import Any
from zlib import crc32

from pymonik.system.structs import NamedTuple

# The element and the step of the call that has recorded the graph.
_BEGUN = struct.Struct("<qq")
# The length of a pickle, and its checksum.
_HEAD = struct.Struct("<II")
_dumps = pickle.dumps


class Mark(NamedTuple):
    """Where a log ended: its bytes, and the checksum there."""

    size: int
    chain: int


class ActivationLog:
    """The log of one executor; `numbers[place]` is how many bytes of `area` it has."""

    def __init__(self, numbers: memoryview, place: int, area: memoryview) -> None:
        self._place = place
        self.move(numbers, area)

    def move(self, numbers: memoryview, area: memoryview) -> None:
        """Be in other memory from now on, and empty: whoever holds this log writes there."""
        self._numbers, self._area, self._room = numbers, area, len(area)
        self._size = self._chain = 0

    @property
    def mark(self) -> Mark:
        """Where it ends now."""
        return Mark(self._size, self._chain)

    def close(self) -> None:
        """Let go of the memory."""
        self._area.release()

    def begin(self, element: int, step: int) -> None:
        """Begin anew, for the graph that a call has recorded."""
        self._numbers[self._place] = 0
        head = _BEGUN.pack(element, step)
        self._area[: _BEGUN.size] = head
        self.cut(Mark(_BEGUN.size, crc32(head)))

    def push(self, entry: Any) -> bool:
        """Note an entry of plain types, records and contents; False where there is no room."""
        data = _dumps(entry, 5)
        at = self._size
        begin = at + _HEAD.size
        end = begin + len(data)
        if end > self._room:
            return False
        self._chain = chain = crc32(data, self._chain)
        area = self._area
        _HEAD.pack_into(area, at, len(data), chain)
        area[begin:end] = data
        self._size = end
        # Last: an executor that dies before has not noted the entry.
        self._numbers[self._place] = end
        return True

    def cut(self, mark: Mark) -> None:
        """Let the log end where it has ended before."""
        self._size, self._chain = mark
        self._numbers[self._place] = self._size


def begun(data: bytes) -> tuple[int, int] | None:
    """Return whose graph a log is of, element and step; None where it says nothing."""
    return _BEGUN.unpack_from(data) if len(data) >= _BEGUN.size else None


def entries(data: bytes) -> list[Any]:
    """Return the entries of a log, up to the first that is not what was written."""
    read: list[Any] = []
    at, chain = _BEGUN.size, crc32(data[: _BEGUN.size])
    while at + _HEAD.size <= len(data):
        size, checksum = _HEAD.unpack_from(data, at)
        entry = data[at + _HEAD.size : at + _HEAD.size + size]
        chain = crc32(entry, chain)
        if chain != checksum or len(entry) != size:
            break
        read.append(pickle.loads(entry))
        at += _HEAD.size + size
    return read
