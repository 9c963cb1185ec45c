"""Rewriting: a new graph in which some maps are others, and everybody names the new ones."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from pymonik.graph.ir import Graph, Map, Step
from pymonik.graph.slots import (
    Column,
    Const,
    Each,
    Nested,
    Range,
    Ref,
    column_refs,
    refs_of,
    substitute,
)

Target = Callable[[Any, int], tuple[Any, int]]


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
            new[id(node)] = replace(other, steps=steps)
            nodes.append(new[id(node)])
    return Graph(tuple(nodes), graph.aliases, notes)


def _moved_step(step: Step, target_of: Target) -> Step:
    columns = tuple([moved(column, target_of) for column in step.columns])
    if all(map(operator.is_, columns, step.columns)):
        return step
    return Step(step.spec, columns, step.origins, step.wanted)


def moved(column: Any, target_of: Target) -> Column:
    """Rebuild a column with every output it names replaced by another."""
    kind = type(column)
    if kind is Range:
        node, start = target_of(column.node, column.start)
        return column if node is column.node else Range(node, start, column.step)
    if kind is Const:
        value = substitute(column.value, target_of)
        return column if value is column.value else Const(value)
    if kind is Each:
        return Each([substitute(slot, target_of) for slot in column.values])
    return column  # type: ignore[no-any-return]


def sources(node: Map) -> tuple[dict[int, Any], dict[int, Any]]:
    """Give the nodes a map uses: those used element by element, and those used otherwise."""
    aligned: dict[int, Any] = {}
    others: dict[int, Any] = {}
    for step in node.steps:
        for column in step.columns:
            if isinstance(column, Range):
                in_step = column.start == 0 and column.step == 1 and column.node.n == node.n
                (aligned if in_step else others)[id(column.node)] = column.node
            elif isinstance(column, Const) and node.n == 1:
                _slot_sources(column.value, aligned, others)
            else:
                for source, _ in column_refs(column, node.n):
                    others[id(source)] = source
    return aligned, others


def _slot_sources(slot: Any, aligned: dict[int, Any], others: dict[int, Any]) -> None:
    """Sort what a single call uses: one value at a time, or a list of them."""
    if isinstance(slot, Nested):
        for inner in slot.slots:
            _slot_sources(inner, aligned, others)
        return
    for source, _ in refs_of(slot):
        single = isinstance(slot, Ref) and getattr(source, "n", 0) == 1
        (aligned if single else others)[id(source)] = source
