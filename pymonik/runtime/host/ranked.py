"""In which order ready pieces are given out: by priority, then by the work that stands behind them.

Enters: units as they come, and pieces of them. Leaves: the piece to run next. Of pieces alike the
first that came is the first to go. Longest path first is the rule of critical-path scheduling
(Graham 1969: never longer than twice the best, and close to it where units are small).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pymonik.plan.unit import Unit
    from pymonik.runtime.host.unit_slice import UnitSlice

# Seconds of an element of which nothing is known: paths compare by their length then.
UNKNOWN = 1.0


def rank(units: Sequence[Unit], seconds: Callable[[Unit], float | None]) -> None:
    """Note in units how long the path is that begins with one of their elements, in seconds.

    units: in an order in which they can run. An element is what cannot be cut: a map of many short
    calls leaves room for a long one, which is to begin before it.
    """
    if len(units) == 1:  # nothing of these stands behind it
        expected = seconds(units[0])
        units[0].path = UNKNOWN if expected is None else expected
        return
    behind: dict[int, float] = {}
    for unit in reversed(units):
        expected = seconds(unit)
        unit.path = (UNKNOWN if expected is None else expected) + behind.get(id(unit.outputs), 0.0)
        for outputs in unit.needs:
            if behind.get(id(outputs), 0.0) < unit.path:
                behind[id(outputs)] = unit.path


class Ranked:
    """A queue of pieces: the highest priority first, then the longest path, then the oldest."""

    def __init__(self) -> None:
        # A heap; asked by itself whether there is any, it answers faster.
        self.entries: list[tuple[int, float, int, UnitSlice]] = []
        self._last = self._first = 0

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[UnitSlice]:
        return (entry[3] for entry in sorted(self.entries))

    def append(self, piece: UnitSlice) -> None:
        """Queue a piece behind those alike."""
        self._last += 1
        self._push(self._last, piece)

    def put_back(self, piece: UnitSlice) -> None:
        """Queue a piece before those alike."""
        # Below all numbers so far: before all that are alike.
        self._first -= 1
        self._push(self._first, piece)

    def next(self) -> UnitSlice:
        """Return the piece to run next, and leave it here."""
        return self.entries[0][3]

    def pop(self) -> UnitSlice:
        """Return the piece to run next, and take it out."""
        return heappop(self.entries)[3]

    def keep(self, pieces: Iterable[UnitSlice]) -> None:
        """Forget all but some of the pieces."""
        retained = {*map(id, pieces)}
        self.entries = [entry for entry in self.entries if id(entry[3]) in retained]
        heapify(self.entries)

    def _push(self, number: int, piece: UnitSlice) -> None:
        unit = piece.running.unit
        heappush(self.entries, (-(unit.options.priority or 1), -unit.path, number, piece))
