"""Open records: what of a run of values has not come yet, asked again and again while it comes.

Enters: where the records will be found. Leaves: the first that is missing. Records that have come
stay: those before it are looked at once, however often somebody asks.
"""

from __future__ import annotations

from typing import Any

from pymonik.values.content import IMMEDIATE
from pymonik.values.location import Location
from pymonik.values.outcome import PENDING

# Records that are looked at together: few at first, since the next is often missing soon.
_FEW, _MANY = 64, 4096


class OpenRecords:
    """The records of `node` at some places of `location`, as far as they have not come."""

    def __init__(self, node: Any, location: Location, places: range) -> None:
        self._node = node
        self._location = location
        self._left = places

    def first(self) -> tuple[Any, int] | None:
        """Return the node, and the index in it, of the first record that is missing, if one is."""
        location, count = self._location, _FEW
        while self._left:
            if location.record(self._left[0]) is PENDING:
                return self._node, self._left[0] - self._node.offset
            records = location.records(self._left[:count])
            # Types are compared faster than values, and most are immediates.
            if not IMMEDIATE.issuperset(map(type, records)) and PENDING in records:
                self._left = self._left[records.index(PENDING) :]
            else:
                self._left = self._left[count:]
                count = min(2 * count, _MANY)
        return None

    def is_none(self) -> bool:
        """Return whether all records have come."""
        return self.first() is None
