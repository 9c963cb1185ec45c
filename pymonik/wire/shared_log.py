"""A log in shared memory: one process appends, another reads, and sees what is not as written.

Enters: immediates of one type, as they are, and then anything else, as pickles. Leaves: the same,
up to the first entry that somebody else has written over. Writing a number as it is costs a fifth
of pickling it, and most calls return one.

    numbers: where plain entries end, in words, and their kind · bytes of the pickles behind them
    plain:   8 bytes: the value · 8 bytes: the value XOR (a check of key and kind + place)
    pickle:  4 bytes: length · 4 bytes: checksum · the pickle

The checksums of pickles are a chain that begins with the key.
"""

from __future__ import annotations

import pickle
import struct
from types import NoneType
from typing import Any
from zlib import crc32

_HEAD = struct.Struct("<II")
# Bytes: what a machine writes in one step, so that a reader sees all of a word or nothing.
_WORD = 8
# What is noted as it is; the others are pickled.
_KINDS: dict[type, int] = {int: 1, float: 2, bool: 3, NoneType: 4}
# Where the kind stands in the number that tells it: 2 GiB of words have room before it.
_KIND_SHIFT = 28
# Python computes fastest with numbers of 30 bits: there is room for a place beside a check.
_CHECK_BITS = 29


class SharedLog:
    """A log to append to, in `data`; `numbers` are the two that say how long it is."""

    def __init__(self, data: memoryview, numbers: memoryview) -> None:
        self.move(data, numbers)

    def move(self, data: memoryview, numbers: memoryview) -> None:
        """Be in other memory from now on, and empty: whoever holds this log writes there."""
        self._data = data
        self._words = data[: len(data) // _WORD * _WORD].cast("q")
        self._floats = self._words.cast("B").cast("d")
        self._numbers = numbers
        self.begin(0, 0)

    def close(self) -> None:
        """Let go of the memory."""
        for view in (self._floats, self._words, self._numbers, self._data):
            view.release()

    def begin(self, origin: int, key: int) -> None:
        """Begin anew, at an offset that is a multiple of 8."""
        self._numbers[0] = self._numbers[1] = 0
        # The type of the plain entries; `None` before the first, and `Any` where no more may come.
        self._kind: Any = None
        self._at = origin // _WORD
        self._size = self._check = self._code = 0
        self._key = self._chain = key

    @property
    def end(self) -> int:
        """The offset behind it, a multiple of 8."""
        return _aligned(self._at * _WORD + self._size)

    @property
    def checksum(self) -> int:
        """What continues it, and is another after each entry."""
        return self._chain ^ self._at

    def add_plain(self, value: Any) -> bool:
        """Append a value as it is; False where it has to be pickled, or there is no room."""
        kind = type(value)
        if kind is not self._kind and not self._begins_with(kind):
            return False
        at, words = self._at, self._words
        try:
            if kind is float:
                self._floats[at] = value
                word = words[at]
            else:
                words[at] = word = 0 if value is None else value
            words[at + 1] = word ^ (self._check + at)
        except (ValueError, IndexError):  # a number of more than 64 bits, or no room
            return False
        self._at = at = at + 2
        # Behind the entry: a reader, or a death, in between finds the log without it.
        self._numbers[0] = at | self._code
        return True

    def _begins_with(self, kind: type) -> bool:
        if self._kind is not None or kind not in _KINDS:
            return False
        self._kind, self._code = kind, _KINDS[kind] << _KIND_SHIFT
        self._check = _check(self._key, _KINDS[kind])
        return True

    def add(self, entry: Any) -> bool:
        """Append the pickle of an entry; False when there is no room for it."""
        data = pickle.dumps(entry, 5)
        at = self._at * _WORD + self._size
        begin = at + _HEAD.size
        end = begin + len(data)
        if end > len(self._data):
            return False
        self._kind = Any
        self._chain = crc32(data, self._chain)
        _HEAD.pack_into(self._data, at, len(data), self._chain)
        self._data[begin:end] = data
        self._size += end - at
        # Behind the entry, as above.
        self._numbers[1] = self._size
        return True


class SharedLogReader:
    """What is read of a log: `plain` entries, and `pickled` ones behind them.

    read: how many of the plain ones were read before; so many of them are `skipped`.
    """

    def __init__(self, read: int = 0) -> None:
        # How many plain entries were read before.
        self._known = read
        self.skipped = 0
        self.plain: list[Any] = []
        self.pickled: list[Any] = []
        self.checksum = self.end = 0

    def read(self, data: bytes, origin: int, numbers: list[int], key: int) -> None:
        """Read a log; raises behind the last entry that is as it was written, if not all are."""
        mark, size = numbers
        first = origin // _WORD
        kind, last = divmod(mark, 1 << _KIND_SHIFT) if mark else (0, first)
        at = last * _WORD
        if not origin <= at <= at + size <= len(data):
            raise ValueError("a log is longer than its memory")
        self.skipped = min(self._known, (last - first) // 2)
        places = range(first + 2 * self.skipped, last, 2)
        self._read_plain(data, places, kind, _check(key, kind))
        chain = key
        self.end = _aligned(at + size)
        while size:
            length, checksum = _HEAD.unpack_from(data, at)
            entry = data[at + _HEAD.size : at + _HEAD.size + length]
            chain = crc32(entry, chain)
            at += _HEAD.size + length
            size -= _HEAD.size + length
            if chain != checksum or size < 0:
                raise ValueError("an entry is not what was written")
            self.pickled.append(pickle.loads(entry))
        self.checksum = chain ^ last

    def _read_plain(self, data: bytes, places: range, kind: int, check: int) -> None:
        part = memoryview(data)[places.start * _WORD : places.stop * _WORD]
        words = part.cast("q").tolist()
        values: list[Any] = part.cast("d").tolist()[::2] if kind == _KINDS[float] else words[::2]
        checks = range(check + places.start, check + places.stop, 2)
        for place, (word, other, own) in enumerate(zip(words[::2], words[1::2], checks)):
            if word ^ own != other:
                self.plain = _as_kind(values[:place], kind)
                raise ValueError("an entry is not what was written")
        self.plain = _as_kind(values, kind)


def _as_kind(values: list[Any], kind: int) -> list[Any]:
    if kind == _KINDS[bool]:
        return list(map(bool, values))
    return [None] * len(values) if kind == _KINDS[NoneType] else values


def _check(key: int, kind: int) -> int:
    """Return what the checks of plain entries begin with: never 0, which memory is full of."""
    return crc32(bytes([kind]), key) >> 32 - _CHECK_BITS | 1


def _aligned(offset: int) -> int:
    return -(-offset // _WORD) * _WORD
