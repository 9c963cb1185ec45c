"""How long graphs are: the longest path through elements, clusters of them, and nodes, in seconds.

A call of which nothing is known counts as a second: paths compare by their length then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pymonik.graph.bands import Cluster
from pymonik.graph.elements import ElementGraph
from pymonik.graph.ir import Graph, Map, inputs


def span(elements: ElementGraph, cluster_of: Mapping[int, Cluster]) -> float:
    """Return the longest path through clusters, in seconds."""
    lasting: dict[Cluster, float] = {}
    needed: dict[Cluster, set[Cluster]] = {}
    for number, cluster in cluster_of.items():
        lasting[cluster] = lasting.get(cluster, 0.0) + elements.seconds[number]
        sources = needed.setdefault(cluster, set())
        sources.update([cluster_of[one] for one in elements.needs[number] if one in cluster_of])
    ends: dict[Cluster, float] = {}
    for cluster in sorted(lasting):
        start = max([ends[one] for one in needed[cluster] if one != cluster], default=0.0)
        ends[cluster] = start + lasting[cluster]
    return max(ends.values(), default=0.0)


def path(elements: ElementGraph, numbers: Iterable[int]) -> float:
    """Return the longest path through some elements, in seconds."""
    ends: dict[int, float] = {}
    for number in numbers:
        start = max([ends.get(one, 0.0) for one in elements.needs[number]], default=0.0)
        ends[number] = start + elements.seconds[number]
    return max(ends.values(), default=0.0)


def longest_of(graph: Graph) -> float:
    """Return the longest path through maps, each as long as an element, and blocks, in seconds."""
    ends: dict[int, float] = {}
    for node in graph.nodes:
        if isinstance(node, Map):
            start = max([ends.get(id(source), 0.0) for source in inputs(node)], default=0.0)
            ends[id(node)] = start + seconds_of(node)
    return max(ends.values(), default=0.0)


def seconds_of(node: Map) -> float:
    """Return the seconds of an element."""
    return sum(step.spec.options.cost or 1.0 for step in node.steps)
