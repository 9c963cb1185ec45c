"""What a graph costs: its work, and its span, measured in two ways.

`map_span` takes maps whole, as `batch` does: a map starts when all the maps it uses have ended, and
lasts as long as one of its units. `unit_span` is exact: a unit starts when the units that make its
inputs have ended. A call of unknown duration counts as one second.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pymonik.graph.columns import FromStep
from pymonik.graph.ir import Call, Graph, Map, Put, inputs
from pymonik.graph.verbs import refs_of


def seconds(node: Any) -> float:
    """Give the seconds of one element."""
    specs = [step.spec for step in node.steps] if isinstance(node, Map) else [node.spec]
    return sum(spec.options.cost or 1.0 for spec in specs)


def elements(node: Any) -> int:
    return 1 if node.n is None else int(node.n)


def chunk(node: Any) -> int:
    return (isinstance(node, Map) and node.chunk) or 1


def calls(graph: Graph) -> list[Any]:
    return [node for node in graph.nodes if not isinstance(node, Put)]


def work(graph: Graph) -> float:
    """Give the seconds of all calls together."""
    return sum(seconds(node) * elements(node) for node in calls(graph))


def has_costs(graph: Graph) -> bool:
    """Tell whether somebody has said how long a call takes."""
    specs = [s.spec for node in calls(graph) for s in getattr(node, "steps", [node])]
    return any(spec.options.cost is not None for spec in specs)


def map_span(graph: Graph) -> float:
    """Give the longest path through maps taken whole."""
    ends: dict[int, float] = {}
    for node in calls(graph):
        start = max((ends.get(_key(source, graph), 0.0) for source in inputs(node)), default=0.0)
        ends[id(node)] = start + seconds(node) * chunk(node)
    return max(ends.values(), default=0.0)


def unit_span(graph: Graph) -> float:
    """Give the longest path through units."""
    ends: dict[int, list[float]] = {}
    for node in calls(graph):
        n, size = elements(node), chunk(node)
        found = []
        for start in range(0, n, size):
            members = range(start, min(start + size, n))
            needed = _needed(node, members, graph, ends)
            found.append(max(needed, default=0.0) + seconds(node) * len(members))
        values = node.values if isinstance(node, Map) and node.is_block else n
        ends[id(node)] = [found[min(i, n - 1) // size] for i in range(values)]
    return max((end for column in ends.values() for end in column), default=0.0)


def _needed(
    node: Any, members: Iterable[int], graph: Graph, ends: dict[int, list[float]]
) -> Iterator[float]:
    """Give when each value that some elements need is there."""
    for slot in _slots(node, members):
        for source, indexes in refs_of(slot):
            column = ends.get(_key(source, graph))
            if column is not None:
                yield from (column[index] for index in indexes)


def _slots(node: Any, members: Iterable[int]) -> Iterator[Any]:
    if isinstance(node, Call) and node.n is None:
        yield from node.args
        return
    columns = node.args if isinstance(node, Call) else [c for s in node.steps for c in s.columns]
    for column in columns:
        if not isinstance(column, FromStep):
            yield from (column.at(element) for element in members)


def _key(source: Any, graph: Graph) -> int:
    return id(graph.aliases.get(source, source) if isinstance(source, Call) else source)
