"""Values that lie out of line, beside their packs: each is fetched when somebody wants it.

Enters: packs that have come, and the elements that are wanted. Leaves: orders to fetch. One `get`
moves one value, and none of its siblings. Only a program that asks for neighbours, one after the
other, finds the next ones here already, up to a window of bytes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

from pymonik.system.structs import NamedTuple
from pymonik.values.outcome import PENDING, OutOfLine
from pymonik.values.outputs import Outputs

STORED, FETCHING, HERE = "stored", "fetching", "here"
# How far ahead of the reader values are fetched: in units, so many that no thread of `fetch` runs
# dry behind a slow one.
AHEAD_UNITS = 256
# The same in bytes: what a program has room for beside what it reads.
AHEAD_BYTES = 64 << 20


class Key(NamedTuple):
    """Where a value is in the order of reading: the number of its unit, and its place there."""

    number: int
    place: int
    output: int


class Value:
    """One value that lies out of line."""

    __slots__ = ("key", "reference", "state")

    def __init__(self, key: Key, reference: OutOfLine) -> None:
        self.key = key
        self.reference = reference
        self.state = STORED


class LargeValues:
    """Knows what is out of line of all packs that have come; guarded by the lock of its owner."""

    def __init__(self, fetch: Callable[[Outputs, Value], None]) -> None:
        self._fetch = fetch
        self._packs: WeakKeyDictionary[Outputs, dict[Key, Value]] = WeakKeyDictionary()
        self._outputs: WeakValueDictionary[int, Outputs] = WeakValueDictionary()
        # What was asked of packs that have not come: arguments of `want`.
        self._asked: WeakKeyDictionary[Outputs, list[Any]] = WeakKeyDictionary()
        self._last: Key | None = None
        self._ahead: dict[Key, int] = {}

    def leave(
        self, outputs: Outputs, number: int, columns: Sequence[Sequence[Any]]
    ) -> Sequence[Sequence[Any]]:
        """Take note of a pack; return its columns, pending where a value lies out of line."""
        values = {
            key: Value(key, record)
            for output, column in enumerate(columns)
            for place, record in enumerate(column)
            if type(record) is OutOfLine
            for key in [Key(number, place, output)]
        }
        asked = self._asked.pop(outputs, [])
        if not values:
            return columns
        self._packs[outputs] = dict(sorted(values.items()))
        self._outputs[number] = outputs
        for wanted in asked:
            self.want(outputs, *wanted)
        return [
            [PENDING if type(record) is OutOfLine else record for record in column]
            for column in columns
        ]

    def holds(self, outputs: Outputs) -> bool:
        """Return whether values of a unit lie out of line, and its pack has come."""
        return outputs in self._packs

    def outputs(self) -> list[Outputs]:
        """Return the units whose packs have come, and left values out of line."""
        # What is not held by anybody may be collected, and leave, while this is walked.
        return list(self._packs)

    def want(
        self, outputs: Outputs, output: int | None, places: range, alone: bool = False
    ) -> None:
        """Fetch values of a unit; `alone`: one was asked for, and more may follow."""
        values = self._packs.get(outputs)
        if values is None:
            if outputs.missing:
                self._asked.setdefault(outputs, []).append((output, places, alone))
            return
        number = next(iter(values)).number
        columns = range(len(outputs.columns)) if output is None else (output,)
        keys = [Key(number, place, of) for place in places for of in columns]
        wanted = [values[key] for key in keys if key in values]
        for value in wanted:
            self._start(outputs, value)
        if alone and len(wanted) == 1:
            self._read_ahead(wanted[0].key)

    def _start(self, outputs: Outputs, value: Value) -> None:
        self._ahead.pop(value.key, None)
        if value.state == STORED:
            value.state = FETCHING
            self._fetch(outputs, value)

    def _read_ahead(self, key: Key) -> None:
        last, self._last = self._last, key
        following = next(self._behind(last), None) if last is not None else None
        if following is None or following[1].key != key:
            return
        self._ahead = {k: size for k, size in self._ahead.items() if k > key}
        room = AHEAD_BYTES - sum(self._ahead.values())
        for outputs, value in self._behind(key):
            if room <= 0:
                return
            if value.state == STORED:
                self._start(outputs, value)
                self._ahead[value.key] = value.reference.size
                room -= value.reference.size

    def _behind(self, key: Key) -> Iterator[tuple[Outputs, Value]]:
        for number in range(key.number, key.number + AHEAD_UNITS):
            outputs = self._outputs.get(number)
            values = self._packs.get(outputs) if outputs is not None else None
            if outputs is None or values is None:
                continue
            keys = list(values)
            for at in keys[bisect_right(keys, key) :]:
                yield outputs, values[at]
