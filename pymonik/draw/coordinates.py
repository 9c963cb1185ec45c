"""Where the places of a layout stand, so that lines are as straight as their order allows.

Enters: a layout, and the width of each place. Leaves: the middle of each. Places never change their
order here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from pymonik.draw.layout import MANY, Layout, Place

# How hard the ends of a wire pull at each other, by the number of bends among them: a long line
# looks worst when it is crooked, and what it ends at should not be moved for its sake.
_PULL = (2.0, 1.0, 16.0)


def positions(
    layout: Layout, width: Callable[[Place], float], gap: float, limit: float | None = None
) -> dict[Place, float]:
    """Return the middle of every place, so that wires are as straight as the order allows.

    width: of a place. gap: kept free between neighbours. limit: the room there is.
    """
    return _Placement(layout, width, gap, limit).positions()


class _Placement:
    """Moves layers, one after another, to where their neighbours want them."""

    def __init__(
        self, layout: Layout, width: Callable[[Place], float], gap: float, limit: float | None
    ) -> None:
        self.layers = layout.layers
        self.offsets = [_offsets([width(place) for place in layer], gap) for layer in self.layers]
        self.limit = limit
        self.at: dict[Place, float] = {}
        # The neighbours of a place in the layers next to it, and how hard each pulls.
        self.near: dict[Place, list[tuple[Place, float]]] = {}
        for wires in layout.wires:
            for upper, lower in wires:
                pull = _PULL[isinstance(upper, tuple) + isinstance(lower, tuple)]
                self.near.setdefault(upper, []).append((lower, pull))
                self.near.setdefault(lower, []).append((upper, pull))
        widest = max((offsets[-1] for offsets in self.offsets if offsets), default=0.0)
        for layer, offsets in zip(self.layers, self.offsets):
            for place, offset in zip(layer, offsets):
                self.at[place] = offset + (widest - offsets[-1]) / 2
        self.half = {place: width(place) / 2 for layer in self.layers for place in layer}

    def positions(self) -> dict[Place, float]:
        # Rounds behind which little moves any more; of large drawings, as many as one waits for.
        for _ in range(24 if len(self.at) <= MANY else 4):
            for layer, offsets in zip(self.layers, self.offsets):
                self._settle(layer, offsets)
            for layer, offsets in zip(self.layers[::-1], self.offsets[::-1]):
                self._settle(layer, offsets)
        self._straighten()
        left = min((self.at[place] - self.half[place] for place in self.at), default=0.0)
        moved = {place: at - left for place, at in self.at.items()}
        return moved if self.limit is None else self._within(moved, self.limit)

    def _settle(self, layer: Sequence[Place], offsets: Sequence[float]) -> None:
        wishes, weights = [], []
        for place, offset in zip(layer, offsets):
            near = self.near.get(place, ())
            weight = sum(pull for _, pull in near)
            mean = sum(self.at[other] * pull for other, pull in near) / weight if near else 0.0
            wishes.append((mean if near else self.at[place]) - offset)
            # What nothing pulls gives way to all others.
            weights.append(weight or 0.01)
        for place, offset, at in zip(layer, offsets, _rising(wishes, weights)):
            self.at[place] = at + offset

    def _straighten(self) -> None:
        """Put the bends of a long line below one another, as far as their neighbours let them."""
        lines: dict[int, list[tuple[int, int]]] = {}
        for k, layer in enumerate(self.layers):
            for rank, place in enumerate(layer):
                if isinstance(place, tuple):
                    lines.setdefault(place[0], []).append((k, rank))
        for bends in lines.values():
            rooms = [self._room(k, rank) for k, rank in bends]
            low, high = max(low for low, _ in rooms), min(high for _, high in rooms)
            if low <= high:
                middle = sorted(self.at[self.layers[k][rank]] for k, rank in bends)[len(bends) // 2]
                for k, rank in bends:
                    self.at[self.layers[k][rank]] = max(low, min(middle, high))

    def _room(self, k: int, rank: int) -> tuple[float, float]:
        """Return how far a place can go to either side."""
        layer, offsets = self.layers[k], self.offsets[k]
        low, high = -math.inf, math.inf
        if rank > 0:
            low = self.at[layer[rank - 1]] + offsets[rank] - offsets[rank - 1]
        if rank + 1 < len(layer):
            high = self.at[layer[rank + 1]] - offsets[rank + 1] + offsets[rank]
        return low, high

    def _within(self, at: dict[Place, float], limit: float) -> dict[Place, float]:
        """Push what stands beyond the limit back, without changing an order."""
        result: dict[Place, float] = {}
        for layer, offsets in zip(self.layers, self.offsets):
            if not layer:
                continue
            room = limit - self.half[layer[-1]] - offsets[-1]
            for place, offset in zip(layer, offsets):
                low = self.half[layer[0]] + offset
                result[place] = max(low, min(at[place], room + offset))
        return result


def _offsets(widths: Sequence[float], gap: float) -> list[float]:
    """Return the middles of boxes that stand side by side, the first one at 0."""
    offsets: list[float] = []
    for number, width in enumerate(widths):
        step = (widths[number - 1] + width) / 2 + gap if number else 0.0
        offsets.append(offsets[-1] + step if number else 0.0)
    return offsets


def _rising(wishes: Sequence[float], weights: Sequence[float]) -> list[float]:
    """Return the rising numbers nearest to the wishes, by least squares.

    Source: the algorithm is known as "pool adjacent violators".
    """
    pools: list[tuple[float, float, int]] = []
    for wish, weight in zip(wishes, weights):
        mean, total, count = wish, weight, 1
        while pools and pools[-1][0] > mean:
            before, heavy, many = pools.pop()
            mean = (before * heavy + mean * total) / (heavy + total)
            total += heavy
            count += many
        pools.append((mean, total, count))
    return [mean for mean, _, count in pools for _ in range(count)]
