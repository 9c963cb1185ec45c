"""vectorize: fold calls of equal spec and depth into maps.

A loop of `invoke` is a map said slowly. Depth is 1 + the greatest depth of the inputs, so calls of
one depth cannot need each other. Maps come out in order of depth, then of their first call; values
and span stay as they were, since values flow between elements. O(calls + edges).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pymonik.content import IMMEDIATE, Content
from pymonik.graph.ir import Graph, Map, Put, Recorded, Step, inputs
from pymonik.graph.rewrite import moved
from pymonik.graph.slots import Column, Const, Each, Immediates, Range, Ref, slot_at, substitute

if TYPE_CHECKING:
    from pymonik.graph.passes import Target

_PLAIN = IMMEDIATE | {tuple}


def vectorize(graph: Graph, target: Target) -> Graph:
    """Fold single calls into maps; a recorded map stays one."""
    if not any(type(node) is Recorded for node in graph.nodes):
        return graph
    groups = _Groups(graph)
    places = groups.places
    nodes: list[Any] = [node for node in graph.nodes if isinstance(node, Put)]
    maps: dict[int, Map] = {}
    wanted_aliases = {id(kept) for other, kept in graph.aliases.items() if other.wanted}

    def target_of(node: Any, index: int) -> tuple[Any, int]:
        node = graph.aliases.get(node, node) if graph.aliases else node
        place = places.get(id(node))
        if place is None:
            return node, index
        return maps[place[0]], place[1] + index

    order = sorted(range(len(groups.members)), key=groups.depths.__getitem__)
    for number in order:
        members = groups.members[number]
        first = members[0]
        n = len(members) if first.n is None else first.n
        columns = _columns(members, target_of)
        wanted = _wanted(members, wanted_aliases)
        step = Step(first.spec, columns, tuple(members), wanted)
        maps[number] = Map((step,), n, depth=groups.depths[number])
        nodes.append(maps[number])
    folded = len(graph.nodes) - len(nodes)
    notes = (f"folded {folded} calls into maps",) if folded else ()
    return Graph(tuple(nodes), graph.aliases, graph.notes + notes)


class _Groups:
    """Which calls make which map: `members` and `depths` by number, `places` by call."""

    def __init__(self, graph: Graph) -> None:
        self.members: list[list[Recorded]] = []
        self.depths: list[int] = []
        self.places: dict[int, tuple[int, int]] = {}
        numbers: dict[tuple[int, int], int] = {}
        depth_of: dict[int, int] = {}
        places, members = self.places, self.members
        for node in graph.nodes:
            if type(node) is Put:
                continue
            depth = 0
            for slot in node.args:
                if type(slot) in _PLAIN or type(slot) is Content:
                    continue
                depth = max(depth, self._deepest(node, graph, depth_of))
                break
            depth_of[id(node)] = depth
            if node.n is None:
                key = (id(node.spec), depth)
                number = numbers.get(key)
                if number is None:
                    number = numbers[key] = len(members)
                    members.append([])
                    self.depths.append(depth)
            else:
                number = len(members)
                members.append([])
                self.depths.append(depth)
            group = members[number]
            places[id(node)] = (number, len(group))
            group.append(node)

    @staticmethod
    def _deepest(node: Any, graph: Graph, depth_of: dict[int, int]) -> int:
        deepest = 0
        for slot in node.args:  # the usual case first: handles as plain arguments
            if type(slot) is not Ref and type(slot) not in _PLAIN and type(slot) is not Content:
                break
            if type(slot) is Ref:
                source = graph.aliases.get(slot.node, slot.node) if graph.aliases else slot.node
                deepest = max(deepest, 1 + depth_of.get(id(source), -1))
        else:
            return deepest
        for source in inputs(node):
            source = graph.aliases.get(source, source) if graph.aliases else source
            deepest = max(deepest, 1 + depth_of.get(id(source), -1))
        return deepest


def _wanted(members: list[Recorded], aliases: set[int]) -> bool | bytes:
    bits = bytes([node.wanted or id(node) in aliases for node in members])
    if len(bits) == 1 or all(bits):
        return bool(bits[0])
    return bits if any(bits) else False


def _columns(members: list[Recorded], target_of: Any) -> tuple[Column, ...]:
    first = members[0]
    if first.n == 1:  # a map of one is a call: its argument may come from the step before
        return tuple(Const(substitute(slot_at(column, 0), target_of)) for column in first.args)
    if first.n is not None:
        return tuple(_moved(column, target_of) for column in first.args)
    if len(members) == 1:
        return tuple(Const(substitute(slot, target_of)) for slot in first.args)
    return tuple(_folded(slots, target_of) for slots in zip(*[node.args for node in members]))


def _moved(column: Any, target_of: Any) -> Column:
    # A map over handles of single calls, or over a slice: a range once the calls are a map.
    if type(column) is Each and set(map(type, column.values)) == {Ref}:
        return _folded(column.values, target_of)
    return moved(column, target_of)


def _folded(slots: Sequence[Any], target_of: Any) -> Column:
    kinds = set(map(type, slots))
    first = slots[0]
    if kinds <= _PLAIN:
        return Const(first) if _all_are(slots, first) else Immediates(slots)
    if kinds == {Content} and _all_are(slots, first):
        return Const(first)
    if kinds == {Ref}:
        targets = [target_of(slot.node, slot.index) for slot in slots]
        return _range(targets) or Each([Ref(node, index) for node, index in targets])
    return Each([substitute(slot, target_of) for slot in slots])


def _all_are(slots: Sequence[Any], first: Any) -> bool:
    return all(slot is first for slot in slots)


def _range(targets: list[tuple[Any, int]]) -> Column | None:
    node, start = targets[0]
    if any(other is not node for other, _ in targets):
        return None
    step = targets[1][1] - start
    if any(index != start + i * step for i, (_, index) in enumerate(targets)):
        return None
    return Const(Ref(node, start)) if step == 0 else Range(node, start, step)
