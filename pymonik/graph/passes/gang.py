"""gang: let several executors run a graph of small calls together, as one unit.

Where a level of a graph has few calls, such as a row of a stencil, each unit of a level waits for
those of the level before, by way of the host, and that costs more than the calls. Executors of the
embedded engine hand values to each other in a few microseconds (`wire.shared_cells`): there all
levels are one block, whose calls stand in as many lanes as calls can run at once. The elements of a
map are dealt out in order, as neighbours stay neighbours from row to row; a map of fewer elements
than lanes stands where what it uses first does. Each executor runs its lanes in the order of the
block, and waits for what others make: whatever the lanes are, one of them can go on. Of each map
those elements come first whose values other lanes use: until these ask for them, the executor has
the rest of the map to run, and one that is late holds nobody up.

For calls of which nothing is known, and for those that are known to be short: where they turn out
to be long, what is left is given out by the host as units (`runtime.executor.lane`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any

from pymonik.graph.blocks import Clustered, in_blocks
from pymonik.graph.elements import NumberedElements
from pymonik.graph.ir import Graph, Map
from pymonik.graph.phases import WIDE, affinity_of, groups_of, phases_of
from pymonik.graph.verbs import refs_of
from pymonik.system.structs import replace

if TYPE_CHECKING:
    from pymonik.graph.target import Target

# Of fewer levels units of levels are as good: to run together has its price, too.
_LEVELS = 8
# So they are of fewer calls in all.
_CALLS = 64
# Each of the executors reads the whole of a unit.
_MOST = 50_000
# Seconds of calls that are worth a unit: the host is asked for such in a tenth of it.
LONG = 0.002
# As many executors may run a unit together: `MEMBERS` of `wire.shared_cells`, which nobody loads to
# compile; a test holds them equal.
_PARTS = 63


def gang(graph: Graph, target: Target) -> Graph:
    """Make one block of small calls of many levels, in lanes."""
    parts = min(target.slots, _PARTS)
    if not target.exchanges or parts < 2 or len(graph.nodes) < _LEVELS:
        return graph
    phases = phases_of(graph, lambda node: _affinity(node, target))
    blocks = [
        _block(maps, phase, parts)
        for (phase, _), maps in groups_of(graph, phases).items()
        if _is_worth_it(maps)
    ]
    if not blocks:
        return graph
    made = in_blocks(graph, blocks, {key: phase for key, (phase, _) in phases.items()})
    notes = [f"{len(part.elements)} calls are run together, in {parts} lanes" for part in blocks]
    return replace(made, notes=graph.notes + tuple(notes))


def _affinity(node: Map, target: Target) -> Any:
    """Return what calls must agree on to run together; None for calls that stay as they are."""
    if not 0 < node.n * len(node.steps) <= WIDE * target.slots:
        return None
    if target.durations.get(node.name, 0.0) > LONG:
        return None
    if any((step.spec.options.cost or 0.0) > LONG for step in node.steps):
        return None
    return affinity_of(node, target)


def _is_worth_it(maps: list[Map]) -> bool:
    levels = {node.depth for node in maps}
    calls = sum(node.n * len(node.steps) for node in maps)
    return len(levels) >= _LEVELS and _CALLS <= calls <= _MOST


def _block(maps: list[Map], phase: int, parts: int) -> Clustered:
    """Return the elements of maps, all in one block."""
    elements, lanes = NumberedElements(maps), _lanes_of(maps, parts)
    whole = dict(zip(range(len(elements)), repeat((0, 0, 0))))
    flat = [lane for node in maps for lane in lanes[id(node)]]
    return Clustered(elements, whole, phase, flat, _order(maps, elements, lanes))


def _order(
    maps: list[Map], elements: NumberedElements, lanes: Mapping[int, Sequence[int]]
) -> list[int]:
    """Return the numbers of elements: of each map, those that other lanes use before the rest."""
    borders = _Borders(lanes)
    for node in maps:
        borders.lanes = lanes[id(node)]
        for step in node.steps:
            for column in step.columns:
                column.accept(borders, node.n)
    order: list[int] = []
    for node in maps:
        first, border = elements.first[id(node)], borders.found[id(node)]
        order += [first + index for index in sorted(border)]
        order += [first + index for index in range(node.n) if index not in border]
    return order


class _Borders:
    """A visitor of columns that finds the elements whose values other lanes use.

    found: by the ids of maps. lanes: those of the map whose columns are visited. Of rows alone, as
    they are where neighbours use each other: what all elements use, all lanes wait for anyway.
    """

    def __init__(self, lanes: Mapping[int, Sequence[int]]) -> None:
        self._all = lanes
        self.lanes: Sequence[int] = ()
        self.found: dict[int, set[int]] = {key: set() for key in lanes}

    def earlier(self, step: int) -> None:
        """Take a step of the same element: it is in the same lane."""

    def const(self, slot: Any) -> None:
        """Take what all elements have."""

    def immediates(self, values: Sequence[Any]) -> None:
        """Take values in which nothing is named."""

    def each(self, slots: Sequence[Any]) -> None:
        """Take slot values of any kind."""

    def run(self, node: Any, indexes: range) -> None:
        """Take outputs of a node at equal distances."""
        self.gather(node, indexes)

    def gather(self, node: Any, indexes: Sequence[int]) -> None:
        """Take outputs of a node."""
        made = self._all.get(id(node))
        if made is not None:
            self.found[id(node)].update(
                [index for index, lane in zip(indexes, self.lanes) if made[index] != lane]
            )


def _lanes_of(maps: Sequence[Map], count: int) -> dict[int, Sequence[int]]:
    """Return the lanes of the elements of maps, `count` at most, by the ids of the maps."""
    lanes: dict[int, Sequence[int]] = {}
    for node in maps:
        if node.n >= count:
            lanes[id(node)] = [index * count // node.n for index in range(node.n)]
        else:
            lanes[id(node)] = [_lane_of(node, index, lanes) for index in range(node.n)]
    return lanes


def _lane_of(node: Map, index: int, lanes: dict[int, Sequence[int]]) -> int:
    """Return the lane of the first value that an element uses; its place where it uses none."""
    for step in node.steps:
        for column in step.columns:
            for source, indexes in refs_of(column.at(index)):
                if id(source) in lanes and len(indexes):
                    return lanes[id(source)][indexes[0]]
    return index
