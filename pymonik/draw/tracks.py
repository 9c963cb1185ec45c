"""Rows for lines: which line between two layers runs where.

Enters: nets, the columns where each leaves and arrives. Leaves: a row for each that is not
straight, so that no two fall into one, with few crossings.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Net:
    """What leaves one place: the column of its stem, and those where it arrives."""

    stem: int
    ends: list[int]

    @property
    def low(self) -> int:
        """The leftmost column that it touches."""
        return min(self.stem, *self.ends)

    @property
    def high(self) -> int:
        """The rightmost column that it touches."""
        return max(self.stem, *self.ends)

    @property
    def is_straight(self) -> bool:
        """Whether the stem and all ends stand in one column."""
        return self.low == self.high


def tracks_of(nets: list[Net]) -> list[tuple[Net, int]]:
    """Return nets with their rows: of its own where one would touch another; few crossings."""
    order = sorted(nets, key=lambda net: net.stem)
    # As many rounds as nets: costs of neighbours need not be transitive, and swapping could go on
    # for ever.
    for _ in range(len(order)):
        swapped = False
        for place in range(len(order) - 1):
            above, below = order[place : place + 2]
            if _cost(below, above) < _cost(above, below):
                order[place : place + 2] = below, above
                swapped = True
        if not swapped:
            break
    rows: list[tuple[Net, int]] = []
    for net in order:
        taken = [
            row for other, row in rows if other.low - 1 <= net.high and net.low <= other.high + 1
        ]
        rows.append((net, 1 + max(taken, default=-1)))
    return rows


def _cost(above: Net, below: Net) -> int:
    """Count the crossings of two nets, a shared upright line as many."""
    crossings = int(above.low < below.stem < above.high)
    crossings += sum(below.low < end < below.high for end in above.ends)
    return crossings + 100 * sum(end == below.stem for end in above.ends)
