"""cse: let equal pure calls share one.

Two calls are equal when they have the same code, arguments and options. The later one leaves the
graph and becomes an alias of the earlier; handles of both stay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pymonik.graph.arguments import visit_arguments
from pymonik.graph.ir import Call, Graph, original_of
from pymonik.graph.spelling import Spelling
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
    names = _Names(aliases)
    nodes: list[Any] = []
    notes = list(graph.notes)
    for node in graph.nodes:
        if isinstance(node, Call) and node.spec.pure and not node.is_named:
            key = (node.spec, node.n, tuple(visit_arguments(node.args, node.n, names)))
            original = first.setdefault(key, node)
            if original is not node:
                aliases[original_of(node)] = original
                notes.append(f"shared {node.spec.name} ({node.where}): equal to {original.where}")
                continue
        nodes.append(node)
    return Graph(tuple(nodes), aliases, tuple(notes))


class _Names(Spelling):
    """What arguments must agree on to be equal."""

    def __init__(self, aliases: dict[Call, Call]) -> None:
        self._aliases = aliases

    def content(self, content: Content, holes: int = 0) -> Any:
        """Return it: contents are interned, so that equal ones are one object."""
        return content

    def output(self, node: Any, index: int) -> Any:
        """Return which output of which of equal calls it is."""
        return "output", self._aliases.get(node, node), index

    def part(self, node: Any, indexes: range) -> Any:
        """Return which outputs they are."""
        return self._aliases.get(node, node), indexes

    def immediate(self, value: Any) -> Any:
        """Tell apart what is equal in Python: 1, 1.0 and True, and 0.0 and -0.0."""
        kind = type(value)
        return kind, literal(value) if kind in (float, complex, tuple) else value
