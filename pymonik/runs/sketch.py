"""The sketch of a plan: its drawing as plain data, made while somebody waits for values.

Enters: a plan. Leaves: boxes and links. It must cost next to nothing: not every element is looked
at, and nothing of the drawing itself is imported.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pymonik.analysis.shape import captured
from pymonik.graph.columns import NAMELESS
from pymonik.graph.ir import Map
from pymonik.graph.verbs import refs_of
from pymonik.plan.plan import Plan

# Of a plan with more, the first are kept.
_BOXES = 2_000
# Of a larger graph only the drawing is kept.
_NODES, _CALLS, _BYTES = 500, 5_000, 16 << 20
# Of a column with a source an element, so many elements are looked at to know what feeds it.
_LOOKED_AT = 50


def small_graph(plan: Plan) -> dict[str, Any] | None:
    """Return the graph of a plan as recorded, if that is small and needs no earlier values."""
    from pymonik.analysis.encode import brief
    from pymonik.errors import GraphFileError

    if plan.source is None:
        return None
    graph = plan.source.graph
    if len(graph.nodes) > _NODES or graph.calls > _CALLS:
        return None
    if sum({id(c): c.size for node in graph.nodes for c, _ in captured(node)}.values()) > _BYTES:
        return None
    try:
        return brief(plan.source)
    except GraphFileError:
        return None


def sketch(plan: Plan) -> dict[str, Any]:
    """Return the boxes and links of a plan as `Drawing.of` takes them."""
    maps = [node for node in plan.graph.nodes if isinstance(node, Map)][:_BOXES]
    places = {id(node): place for place, node in enumerate(maps)}
    links: dict[tuple[int, int], int] = {}
    for place, node in enumerate(maps):
        for source, values in _sources(node):
            if id(source) in places:
                ends = places[id(source)], place
                links[ends] = links.get(ends, 0) + values
    boxes = [
        {
            "titles": [step.spec.name for step in node.steps[:8]],
            "count": node.n,
            "units": node.units,
            "wanted": any(step.wanted is not False for step in node.steps),
            "sites": [node.steps[0].origins[0].where],
        }
        for node in maps
    ]
    return {
        "boxes": boxes,
        "links": [{"source": a, "target": b, "values": n} for (a, b), n in links.items()],
    }


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
