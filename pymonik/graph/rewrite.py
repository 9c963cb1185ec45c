"""Rewriting: a new graph in which some maps are others, and everybody names the new ones."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

from pymonik.graph.columns import NAMELESS
from pymonik.graph.compact import Moves
from pymonik.graph.ir import Graph, Map, Step
from pymonik.system.structs import replace


def rewrite(graph: Graph, changed: Mapping[int, Map], notes: tuple[str, ...]) -> Graph:
    """Put `changed[id(node)]` where a map stood; a map that is not in `changed` leaves."""
    new: dict[int, tuple[Map, int]] = {}
    moves = Moves(new)
    nodes: list[Any] = []
    for node in graph.nodes:
        if not isinstance(node, Map):
            nodes.append(node)
        elif id(node) in changed:
            other = changed[id(node)]
            moved = other.of_steps(tuple([_moved(step, moves, node.n) for step in other.steps]))
            new[id(node)] = moved, 0
            nodes.append(moved)
    return replace(graph, nodes=tuple(nodes), notes=notes)


def _moved(step: Step, moves: Moves, n: int) -> Step:
    if NAMELESS.issuperset(map(type, step.columns)):  # as most steps of a chain
        return step
    columns = tuple([column.replaced(moves, n) for column in step.columns])
    if all(map(operator.is_, columns, step.columns)):
        return step
    return Step(step.spec, columns, step.origins, step.wanted)


def uses(node: Map) -> dict[int, bool]:
    """Return the maps that a map uses, by id: True where element i uses element i and no other."""
    in_steps: dict[int, bool] = {}
    for step in node.steps:
        for column in step.columns:
            for source, in_step in column.uses(node.n):
                if type(source) is Map:
                    in_steps[id(source)] = in_step and in_steps.get(id(source), True)
    return in_steps
