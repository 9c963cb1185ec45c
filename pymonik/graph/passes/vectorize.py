"""vectorize: fold calls of equal spec and depth into maps.

A loop of `invoke` is a map said slowly. Depth is 1 + the greatest depth of the inputs, so calls of
one depth cannot need each other. Maps come out in order of depth, then of their first call; values
and span stay as they were, since values flow between elements. O(calls + edges).
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any

from pymonik.graph.columns import (
    Column,
    Const,
    Gather,
    Immediates,
    Range,
    Ref,
    Values,
    substitute,
)
from pymonik.graph.ir import Call, Graph, Map, Put, Step, inputs
from pymonik.values.content import IMMEDIATE, Content

if TYPE_CHECKING:
    from pymonik.graph.target import Target

_PLAIN = IMMEDIATE | {tuple}


def vectorize(graph: Graph, target: Target) -> Graph:
    """Fold single calls into maps; a recorded map stays one."""
    if not any(isinstance(node, Call) for node in graph.nodes):
        return graph
    groups = _Groups(graph)
    places, aliases = groups.places, graph.aliases
    nodes: list[Any] = [node for node in graph.nodes if isinstance(node, Put)]
    maps: dict[int, Map] = {}
    wanted_aliases = {id(into) for other, into in aliases.items() if other.wanted}

    def target_of(node: Any, index: int) -> tuple[Any, int]:
        node = aliases.get(node, node) if aliases else node
        place = places.get(id(node))
        if place is None:
            return node, index
        return maps[place[0]], place[1] + index

    for number in sorted(range(len(groups.members)), key=groups.depths.__getitem__):
        members = groups.members[number]
        first = members[0]
        columns = _columns(members, target_of)
        step = Step(first.spec, columns, tuple(members), _wanted(members, wanted_aliases))
        n = len(members) if first.n is None else first.n
        made = maps[number] = Map((step,), n, depth=groups.depths[number])
        nodes.append(made)
    folded = len(graph.nodes) - len(nodes)
    notes = (f"folded {folded} calls into maps",) if folded else ()
    return Graph(tuple(nodes), aliases, graph.notes + notes)


class _Groups:
    """Which calls make which map: `members` and `depths` by number, `places` by call."""

    def __init__(self, graph: Graph) -> None:
        self.members: list[list[Call]] = []
        self.depths: list[int] = []
        self.places: dict[int, tuple[int, int]] = {}
        numbers: dict[tuple[int, int], int] = {}
        depth_of: dict[int, int] = {}
        places, members, aliases = self.places, self.members, graph.aliases
        for node in graph.nodes:
            if type(node) is Put:
                continue
            depth = 0
            for slot in node.args:  # the usual case first: handles as plain arguments
                kind = type(slot)
                if kind is Ref and not aliases:
                    depth = max(depth, 1 + depth_of.get(id(slot.node), -1))
                elif kind not in _PLAIN and kind is not Content:
                    depth = _depth(node, aliases, depth_of)
                    break
            depth_of[id(node)] = depth
            key = (id(node.spec), depth)
            is_alone = node.n is not None or node.ids is not None
            number = None if is_alone else numbers.get(key)
            if number is None:
                number = len(members)
                members.append([])
                self.depths.append(depth)
                if not is_alone:
                    numbers[key] = number
            group = members[number]
            places[id(node)] = (number, len(group))
            group.append(node)


def _depth(node: Any, aliases: dict[Any, Any], depth_of: dict[int, int]) -> int:
    sources = [aliases.get(source, source) if aliases else source for source in inputs(node)]
    return max((1 + depth_of.get(id(source), -1) for source in sources), default=0)


def _wanted(members: list[Call], aliases: set[int]) -> bool | bytes:
    if len(members) == 1:
        return members[0].wanted or id(members[0]) in aliases
    bits = bytes([node.wanted or id(node) in aliases for node in members])
    return all(bits) or (bits if any(bits) else False)


def _columns(members: list[Call], target_of: Any) -> tuple[Column, ...]:
    first = members[0]
    if first.n == 1:  # a map of one is a call: its argument may come from the step before
        return tuple([Const(substitute(column.at(0), target_of)) for column in first.args])
    if first.n is not None:
        return tuple([_moved(column, target_of) for column in first.args])
    if len(members) == 1:
        return tuple([Const(substitute(slot, target_of)) for slot in first.args])
    return tuple([_folded(slots, target_of) for slots in zip(*[node.args for node in members])])


def _moved(column: Any, target_of: Any) -> Column:
    # A map over handles of single calls, or over a slice: a range once the calls are a map.
    if type(column) is Values and set(map(type, column.values)) == {Ref}:
        return _folded(column.values, target_of)
    return column.replaced(target_of)  # type: ignore[no-any-return]


def _folded(slots: Sequence[Any], target_of: Any) -> Column:
    kinds = set(map(type, slots))
    first = slots[0]
    if kinds <= _PLAIN:
        return Const(first) if _all_are(slots, first) else Immediates(slots)
    if kinds == {Content} and _all_are(slots, first):
        return Const(first)
    if kinds == {Ref}:
        return _gathered([target_of(slot.node, slot.index) for slot in slots])
    return Values([substitute(slot, target_of) for slot in slots])


def _all_are(slots: Sequence[Any], first: Any) -> bool:
    return all(map(operator.is_, slots, repeat(first)))


def _gathered(targets: list[tuple[Any, int]]) -> Column:
    """Make the column of outputs: said in few words where they are those of one node."""
    node, start = targets[0]
    nodes, indexes = zip(*targets)
    if not all(map(operator.is_, nodes, repeat(node))):
        return Values([Ref(*target) for target in targets])
    step = indexes[1] - start
    if step == 0 and indexes.count(start) == len(indexes):
        return Const(Ref(node, start))
    if step and indexes == tuple(range(start, start + step * len(indexes), step)):
        return Range(node, start, step)
    return Gather(node, indexes)
