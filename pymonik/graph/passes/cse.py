"""cse: let equal pure calls share one.

Two calls are equal when they have the same code, arguments and options. The later one leaves the
graph and becomes an alias of the earlier; handles of both stay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pymonik.graph.columns import Const, Each, Immediates, ListOf, Nested, Range, Ref
from pymonik.graph.ir import Call, Graph, original_of
from pymonik.humanize import literal
from pymonik.values.content import Content

if TYPE_CHECKING:
    from pymonik.graph.target import Target


def cse(graph: Graph, target: Target) -> Graph:
    """Share equal pure calls."""
    if not any(isinstance(node, Call) and node.spec.pure for node in graph.nodes):
        return graph
    first: dict[Any, Call] = {}
    aliases = dict(graph.aliases)
    kept: list[Any] = []
    notes = list(graph.notes)
    for node in graph.nodes:
        if isinstance(node, Call) and node.spec.pure and not node.is_named:
            key = (node.spec, node.n, tuple(_key(arg, aliases) for arg in node.args))
            known = first.setdefault(key, node)
            if known is not node:
                aliases[original_of(node)] = known
                notes.append(f"shared {node.spec.name} ({node.where}): equal to {known.where}")
                continue
        kept.append(node)
    return Graph(tuple(kept), aliases, tuple(notes))


def _key(slot: Any, aliases: dict[Call, Call]) -> Any:
    """Return something that is equal for equal slot values and columns, and can be hashed."""
    kind = type(slot)
    if kind is Ref:
        return (Ref, aliases.get(slot.node, slot.node), slot.index)
    if kind is ListOf:
        return (ListOf, *((aliases.get(n, n), r.start, r.stop, r.step) for n, r in slot.runs))
    if kind is Nested:
        return (slot.content, *(_key(inner, aliases) for inner in slot.slots))
    if kind is Content:
        return slot  # interned: equal contents are one object
    if kind is Const:
        return (Const, _key(slot.value, aliases))
    if kind is Range:
        return (Range, aliases.get(slot.node, slot.node), slot.start, slot.step)
    if kind is Immediates or kind is Each:
        return (kind, *(_key(value, aliases) for value in slot.values))
    # 1, 1.0 and True are equal in Python, and 0.0 is equal to -0.0; here they are not.
    return (kind, literal(slot) if kind in (float, complex, tuple) else slot)
