"""The laws of the IR, as one executable list, run between passes.

Enters: a graph. Leaves: nothing, or a `GraphError` that shows the lines around the culprit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pymonik.errors import GraphError
from pymonik.graph.ir import Call, External, Graph, Map, Put, inputs


def verify(graph: Graph, after: str = "recording") -> None:
    """Check every law on every node."""
    seen: dict[int, Any] = {}
    for position, node in enumerate(graph.nodes):
        for complaint in (*_order(node, seen, graph), *_shape(node)):
            raise GraphError(_report(graph, position, complaint, after))
        seen[id(node)] = node


def _order(node: Any, seen: dict[int, Any], graph: Graph) -> Iterator[str]:
    if id(node) in seen:
        yield "stands twice in the graph"
    if type(node) is External:
        yield "is a value of another program, which a graph must not compute"
    for source in inputs(node):
        if type(source) is External:  # it is made whatever this graph does
            continue
        # Who uses a call that was replaced names it still: see decision 39.
        source = graph.aliases.get(source, source) if isinstance(source, Call) else source
        # What has a location was sent by an earlier flush, and stands in no graph any more.
        if id(source) not in seen and getattr(source, "location", None) is None:
            yield "uses a value that no earlier node makes"


def _shape(node: Any) -> Iterator[str]:
    if isinstance(node, Call):
        if len(node.args) != node.spec.width:
            yield f"has {len(node.args)} arguments where its task takes {node.spec.width}"
    elif isinstance(node, Map):
        for number, step in enumerate(node.steps):
            yield from _step_shape(node, number, step)
    elif not isinstance(node, (Put, External)):
        yield f"is a {type(node).__name__}, which is not a node"


def _step_shape(node: Map, number: int, step: Any) -> Iterator[str]:
    if len(step.columns) != step.spec.width:
        yield f"step {number} has {len(step.columns)} columns, its task takes {step.spec.width}"
    if len(step.origins) not in (1, node.n):
        yield f"step {number} stands for {len(step.origins)} calls, the map has {node.n} elements"
    if isinstance(step.wanted, bytes) and len(step.wanted) != node.n:
        yield f"step {number} has {len(step.wanted)} wanted bits for {node.n} elements"
    if step.spec.affinity != node.spec.affinity:
        yield f"step {number} runs elsewhere than the steps before it"
    for column in step.columns:
        length = column.length
        if length is not None and length != node.n:
            yield f"step {number} has a column of {length}, the map is {node.n} long"
        for earlier in column.steps():
            if not 0 <= earlier < number:
                yield f"step {number} uses step {earlier}, which is not before it"
        for source, indexes in column.outputs(node.n):
            size = _values(source)
            if size is not None and indexes and not 0 <= min(indexes) <= max(indexes) < size:
                yield f"step {number} uses element {max(indexes)} of a map of {size}"


def _values(source: Any) -> int | None:
    """Return how many values of a node others can name, None where that is not known here."""
    if isinstance(source, Map):
        return source.values
    return source.n if isinstance(source, External) else None


def _report(graph: Graph, position: int, complaint: str, after: str) -> str:
    from pymonik.graph.show import show

    lines = show(graph).splitlines()
    around = lines[max(0, position - 5) : position + 5]
    return "\n".join([f"after {after}: %{position} {complaint}", *around])
