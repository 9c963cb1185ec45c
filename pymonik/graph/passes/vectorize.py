"""vectorize: fold calls of equal spec and depth into maps.

A loop of `invoke` is a map said slowly. Depth is 1 + the greatest depth of the inputs, so calls of
one depth cannot need each other. Maps come out in order of depth, then of their first call; values
and span stay as they were, since values flow between elements. O(calls + edges).
"""

from __future__ import annotations

from itertools import count, repeat
from typing import TYPE_CHECKING, Any

from pymonik.graph.arguments import sources_of
from pymonik.graph.columns import Const
from pymonik.graph.compact import Moves, column_of, compacted
from pymonik.graph.ir import Call, Graph, Map, Put, Step
from pymonik.graph.slots import VALUES, Ref
from pymonik.graph.verbs import Column, substitute

if TYPE_CHECKING:
    from pymonik.graph.target import Target


def vectorize(graph: Graph, target: Target) -> Graph:
    """Fold single calls into maps; a recorded map stays one."""
    if not any(isinstance(node, Call) for node in graph.nodes):
        return graph
    groups, aliases = _Groups(graph), graph.aliases
    nodes: list[Any] = [node for node in graph.nodes if isinstance(node, Put)]
    moved: dict[int, tuple[Map, int]] = {}
    moves = Moves(moved)
    wanted_aliases = {id(into) for other, into in aliases.items() if other.wanted}
    others: dict[int, list[Call]] = {}
    for other, into in aliases.items():
        others.setdefault(id(into), []).append(other)
    deepest = max(groups.depths)
    for number in sorted(range(len(groups.members)), key=groups.depths.__getitem__):
        members = groups.members[number]
        first = members[0]
        columns = _columns(members, moves)
        step = Step(first.spec, columns, tuple(members), _wanted(members, wanted_aliases))
        n = len(members) if first.n is None else first.n
        made = Map((step,), n, depth=groups.depths[number])
        nodes.append(made)
        if groups.depths[number] == deepest:  # none uses it: nobody asks where its calls are now
            continue
        moved[id(first)] = made, 0
        if len(members) > 1:
            moved.update(zip(map(id, members), zip(repeat(made), count())))
        for member in members if others else ():
            moved.update((id(other), moved[id(member)]) for other in others.get(id(member), ()))
    folded = len(graph.nodes) - len(nodes)
    notes = (f"folded {folded} calls into maps",) if folded else ()
    return Graph(tuple(nodes), aliases, graph.notes + notes)


class _Groups:
    """Which calls make which map: `members` and `depths` by number."""

    def __init__(self, graph: Graph) -> None:
        self.members: list[list[Call]] = []
        self.depths: list[int] = []
        numbers: dict[tuple[int, int], int] = {}
        depth_of: dict[int, int] = {}
        members, aliases = self.members, graph.aliases
        for node in graph.nodes:
            if type(node) is Put:
                continue
            depth = 0
            for slot in node.args:
                kind = type(slot)
                if kind is Ref and not aliases:  # the usual case: handles as plain arguments
                    below = depth_of.get(id(slot.node), -1)
                    if below >= depth:
                        depth = below + 1
                elif kind not in VALUES:
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
            members[number].append(node)


def _depth(node: Any, aliases: dict[Any, Any], depth_of: dict[int, int]) -> int:
    sources = sources_of(node.args)
    keys = sources if not aliases else [id(aliases.get(one, one)) for one in sources.values()]
    return 1 + max(map(depth_of.get, keys, repeat(-1)), default=-1)


def _wanted(members: list[Call], aliases: set[int]) -> bool | bytes:
    if len(members) == 1:
        return members[0].wanted or id(members[0]) in aliases
    if not any([node() is None for node in members]):  # as usual: a handle of each is held
        return True
    bits = bytes([node.wanted or id(node) in aliases for node in members])
    return all(bits) or (bits if any(bits) else False)


def _columns(members: list[Call], moves: Moves) -> tuple[Column, ...]:
    first = members[0]
    if first.n == 1:  # a map of one is a call: its argument may come from the step before
        return tuple([Const(substitute(column.at(0), moves)) for column in first.args])
    if first.n is not None:
        return tuple([compacted(column, moves, first.n) for column in first.args])
    if len(members) == 1:
        return tuple([Const(substitute(slot, moves)) for slot in first.args])
    return tuple([column_of(slots, moves) for slots in zip(*[node.args for node in members])])
