"""Clusters of a graph of small elements: bands of levels, cut into strips.

Enters: elements. Leaves: for each the cluster it is in. A band is some levels; its elements are
dealt out in two phases. In the first there are strips: what begins in the band is cut into as many
as can run at once, and all that needs only things of one strip within the band belongs to it. In
the second is the rest, which needs things of several: where strips have borders, as those of a
stencil. Each cluster thus needs those of earlier bands and phases only: they have no cycle.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pymonik.graph.elements import ElementGraph
from pymonik.system.structs import Struct

# Band, phase and number there: clusters come in this order.
Cluster = tuple[int, int, int]
# Of an element that needs several strips: it is dealt out in the second phase.
_MIXED = -1


class Grain(Struct):
    """How large clusters may be.

    strips: how many are wanted side by side. calls: the most in a cluster.
    """

    strips: int
    calls: int

    def parts(self, calls: int) -> int:
        """Return into how many clusters so many calls are to be cut."""
        return max(self.strips, -(-calls // self.calls))


def clusters(
    elements: ElementGraph, numbers: Sequence[int], places: Sequence[int], height: int, grain: Grain
) -> dict[int, Cluster]:
    """Return the cluster of each of some elements, which are in order; height: levels of a band."""
    bands = {number: elements.levels[number] // height for number in numbers}
    inner = {
        number: [one for one in elements.needs[number] if bands.get(one) == band]
        for number, band in bands.items()
    }
    strip = _roots(elements, bands, inner, places, height, grain)
    mixed: dict[int, list[int]] = {}
    for number in numbers:
        if number in strip:
            continue
        # Elements come in order: those it needs have a strip. Who needs a mixed one is mixed, too.
        owners = {strip[one] for one in inner[number]}
        strip[number] = owners.pop() if len(owners) == 1 else _MIXED
        if strip[number] == _MIXED:
            mixed.setdefault(bands[number], []).append(number)
    # Those of the second phase, too, for now: they get theirs below.
    cluster_of = {number: (bands[number], 0, strip[number]) for number in numbers}
    for band, several in mixed.items():
        for part, members in enumerate(_packed(elements, several, inner, places, grain)):
            for number in members:
                cluster_of[number] = (band, 1, part)
    return cluster_of


def _roots(
    elements: ElementGraph,
    bands: dict[int, int],
    inner: dict[int, list[int]],
    places: Sequence[int],
    height: int,
    grain: Grain,
) -> dict[int, int]:
    """Return the strips of what begins in each band, cut by places."""
    beginning: dict[int, list[int]] = {}
    for number, needed in inner.items():
        if not needed:
            beginning.setdefault(bands[number], []).append(number)
    strip: dict[int, int] = {}
    for numbers in beginning.values():
        numbers.sort(key=places.__getitem__)
        calls = [elements.calls[number] for number in numbers]
        # All levels of a band are taken to be as wide as its first one.
        parts = grain.parts(sum(calls) * height)
        strip.update(zip(numbers, _dealt(calls, parts)))
    return strip


def _dealt(calls: Sequence[int], parts: int) -> Iterable[int]:
    """Return the part of each of some neighbours, so that parts are of about the same size."""
    whole, before = sum(calls), 0
    for size in calls:
        # By its middle: a large one that lies across a border goes where most of it is.
        yield min(parts - 1, parts * (2 * before + size) // (2 * whole))
        before += size


def _packed(
    elements: ElementGraph,
    numbers: list[int],
    inner: dict[int, list[int]],
    places: Sequence[int],
    grain: Grain,
) -> list[list[int]]:
    """Return the second phase of a band: what hangs together stays together, neighbours too."""
    leader = {number: number for number in numbers}

    def led(number: int) -> int:
        while leader[number] != number:
            # Union-find with path halving (Tarjan and van Leeuwen 1984): as good as linear.
            leader[number] = number = leader[leader[number]]
        return number

    for number in numbers:
        for one in inner[number]:
            if one in leader:
                leader[led(one)] = led(number)
    groups: dict[int, list[int]] = {}
    for number in numbers:
        groups.setdefault(led(number), []).append(number)
    ordered = sorted(groups.values(), key=lambda members: min(places[one] for one in members))
    calls = [sum(elements.calls[one] for one in members) for members in ordered]
    parts = grain.parts(sum(calls))
    packed: list[list[int]] = [[] for _ in range(parts)]
    for part, members in zip(_dealt(calls, parts), ordered):
        packed[part] += members
    return [members for members in packed if members]
