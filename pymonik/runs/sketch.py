"""The sketch of a plan: its drawing as plain data, made while somebody waits for values.

Enters: a plan. Leaves: boxes and links. It must cost next to nothing: not every element is looked
at, and nothing of the drawing itself is imported.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pymonik.graph.columns import NAMELESS
from pymonik.graph.ir import Call, Graph, Map
from pymonik.graph.value_state import ALWAYS
from pymonik.graph.verbs import refs_of
from pymonik.plan.plan import Plan, Source
from pymonik.system.structs import replace
from pymonik.values.content import IMMEDIATE

# Of a plan with more, the first are kept.
_BOXES = 2_000
# Of a larger graph only the drawing is kept.
_NODES, _CALLS, _BYTES = 500, 5_000, 16 << 20
# Of a column with a source an element, so many elements are looked at to know what feeds it.
_LOOKED_AT = 50
# What calls are tried again after that may be written down later: no class of the user's.
_PLAIN = (None, (Exception,))


def deferred(plan: Plan) -> Source | None:
    """Return what the graph of a plan can be made of later; None where that has to be now.

    So it is of a single call of plain values. It is a copy, which leads to no value. To make a
    graph loads what looks at graphs and at code: a first value is not to wait for it.
    """
    source = plan.source
    if source is None or len(source.graph.nodes) != 1:
        return None
    call = source.graph.nodes[0]
    if type(call) is not Call or call.n is not None or not call.wanted:
        return None
    spec = call.spec
    is_plain = IMMEDIATE.issuperset(map(type, call.args)) and spec.options.retry_on in _PLAIN
    if not is_plain or (spec.snapshot is not None and spec.snapshot.content() is not None):
        return None
    copy = Call(ALWAYS).fill(
        spec, call.args, None, call.site, call.lasti, call.label, call.spawn_key
    )
    return replace(source, graph=Graph((copy,), {}))


def deferred_graph(source: Source) -> dict[str, Any] | None:
    """Return the graph of what was deferred; None where its function sees other things now."""
    code = source.graph.nodes[0].spec.code
    return small_graph(source) if code.is_current(counts_met=False) else None


def small_graph(source: Source | None) -> dict[str, Any] | None:
    """Return a graph as it was recorded, if that is small and needs no earlier values."""
    from pymonik.analysis.encode import brief  # not before the first value, as the next
    from pymonik.analysis.shape import captured
    from pymonik.errors import GraphFileError

    if source is None:
        return None
    graph = source.graph
    if len(graph.nodes) > _NODES or graph.calls > _CALLS:
        return None
    if sum({id(c): c.size for node in graph.nodes for c, _ in captured(node)}.values()) > _BYTES:
        return None
    try:
        return brief(source)
    except GraphFileError:
        return None


def sketch(plan: Plan) -> dict[str, Any]:
    """Return the boxes and links of a plan as `Drawing.of` takes them."""
    outlines = plan.outlines
    boxes = [
        {
            "titles": [spec.name for spec in one.specs[:8]],
            "count": one.n,
            "units": one.units,
            "wanted": one.is_wanted,
            "sites": [one.where],
        }
        for one in outlines[:_BOXES]
    ]
    # One alone has no links: the graph of a plan like others is not made for them.
    links = _links(plan.graph) if len(outlines) > 1 else {}
    return {
        "boxes": boxes,
        "links": [{"source": a, "target": b, "values": n} for (a, b), n in links.items()],
    }


def _links(graph: Graph) -> dict[tuple[int, int], int]:
    """Return how many values go from box to box."""
    maps = [node for node in graph.nodes if isinstance(node, Map)][:_BOXES]
    places = {id(node): place for place, node in enumerate(maps)}
    links: dict[tuple[int, int], int] = {}
    for place, node in enumerate(maps):
        for source, values in _sources(node):
            if id(source) in places:
                ends = places[id(source)], place
                links[ends] = links.get(ends, 0) + values
    return links


def _sources(node: Map) -> list[tuple[Any, int]]:
    sources: list[tuple[Any, int]] = []
    for step in node.steps:
        for column in step.columns:
            if type(column) in NAMELESS:  # as most of a block are
                continue
            if column.node is not None:
                sources.append((column.node, node.n))
                continue
            slots = column.own()
            sources += _of_slots(slots[:: max(1, -(-len(slots) // _LOOKED_AT))])
    return sources


def _of_slots(slots: Sequence[Any]) -> list[tuple[Any, int]]:
    return [(source, len(run)) for slot in slots for source, run in refs_of(slot)]
