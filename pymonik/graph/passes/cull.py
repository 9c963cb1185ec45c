"""cull: drop pure calls whose values are not needed.

Only a pure call may be dropped; an effectful one is a root, whether its value is wanted or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pymonik.graph.ir import Call, Graph, inputs, original_of

if TYPE_CHECKING:
    from pymonik.graph.target import Target


def cull(graph: Graph, target: Target) -> Graph:
    """Keep effectful calls, wanted ones, and what they need."""
    if not any(_droppable(node) for node in graph.nodes):
        return graph
    needed: set[int] = set()
    aliases = dict(graph.aliases)
    nodes: list[Any] = []
    notes = list(graph.notes)
    for node in reversed(graph.nodes):
        if _droppable(node) and id(node) not in needed:
            notes.append(
                f"culled {node.spec.name} ({node.where}): pure, and its value is not needed"
            )
            aliases.pop(original_of(node), None)
            continue
        nodes.append(node)
        sources = inputs(node)
        if aliases:
            sources = [aliases.get(source, source) for source in sources]
        needed.update(map(id, sources))
    return Graph(tuple(reversed(nodes)), aliases, tuple(notes))


def _droppable(node: Any) -> bool:
    return isinstance(node, Call) and node.spec.pure and not node.wanted
