"""batch: say how many elements of a map make a unit.

With given durations units aim at one second; without, at two units a slot (an overlong one hands
its rest back), or one where calls of that name were short enough before, and on a cluster, where a
unit more costs as much as a hundred small calls. Never more elements than n / slots, and less where
that would make the longest path of the graph longer than max(span, work / slots), the bound below
which no schedule can go. Where that would make each call a unit of its own on a cluster, and no
durations are given, the bound is span + work / slots, above which no greedy schedule goes (Brent
1974): slots are a guess there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymonik.graph.ir import Graph, Map, inputs
from pymonik.graph.rewrite import rewrite
from pymonik.settings import settings

if TYPE_CHECKING:
    from pymonik.graph.target import Target

# So that a slot that is done sooner than others has one more to take.
_UNITS_A_SLOT = 2
# Of thousands of maps, so many have a note of their own.
_NOTES = 200


def batch(graph: Graph, target: Target) -> Graph:
    """Decide the number of elements a unit for every map."""
    maps = [node for node in graph.nodes if isinstance(node, Map)]
    if all(node.is_block for node in maps):
        return graph
    seconds = [_seconds(node, target) for node in maps]
    chunks = [_wish(node, cost, target) for node, cost in zip(maps, seconds)]
    free = [not _given(node, target) for node in maps]
    # A call of which nothing is known counts as one second: paths compare by their length.
    unit = [sum(target.seconds(step.spec) or 1.0 for step in node.steps) for node in maps]
    needs = _needs(maps)
    work = sum(cost * node.n for node, cost in zip(maps, unit))
    least = [1 if may else c for c, may in zip(chunks, free)]
    longest, share = _longest(needs, unit, least), work / max(1, target.slots)

    def within(bound: float) -> list[int]:
        wished = chunks
        # Sums of floats: the path that gives the bound must not exceed it by rounding.
        while _longest(needs, unit, wished) > bound * (1 + 1e-9):
            # All by half: at most 20 rounds, whatever the sizes, and maps keep their proportions.
            shrunk = [max(1, c // 2) if may else c for c, may in zip(wished, free)]
            if shrunk == wished:
                break
            wished = shrunk
        return wished

    bounded = within(max(longest, share))
    is_known = any(cost is not None for cost in seconds)
    if target.isolates_delegating and not is_known and _is_eager(chunks, bounded):
        bounded = within(longest + share)
    chunks = bounded
    # On a cluster, one unit per slot and a small remainder end sooner than units of equal size:
    # leave those as they are.
    even = [
        may and not (target.isolates_delegating and c == node.n // max(1, target.slots))
        for node, c, may in zip(maps, chunks, free)
    ]
    chunks = [_even(node.n, c) if may else c for node, c, may in zip(maps, chunks, even)]
    notes = [
        f"{node.name}: {node.n} calls in units of {chunk}"
        for node, chunk in zip(maps[:_NOTES], chunks)
        if node.n > 1
    ]
    changed = {id(node): node.in_units(chunk) for node, chunk in zip(maps, chunks)}
    return rewrite(graph, changed, graph.notes + tuple(notes))


def _is_eager(wished: list[int], chunks: list[int]) -> bool:
    """Return whether a map of more calls than slots would be a unit a call."""
    return any(chunk == 1 < wish for chunk, wish in zip(chunks, wished))


def _given(node: Map, target: Target) -> int | None:
    if any(step.ids for step in node.steps):
        return 1
    if target.isolates_delegating and any(step.spec.delegates for step in node.steps):
        return 1
    return node.spec.options.chunk_size or target.chunk_size


def _seconds(node: Map, target: Target) -> float | None:
    """Return the expected seconds of one element, None when a step's is not known."""
    total = 0.0
    for step in node.steps:
        cost = target.seconds(step.spec)
        if cost is None:
            return None
        total += cost
    return total


def _wish(node: Map, seconds: float | None, target: Target) -> int:
    given = _given(node, target)
    if given is not None:
        return min(given, max(1, node.n))
    slots = max(1, target.slots)
    if seconds is None:
        before = target.durations.get(node.name)
        short = before is not None and before * node.n < settings().unit_seconds * slots
        return max(
            1, node.n // (slots if short or target.isolates_delegating else _UNITS_A_SLOT * slots)
        )
    return max(1, min(int(settings().unit_seconds / seconds), node.n // slots))


def _even(n: int, chunk: int) -> int:
    """Return the size of units that are as many as before, but alike."""
    return -(-n // -(-n // chunk)) if n else chunk


def _needs(maps: list[Map]) -> list[list[int]]:
    """Return for each map the places of the maps it uses."""
    places = {id(node): place for place, node in enumerate(maps)}
    used = [(*map(id, inputs(node)),) for node in maps]
    return [[places[key] for key in keys if key in places] for keys in used]


def _longest(needs: list[list[int]], unit: list[float], chunks: list[int]) -> float:
    """Return the length of the longest path, each map as long as one of its units."""
    ends: list[float] = []
    for place, sources in enumerate(needs):
        start = max((ends[source] for source in sources), default=0.0)
        ends.append(start + unit[place] * chunks[place])
    return max(ends, default=0.0)
