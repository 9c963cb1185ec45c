"""Lanes: which of small calls stand side by side, for executors that run them together.

Enters: maps, which need each other. Leaves: for each of their elements a lane. The elements of a
map are dealt out in order, as neighbours stay neighbours from row to row; a map of fewer elements
than lanes stands where what it uses first does. Each executor runs its lanes in the order of the
graph, and waits for what others make: whatever the lanes are, one of them can go on.
"""

from __future__ import annotations

from collections.abc import Sequence

from pymonik.graph.ir import Map
from pymonik.graph.verbs import refs_of


def lanes_of(maps: Sequence[Map], count: int) -> dict[int, Sequence[int]]:
    """Return the lanes of the elements of maps, `count` at most, by the ids of the maps."""
    found: dict[int, Sequence[int]] = {}
    for node in maps:
        if node.n >= count:
            found[id(node)] = [index * count // node.n for index in range(node.n)]
        else:
            found[id(node)] = [_lane_of(node, index, found) for index in range(node.n)]
    return found


def _lane_of(node: Map, index: int, found: dict[int, Sequence[int]]) -> int:
    """Return the lane of the first value that an element uses; its place where it uses none."""
    for step in node.steps:
        for column in step.columns:
            for source, indexes in refs_of(column.at(index)):
                if id(source) in found and len(indexes):
                    return found[id(source)][indexes[0]]
    return index
