"""Blocks: elements of maps that are gathered into units, whatever they use of each other.

Enters: a graph, and clusters of elements of some of its maps. Leaves: the graph with a `Block` for
each cluster in place of these maps. All else stays, and names what is in blocks there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import groupby, repeat
from typing import Any

from pymonik.graph.bands import Cluster
from pymonik.graph.columns import Const, FromStep, Values, constant
from pymonik.graph.compact import Moves
from pymonik.graph.elements import NumberedElements
from pymonik.graph.ir import Block, Call, Element, Graph, Map, Step, inputs
from pymonik.graph.slots import Ref
from pymonik.graph.verbs import Column, substitute
from pymonik.system.structs import Struct, replace


class Clustered(Struct):
    """Elements, their clusters, and a number that grows along the inputs of what is apart.

    lanes: of the elements, where a block is for several executors. order: the numbers as they stand
    there, if not in their own order; those of a map stand together.
    """

    elements: NumberedElements
    clusters: Mapping[int, Cluster]
    phase: int
    lanes: Sequence[int] | None = None
    order: Sequence[int] | None = None


def in_blocks(graph: Graph, parts: Sequence[Clustered], phases: Mapping[int, int]) -> Graph:
    """Return a graph with blocks in place of maps; phases: of the maps that stay, by their ids."""
    return _Blocks(parts).graph_of(graph, phases)


class _Places(Moves):
    """Outputs where they are now: steps of blocks, of the block itself where it makes them.

    steps: block and step of each output, by the ids of the maps that made it. own: the steps of the
    block that is being made, likewise. None stands for what is not there, or not yet. gone: the
    maps that went to blocks, by their ids.
    """

    __slots__ = ("first_step", "gone", "own", "steps")

    def __init__(self, moved: Mapping[int, tuple[Any, int]], gone: Collection[int]) -> None:
        super().__init__(moved)
        self.gone = gone
        self.steps: dict[int, list[Any]] = {}
        self.own: dict[int, list[FromStep | None]] = {}
        self.first_step = 0

    def covers(self, node: Any) -> bool:
        """Return whether the outputs of a map are elsewhere now."""
        return id(node) in self.gone or super().covers(node)

    def output(self, node: Any, index: int) -> Any:
        """Return an output where it is now; None where it was before."""
        if id(node) not in self.gone:
            return super().output(node, index)
        return self.of_gone(id(node), index)

    def of_gone(self, key: int, index: int) -> FromStep | Ref | None:
        """Return an output of a map that went to blocks, by its id; None where it is not there."""
        row = self.own.get(key)
        if row is not None and row[index] is not None:
            return row[index]
        made = self.steps.get(key)
        return None if made is None or made[index] is None else Ref(*made[index])

    def outputs(self, node: Any, indexes: range) -> Any:
        """Return outputs of a list where they are now; None where some are steps of the block."""
        if id(node) not in self.gone:
            return super().outputs(node, indexes)
        row = self.own.get(id(node))
        if row is not None and any(row[index] is not None for index in indexes):
            return None
        made = self.steps[id(node)]
        return [(block, range(at, at + 1)) for block, at in map(made.__getitem__, indexes)]

    def settle(self, block: Block) -> None:
        """Note that the block that was being made is there: other ones name its steps."""
        for key, row in self.own.items():
            made = self.steps.setdefault(key, [None] * len(row))
            for index, step in enumerate(row):
                if step is not None:
                    made[index] = block, step.step
        self.own, self.first_step = {}, 0

    def own_row(self, node: Map) -> list[FromStep | None]:
        """Return the steps of the block that stand for the elements of a map, to be filled."""
        row = self.own.get(id(node))
        if row is None:
            row = self.own[id(node)] = [None] * node.n
        return row

    def column(self, node: Any, indexes: Sequence[int]) -> Any:
        """Return the column of outputs where they are now; None where they were before."""
        if id(node) not in self.gone:
            return super().column(node, indexes)
        return Values([self.output(node, index) for index in indexes])


class _Chosen:
    """A visitor that writes a column as those of some elements alone, with outputs where they are.

    indexes: of the elements, in their order.
    """

    def __init__(self, places: _Places, indexes: Sequence[int]) -> None:
        self._places = places
        self._indexes = indexes

    def earlier(self, step: int) -> list[Column]:
        """Write a step of the same element."""
        return self.const(FromStep(step))

    def const(self, slot: Any) -> list[Column]:
        """Write what all elements have."""
        return [constant(substitute(slot, self._places))] * len(self._indexes)

    def immediates(self, values: Sequence[Any]) -> list[Column]:
        """Write values in which nothing is named."""
        return [Const(values[index]) for index in self._indexes]

    def each(self, slots: Sequence[Any]) -> list[Column]:
        """Write slot values of any kind."""
        return [constant(substitute(slots[index], self._places)) for index in self._indexes]

    def run(self, node: Any, indexes: range) -> list[Column]:
        """Write outputs of a node."""
        return self.gather(node, indexes)

    def gather(self, node: Any, indexes: Sequence[int]) -> list[Column]:
        """Write outputs of a node: of the block that is being made, it has the row of its steps."""
        places, key, used = self._places, id(node), [indexes[index] for index in self._indexes]
        if key not in places.gone:
            return [constant(substitute(Ref(node, place), places)) for place in used]
        row = places.own.get(key)
        if row is None:
            return [Const(places.of_gone(key, place)) for place in used]
        return [row[place] or Const(places.of_gone(key, place)) for place in used]


class _Blocks:
    """The rewriting of one graph; values are named anew once the node that makes them is there."""

    def __init__(self, parts: Sequence[Clustered]) -> None:
        self._parts = parts
        self._new: dict[int, tuple[Map, int]] = {}
        self._places = _Places(self._new, {key for p in parts for key in p.elements.first})
        self._calls: dict[tuple[int, int], Call] = {}
        self._scattered: dict[int, Call] = {}

    def graph_of(self, graph: Graph, phases: Mapping[int, int]) -> Graph:
        """Return the new graph."""
        # In a phase nothing that is apart needs anything else that is.
        waiting: list[tuple[Any, Any, Any]] = []
        nodes: list[Any] = []
        for place, node in enumerate(graph.nodes):
            if not isinstance(node, Map):
                nodes.append(node)
            elif id(node) not in self._places.gone:
                waiting.append(((phases[id(node)], 0, place), node, None))
        for number, part in enumerate(self._parts):
            members: dict[Cluster, list[int]] = {}
            for element, cluster in part.clusters.items():
                members.setdefault(cluster, []).append(element)
            for cluster, numbers in members.items():
                key = (part.phase, 1, number, cluster)
                waiting.append((key, part, part.order or sorted(numbers)))
        # Sources before their users, which find there where outputs are now: phase by phase, maps
        # that stay before blocks, clusters in their order.
        for _, what, numbers in sorted(waiting, key=lambda one: one[0]):
            nodes.append(self._map(what) if numbers is None else self._block(what, numbers))
        scattered = tuple(
            (call, tuple([self._calls[key, index] for index in range(call.n or 0)]))
            for key, call in self._scattered.items()
        )
        return replace(graph, nodes=tuple(nodes), scattered=graph.scattered + scattered)

    def _map(self, node: Map) -> Map:
        """Return a map that stays a map; one that names nothing new is itself."""
        if not any(map(self._places.covers, inputs(node))):
            return node
        steps: list[Step] = []
        for step in node.steps:
            columns = tuple([column.replaced(self._places, node.n) for column in step.columns])
            steps.append(Step(step.spec, columns, step.origins, step.wanted))
        made = node.of_steps(tuple(steps))
        self._new[id(node)] = made, 0
        return made

    def _block(self, part: Clustered, numbers: Iterable[int]) -> Block:
        """Return the block of some elements, in an order in which they could run."""
        steps: list[Step] = []
        lanes = bytearray()
        places, depth = self._places, 0
        of, lane_of = part.elements.of, part.lanes
        for node, group in groupby(numbers, lambda number: of[number][0]):
            depth, row = max(depth, node.depth), list(group)
            indexes = [of[number][1] for number in row]
            if len(node.steps) == 1:
                self._add_row(node, indexes, steps)
            else:
                self._add_elements(node, indexes, steps)
            if lane_of is not None:
                count = range(len(node.steps))
                lanes += bytes([lane_of[number] for number in row for _ in count])
        # Made last: within it its steps are `FromStep`, for all that comes later outputs of it.
        block = Block(tuple(steps), depth, bytes(lanes) or None)
        places.settle(block)
        return block

    def _add_row(self, node: Map, indexes: list[int], steps: list[Step]) -> None:
        """Add elements of one step, column by column: they use nothing of each other."""
        (step,), own = node.steps, self._places.own_row(node)
        chosen = _Chosen(self._places, indexes)
        columns = [column.accept(chosen, max(indexes) + 1) for column in step.columns]
        rows = zip(*columns) if columns else repeat((), len(indexes))
        spec, wanted = step.spec, step.wanted
        for place, (index, row) in enumerate(zip(indexes, rows), len(steps)):
            own[index] = FromStep(place)
            is_wanted = wanted if isinstance(wanted, bool) else bool(wanted[index])
            steps.append(Step(spec, row, (self._origin(step, index),), is_wanted))

    def _add_elements(self, node: Map, indexes: list[int], steps: list[Step]) -> None:
        """Add elements of several steps, which use those before them."""
        places = self._places
        for index in indexes:
            places.first_step = len(steps)
            for step in node.steps:
                slots = [substitute(column.at(index), places) for column in step.columns]
                columns = tuple([constant(slot) for slot in slots])
                wanted = step.wanted if isinstance(step.wanted, bool) else bool(step.wanted[index])
                steps.append(Step(step.spec, columns, (self._origin(step, index),), wanted))
            places.own_row(node)[index] = FromStep(len(steps) - 1)

    def _origin(self, step: Step, index: int) -> Call:
        """Return the call that one element of a step stands for."""
        if len(step.origins) > 1:
            return step.origins[index]
        call = step.origins[0]
        if call.n is None or call.n == 1:
            return call
        key = (id(call), index)
        self._scattered[id(call)] = call
        # One call for an element, whatever the steps that name it: its location is bound once.
        if key not in self._calls:
            self._calls[key] = Element(call(), call, index)
        return self._calls[key]
