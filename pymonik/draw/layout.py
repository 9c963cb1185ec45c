"""Layers, few crossings, straight lines: where the boxes of a drawing stand.

Enters: the number of boxes, and links from earlier boxes to later ones. Leaves: a `Layout`, whose
unit of length is the caller's: characters or pixels. How anything looks is left to the renderers.

The method is that of Sugiyama, Tagawa and Toda (1981): layers by longest path, an order within each
by sweeps of barycentres, then places by least squares under that order. Links of one source that
pass a layer share one bend there, so that a fan-out is drawn as one line that splits.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# A box by its number, or the bend of a box's links in a layer.
Place = int | tuple[int, int]
Wire = tuple[Place, Place]
# Beyond this many places, a sweep more costs more than it makes clearer.
MANY = 2_000
# How often the layers are walked through, to order boxes so that few wires cross.
_SWEEPS = 24


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
        # One trail for all links of the box: they share its bends.
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
    """Return the layer of each box: below its sources; without any, right above its target."""
    depth = [0] * len(sources)
    for box, above in enumerate(sources):
        depth[box] = 1 + max((depth[source] for source in above), default=-1)
    for box, below in enumerate(targets):
        if below and not sources[box]:
            # Its targets stay where their other sources put them.
            depth[box] = min(depth[target] for target in below) - 1
    return depth


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
    sweeps = _SWEEPS if sum(map(len, layers)) <= MANY else 2
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
        result[k] = _sorted(result[k], _ranks(result[k - 1 if down else k + 1]), near, ties)
    return result


def _sorted(
    layer: list[Place], fixed: dict[Place, int], near: dict[Place, list[Place]], ties: bool
) -> list[Place]:
    own = _ranks(layer)

    def key(place: Place) -> tuple[float, int]:
        ranks = [fixed[other] for other in near.get(place, ())]
        mean = sum(ranks) / len(ranks) if ranks else own[place]
        # Turning ties around now and then leads out of local minima.
        return mean, -own[place] if ties else own[place]

    return sorted(layer, key=key)


def _ranks(layer: Sequence[Place]) -> dict[Place, int]:
    return {place: rank for rank, place in enumerate(layer)}


def _total(layers: list[list[Place]], wires: list[list[Wire]]) -> int:
    ranks = [_ranks(layer) for layer in layers]
    return sum(_crossings(gap, ranks[k], ranks[k + 1]) for k, gap in enumerate(wires))


def _crossings(wires: Sequence[Wire], upper: dict[Place, int], lower: dict[Place, int]) -> int:
    """Count inversions: wires sorted by their upper ends, how often do lower ends fall."""
    seen: list[int] = []
    count = 0
    # Wires of one upper end come by their lower ends: they do not cross.
    for _, rank in sorted((upper[a], lower[b]) for a, b in wires):
        count += len(seen) - bisect_right(seen, rank)
        insort(seen, rank)
    return count
