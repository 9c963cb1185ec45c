"""Compact columns: slot values of many calls, said as one column in the fewest words.

Enters: the slot values of one argument, and where the outputs that they name are found now. Leaves:
a column: what is the same for all is said once, outputs of one node by their indexes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import Any

from pymonik.graph.columns import Const, Gather, Immediates, Range, Values
from pymonik.graph.slots import VALUES, Ref
from pymonik.graph.verbs import Column, Replacement, same, substitute
from pymonik.graph.visitors import NodeRun
from pymonik.values.content import Content


class Moves(Replacement):
    """Outputs that are those of another node now, neighbours side by side.

    moved: the node, and the place of the first output there, by the ids of nodes.
    """

    __slots__ = ("_moved",)

    def __init__(self, moved: Mapping[int, tuple[Any, int]]) -> None:
        self._moved = moved

    def covers(self, node: Any) -> bool:
        """Return whether the outputs of a node have moved."""
        return id(node) in self._moved

    def places(self, refs: Sequence[Ref]) -> tuple[list[Any], list[int]]:
        """Return where outputs are now: nodes, and places there."""
        moved, nodes, indexes = self._moved, [], []
        for ref in refs:
            node = ref.node
            place = moved.get(id(node))
            if place is None:
                nodes.append(node)
                indexes.append(ref.index)
            else:
                nodes.append(place[0])
                indexes.append(place[1] + ref.index)
        return nodes, indexes

    def output(self, node: Any, index: int) -> Ref | None:
        """Return an output where it is now; None where it was before."""
        place = self._moved.get(id(node))
        return None if place is None else Ref(place[0], place[1] + index)

    def outputs(self, node: Any, indexes: range) -> tuple[NodeRun]:
        """Return outputs of a list where they are now."""
        new, offset = self._moved[id(node)]
        run = range(indexes.start + offset, indexes.stop + offset, indexes.step)
        return ((new, run),)

    def column(self, node: Any, indexes: Sequence[int]) -> Column | None:
        """Return the column of outputs where they are now; None where they were before."""
        place = self._moved.get(id(node))
        if place is None:
            return None
        new, offset = place
        if isinstance(indexes, range):
            return Range(new, offset + indexes.start, indexes.step)
        return Gather(new, [offset + index for index in indexes] if offset else indexes)


def column_of(slots: Sequence[Any], moves: Moves) -> Column:
    """Return the column of slot values, with outputs where they are now."""
    kinds = set(map(type, slots))
    if kinds == {Ref}:
        if same(slots, repeat(slots[0])):  # one handle to all: what stands for it is shared
            (node,), (index,) = moves.places(slots[:1])
            return Const(Ref(node, index))
        return _column_of_outputs(*moves.places(slots))
    if not kinds <= VALUES:
        return Values([substitute(slot, moves) for slot in slots])
    if same(slots, repeat(slots[0])):
        return Const(slots[0])
    return Values(slots) if Content in kinds else Immediates(slots)


def compacted(column: Column, moves: Moves, n: int) -> Column:
    """Return a column with outputs where they are now: a range where they have come together."""
    slots = column.own()
    if slots and column.length and type(slots[0]) is Ref and set(map(type, slots)) == {Ref}:
        return column_of(slots, moves)
    moved: Column = column.replaced(moves, n)
    return moved


def _column_of_outputs(nodes: Sequence[Any], indexes: Sequence[int]) -> Column:
    """Return the column of outputs: said in few words where they are those of one node."""
    node, start, step = nodes[0], indexes[0], indexes[1] - indexes[0]
    if not same(nodes, repeat(node)):
        return Values(list(map(Ref, nodes, indexes)))
    if step == 0 and indexes.count(start) == len(indexes):
        return Const(Ref(node, start))
    if step and indexes == list(range(start, start + step * len(indexes), step)):
        return Range(node, start, step)
    return Gather(node, indexes)
