"""What can be said of a graph's shape: levels, depth, width; and the same graph for networkx.

Enters: a graph. Leaves: numbers, or a `networkx.DiGraph`. networkx is imported when asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pymonik.graph.arguments import contents_in, outputs_in
from pymonik.graph.ir import Call, CallSpec, External, Graph, Map, Put, inputs
from pymonik.values.content import Content

if TYPE_CHECKING:
    import networkx


def ancestors(nodes: Iterable[Any]) -> Graph:
    """Return the graph of some nodes and of all that leads to them."""
    order: dict[int, Any] = {}
    open_ones = [(node, False) for node in nodes]
    while open_ones:
        node, is_ready = open_ones.pop()
        if is_ready:
            order.setdefault(id(node), node)
        elif id(node) not in order:
            open_ones.append((node, True))
            open_ones += [(source, False) for source in inputs(node)]
    return Graph(tuple(order.values()), {})


def folded(graph: Graph) -> Graph:
    """Return the graph as written, calls of one task and depth folded into one node."""
    # Each run is sketched here, and a first value is not to wait for passes.
    from pymonik.graph.passes.vectorize import vectorize
    from pymonik.graph.target import Target

    return vectorize(graph, Target())


def depth_and_width(graph: Graph) -> tuple[int, int]:
    """Return the number of calls on the longest path, and how many calls stand on one level."""
    ends: dict[int, int] = {}
    calls: Counter[int] = Counter()
    for node in graph.nodes:
        if isinstance(node, Put):
            continue
        start = max((ends.get(id(_kept(source, graph)), 0) for source in inputs(node)), default=0)
        steps = len(node.steps) if isinstance(node, Map) else 1
        n = node.n if node.n is not None else 1
        for level in range(start, start + steps):
            calls[level] += n
        ends[id(node)] = start + steps
    return max(ends.values(), default=0), max(calls.values(), default=0)


def to_networkx(graph: Graph) -> networkx.DiGraph[int]:
    """Return a `networkx.DiGraph`.

    Nodes are the places in `graph.nodes`; what earlier submissions, or other programs, made has
    numbers below 0. A node has `kind` (calls, object, earlier, external), `name`, `steps` (their
    names), `count` (elements), `units`, `wanted` and `site`; an edge has `values`, how many
    outputs flow along it.
    """
    import networkx

    result: networkx.DiGraph[int] = networkx.DiGraph(notes=graph.notes)
    numbers = {id(node): place for place, node in enumerate(graph.nodes)}
    earlier = 0
    for place, node in enumerate(graph.nodes):
        result.add_node(place, **_attributes(node))
        for source, values in uses(node):
            source = _kept(source, graph)
            if id(source) not in numbers:
                earlier -= 1
                numbers[id(source)] = earlier
                kind = "external" if isinstance(source, External) else "earlier"
                result.add_node(earlier, **{**_attributes(source), "kind": kind})
            edge = (numbers[id(source)], place)
            before = result.edges[edge]["values"] if result.has_edge(*edge) else 0
            result.add_edge(*edge, values=before + values)
    return result


def uses(node: Any) -> list[tuple[Any, int]]:
    """Return what a node uses: its sources, each once, and how many of their values."""
    counts: dict[int, list[Any]] = {}
    if isinstance(node, Map):
        runs = [run for step in node.steps for run in outputs_in(step.columns, node.n)]
    else:
        runs = [*outputs_in(node.args, node.n)] if isinstance(node, Call) else []
    for source, indexes in runs:
        counts.setdefault(id(source), [source, 0])[1] += len(indexes)
    return [(source, count) for source, count in counts.values()]


def functions(node: Any) -> Iterator[tuple[Content, int]]:
    """Return the functions of a node, and how many calls use each."""
    if isinstance(node, Map):
        for step in node.steps:
            yield step.spec.code.content, node.n
    elif isinstance(node, Call):
        yield node.spec.code.content, 1 if node.n is None else node.n


def captured(node: Any) -> Iterator[tuple[Content, int]]:
    """Return the captured values a node names, and how many calls use each."""
    if isinstance(node, Put):
        yield node.content, 1
    elif isinstance(node, Call):
        yield from contents_in(node.args, node.n)
    elif isinstance(node, Map):
        for step in node.steps:
            yield from contents_in(step.columns, node.n)


def argument_names(node: Call) -> list[str]:
    """Return a name for each argument of a call or a map: that of its parameter, or its place."""
    return _argument_names(node.spec, len(node.args))


# Specs that one look at a plan asks about: a program has few, and each call asks.
@lru_cache(maxsize=64)
def _argument_names(spec: CallSpec, count: int) -> list[str]:
    from pymonik.capture.text.fingerprint import parameters_of

    named = parameters_of(spec.code.function, spec.context)
    plain = count - len(spec.keywords)
    places = [f"{named[n]!r}" if n < len(named) else f"argument {n + 1}" for n in range(plain)]
    return [*places, *(repr(keyword) for keyword in spec.keywords)]


def _kept(source: Any, graph: Graph) -> Any:
    """Return the call that a shared one stands for."""
    return graph.aliases.get(source, source) if isinstance(source, Call) else source


def _attributes(node: Any) -> dict[str, Any]:
    if isinstance(node, Map):
        return {
            "kind": "calls",
            "name": node.name,
            "steps": tuple(step.spec.name for step in node.steps),
            "count": node.n,
            "units": node.units if node.chunk else 0,
            "wanted": any(step.is_wanted for step in node.steps),
            "site": node.steps[0].origins[0].where,
        }
    if isinstance(node, Put):
        name = node.label or "object"
        shared = {"kind": "object", "name": name, "steps": (name,), "count": 1}
        return {**shared, "units": 0, "wanted": True, "site": node.where}
    if isinstance(node, External):
        count = 1 if node.n is None else node.n
        shared = {"kind": "external", "name": node.name, "steps": (node.name,), "count": count}
        return {**shared, "units": 0, "wanted": False, "site": node.where}
    return {
        "kind": "calls",
        "name": node.spec.name,
        "steps": (node.spec.name,),
        "count": 1 if node.n is None else node.n,
        "units": 0,
        "wanted": node.wanted,
        "site": node.where,
    }
