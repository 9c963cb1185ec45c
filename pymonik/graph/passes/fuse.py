"""fuse: merge a map into the only map that uses it, element by element.

A consumer joins its producer when element i uses element i, when nobody else in the graph uses the
producer, and when all its other inputs are there before the producer starts: then no call waits
longer than it did, and the span cannot grow. A chain of calls becomes one unit of many steps.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pymonik.graph.ir import Column, Const, Graph, Map, Nested, Range, Ref, Same, Step
from pymonik.graph.rewrite import rewrite, sources

if TYPE_CHECKING:
    from pymonik.graph.passes import Target


class _Chain:
    """Steps that grow behind one map, and what the chain had to wait for before it started."""

    __slots__ = ("last", "needs", "steps")

    def __init__(self, node: Map, needs: set[int]) -> None:
        self.steps = list(node.steps)
        self.last = node
        self.needs = needs


def fuse(graph: Graph, target: Target) -> Graph:
    """Fuse chains and element-wise maps over maps."""
    maps = [node for node in graph.nodes if isinstance(node, Map)]
    uses = {id(node): sources(node) for node in maps}
    users: dict[int, int] = {}
    for aligned, others in uses.values():
        for key in {*aligned, *others}:
            users[key] = users.get(key, 0) + 1
    chains: dict[int, _Chain] = {}
    notes: list[str] = []
    for node in maps:
        aligned, others = uses[id(node)]
        chain, reason = _producer(node, aligned, others, chains, users)
        if chain is None:
            chains[id(node)] = _Chain(node, {*aligned, *others})
            if reason:
                notes.append(f"kept apart {node.name}: {reason}")
            continue
        del chains[id(chain.last)]
        notes.append(f"fused {node.name} into {chain.steps[0].spec.name}: single consumer")
        chain.steps += [_joined(step, chain) for step in node.steps]
        chain.last = node
        chains[id(node)] = chain
    changed = {key: replace(c.last, steps=tuple(c.steps)) for key, c in chains.items()}
    return rewrite(graph, changed, graph.notes + _brief(notes))


def _brief(notes: list[str]) -> tuple[str, ...]:
    if len(notes) <= 200:
        return tuple(notes)
    return (*notes[:200], f"… {len(notes) - 200} more of fuse")


def _producer(
    node: Map,
    aligned: dict[int, Any],
    others: dict[int, Any],
    chains: dict[int, _Chain],
    users: dict[int, int],
) -> tuple[_Chain | None, str]:
    """Give the chain a map may join, or the reason why it stays apart."""
    reason = ""
    for key, source in aligned.items():
        if key not in chains or key in others:
            continue
        chain = chains[key]
        rest = {k for k in (*aligned, *others) if k != key and _is_made_here(k, aligned, others)}
        if users[key] > 1:
            reason = f"{source.name} has other consumers"
        elif not rest <= chain.needs:
            reason = "it needs values that are made at the same time"
        elif chain.steps[0].spec.place != node.spec.place:
            reason = "other partition, priority or environment"
        elif any(step.spec.code.delegates for step in chain.steps):
            reason = f"{source.name} may delegate"
        else:
            return chain, ""
    return None, reason


def _is_made_here(key: int, aligned: dict[int, Any], others: dict[int, Any]) -> bool:
    return isinstance(aligned.get(key, others.get(key)), Map)


def _joined(step: Step, chain: _Chain) -> Step:
    place = len(chain.steps) - 1
    return replace(step, columns=tuple(_column(c, chain.last, place) for c in step.columns))


def _column(column: Column, source: Map, place: int) -> Column:
    if isinstance(column, Range) and column.node is source:
        return Same(place)
    if isinstance(column, Const) and source.n == 1:
        slot = _slot(column.value, source, place)
        return slot if isinstance(slot, Same) else Const(slot)
    return column


def _slot(slot: Any, source: Map, place: int) -> Any:
    if isinstance(slot, Ref) and slot.node is source:
        return Same(place)
    if isinstance(slot, Nested):
        return Nested(slot.content, tuple(_slot(inner, source, place) for inner in slot.slots))
    return slot
