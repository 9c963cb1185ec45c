"""Layers, few crossings, straight lines: where the boxes of a drawing stand.

Enters: the number of boxes, and links from earlier boxes to later ones. Leaves: a `Layout`, whose
unit of length is the caller's: characters or pixels. How anything looks is left to the renderers.

The method is that of Sugiyama, Tagawa and Toda (1981): layers by longest path, an order within each
by sweeps of barycentres, then places by least squares under that order. Links of one source that
pass a layer share one bend there, so that a fan-out is drawn as one line that splits.
"""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

# A box by its number, or the bend of a box's links in a layer.
Place = int | tuple[int, int]
Wire = tuple[Place, Place]
_SWEEPS = 24
# Beyond this many places, a sweep more costs more than it makes clearer.
_MANY = 2_000
# How hard the ends of a wire pull at each other, by the number of bends among them: a long line
# looks worst when it is crooked, and what it ends at should not be moved for its sake.
_PULL = (2.0, 1.0, 16.0)


@dataclass(frozen=True)
class Layout:
    """`layers[k]` are places from left to right; `wires[k]` join layer k to layer k + 1."""

    layers: tuple[tuple[Place, ...], ...]
    wires: tuple[tuple[Wire, ...], ...]

    @property
    def crossings(self) -> int:
        """How many pairs of wires cross."""
        ranks = [_ranks(layer) for layer in self.layers]
        gaps = enumerate(self.wires)
        return sum(_crossings(wires, ranks[k], ranks[k + 1]) for k, wires in gaps)

    def positions(
        self, width: Callable[[Place], float], gap: float, limit: float | None = None
    ) -> dict[Place, float]:
        """Give the middle of every place, so that wires are as straight as the order allows.

        width: of a place. gap: kept free between neighbours. limit: the room there is.
        """
        return _Placement(self, width, gap, limit).positions()


def layered(count: int, links: Iterable[tuple[int, int]]) -> Layout:
    """Lay out boxes 0 to `count` - 1; every link goes from a smaller number to a larger one."""
    sources: list[list[int]] = [[] for _ in range(count)]
    targets: list[list[int]] = [[] for _ in range(count)]
    for source, target in dict.fromkeys(links):
        sources[target].append(source)
        targets[source].append(target)
    depth = _depths(sources, targets)
    layers: list[list[Place]] = [[] for _ in range(max(depth, default=-1) + 1)]
    wires: list[dict[Wire, None]] = [{} for _ in layers[1:]]
    for box in range(count):
        layers[depth[box]].append(box)
        last = max((depth[target] for target in targets[box]), default=0)
        trail: dict[int, Place] = {depth[box]: box}
        for layer in range(depth[box] + 1, last):
            trail[layer] = (box, layer)
            layers[layer].append((box, layer))
            wires[layer - 1][trail[layer - 1], (box, layer)] = None
        for target in targets[box]:
            above = depth[target] - 1
            wires[above][trail[above], target] = None
    ordered = _order(layers, [list(gap) for gap in wires])
    return Layout(tuple(map(tuple, ordered)), tuple(tuple(gap) for gap in wires))


def _depths(sources: list[list[int]], targets: list[list[int]]) -> list[int]:
    """Give each box its layer: below its sources; one without sources right above its target."""
    depth = [0] * len(sources)
    for box, above in enumerate(sources):
        depth[box] = 1 + max((depth[source] for source in above), default=-1)
    for box, below in enumerate(targets):
        if below and not sources[box]:
            depth[box] = min(depth[target] for target in below) - 1
    return depth


# ----- order


def _order(layers: list[list[Place]], wires: list[list[Wire]]) -> list[list[Place]]:
    """Sweep down and up, and keep the order with the fewest crossings."""
    ups: dict[Place, list[Place]] = {}
    downs: dict[Place, list[Place]] = {}
    for gap in wires:
        for upper, lower in gap:
            downs.setdefault(upper, []).append(lower)
            ups.setdefault(lower, []).append(upper)
    best, fewest = layers, _total(layers, wires)
    current = layers
    sweeps = _SWEEPS if sum(map(len, layers)) <= _MANY else 2
    for sweep in range(sweeps):
        if not fewest:
            break
        current = _sweep(current, ups, downs, down=sweep % 2 == 0, ties=sweep % 4 >= 2)
        crossings = _total(current, wires)
        if crossings < fewest:
            best, fewest = current, crossings
    return best


def _sweep(
    layers: list[list[Place]],
    ups: dict[Place, list[Place]],
    downs: dict[Place, list[Place]],
    down: bool,
    ties: bool,
) -> list[list[Place]]:
    """Sort each layer by the mean rank of its neighbours in the layer before it."""
    near = ups if down else downs
    result = list(layers)
    order = range(1, len(layers)) if down else range(len(layers) - 2, -1, -1)
    for k in order:
        fixed = _ranks(result[k - 1 if down else k + 1])
        own = _ranks(result[k])

        def key(place: Place) -> tuple[float, int]:
            ranks = [fixed[other] for other in near.get(place, ())]  # noqa: B023
            mean = sum(ranks) / len(ranks) if ranks else own[place]  # noqa: B023
            # Turning ties around now and then leads out of local minima.
            return mean, -own[place] if ties else own[place]  # noqa: B023

        result[k] = sorted(result[k], key=key)
    return result


def _ranks(layer: Sequence[Place]) -> dict[Place, int]:
    return {place: rank for rank, place in enumerate(layer)}


def _total(layers: list[list[Place]], wires: list[list[Wire]]) -> int:
    ranks = [_ranks(layer) for layer in layers]
    return sum(_crossings(gap, ranks[k], ranks[k + 1]) for k, gap in enumerate(wires))


def _crossings(wires: Sequence[Wire], upper: dict[Place, int], lower: dict[Place, int]) -> int:
    """Count inversions: wires sorted by their upper ends, how often do lower ends fall."""
    seen: list[int] = []
    count = 0
    for _, rank in sorted((upper[a], lower[b]) for a, b in wires):
        count += len(seen) - bisect_right(seen, rank)
        insort(seen, rank)
    return count


# ----- positions


class _Placement:
    """Moves layers, one after another, to where their neighbours want them."""

    def __init__(
        self, layout: Layout, width: Callable[[Place], float], gap: float, limit: float | None
    ) -> None:
        self.layers = layout.layers
        self.offsets = [_offsets([width(place) for place in layer], gap) for layer in self.layers]
        self.limit = limit
        self.at: dict[Place, float] = {}
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
        for _ in range(24 if len(self.at) <= _MANY else 4):
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
            weights.append(weight or 0.01)
        for place, offset, found in zip(layer, offsets, _rising(wishes, weights)):
            self.at[place] = found + offset

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
        """Give how far a place can go to either side."""
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
    """Give the middles of boxes that stand side by side, the first one at 0."""
    offsets: list[float] = []
    for number, width in enumerate(widths):
        step = (widths[number - 1] + width) / 2 + gap if number else 0.0
        offsets.append(offsets[-1] + step if number else 0.0)
    return offsets


def _rising(wishes: Sequence[float], weights: Sequence[float]) -> list[float]:
    """Give the rising numbers nearest to the wishes, by least squares (pool adjacent violators)."""
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
