"""Rewriting: a new graph in which some maps are others, and everybody names the new ones."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

from pymonik.graph.columns import Const, Immediates, ListOf, Range, Ref, Same, Template, Values
from pymonik.graph.ir import Graph, Map, Step, sources_of
from pymonik.graph.slots import Target


def rewrite(graph: Graph, changed: Mapping[int, Map], notes: tuple[str, ...]) -> Graph:
    """Put `changed[id(node)]` where a map stood; a map that is not in `changed` leaves."""
    new: dict[int, Map] = {}

    def target_of(node: Any, index: int) -> tuple[Any, int]:
        return new.get(id(node), node), index

    nodes: list[Any] = []
    for node in graph.nodes:
        if not isinstance(node, Map):
            nodes.append(node)
        elif id(node) in changed:
            other = changed[id(node)]
            steps = tuple([_moved_step(step, target_of) for step in other.steps])
            new[id(node)] = other.of_steps(steps)
            nodes.append(new[id(node)])
    return Graph(tuple(nodes), graph.aliases, notes)


# Columns that name no node: a step of a chain has mostly no others.
_OWN = frozenset({Same, Immediates})


def _moved_step(step: Step, target_of: Target) -> Step:
    if _OWN.issuperset(map(type, step.columns)):
        return step
    columns = tuple([column.replaced(target_of) for column in step.columns])
    if all(map(operator.is_, columns, step.columns)):
        return step
    return Step(step.spec, columns, step.origins, step.wanted)


def uses(node: Map) -> dict[int, bool]:
    """Return the maps that a map uses, by id: True where element i uses element i and no other."""
    in_steps: dict[int, bool] = {}
    alone = node.n == 1
    for step in node.steps:
        column: Any
        for column in step.columns:
            kind = type(column)
            if kind is Range:
                in_step = column.start == 0 and column.step == 1 and column.node.n == node.n
                _note(column.node, in_step, in_steps)
            elif kind is Const and alone:
                _note_slot(column.value, 0, node.n, in_steps)
            elif kind is Values:
                for index, slot in enumerate(column.values):
                    _note_slot(slot, index, node.n, in_steps)
            elif kind is not Immediates and kind is not Same:
                for source in sources_of(column):
                    _note(source, False, in_steps)
    return in_steps


def _note_slot(slot: Any, index: int, n: int, in_steps: dict[int, bool]) -> None:
    """Note what one of `n` elements uses: values of its own place in maps as long, or others."""
    kind = type(slot)
    if kind is Ref:
        _note(slot.node, slot.index == index and getattr(slot.node, "n", 0) == n, in_steps)
    elif kind is Template:
        for inner in slot.slots:
            _note_slot(inner, index, n, in_steps)
    elif kind is ListOf:
        for source, indexes in slot.runs:
            own = len(indexes) == 1 and indexes[0] == index
            _note(source, own and getattr(source, "n", 0) == n, in_steps)


def _note(source: Any, in_step: bool, in_steps: dict[int, bool]) -> None:
    if type(source) is Map:
        in_steps[id(source)] = in_step and in_steps.get(id(source), True)
