"""Phases: which maps of a graph may be taken apart and put together anew, and in which groups.

Enters: a graph, and what maps must agree on. Leaves: the phase of each map, and groups of maps that
depend on each other directly or not at all: what their elements become, blocks of some of them,
stands in an order in which it could run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pymonik.graph.ir import Graph, Map, inputs

if TYPE_CHECKING:
    from pymonik.graph.target import Target

# A level of more calls a slot makes units that are large enough, and cheaper: a map is cut faster
# than blocks are made.
WIDE = 64


def phases_of(graph: Graph, affinity: Callable[[Map], Any]) -> dict[int, tuple[int, Any]]:
    """Return the phase and the affinity of each map, by its id; None: what stays as it is.

    The phase grows along the inputs wherever something else comes between: maps of a phase and an
    affinity depend on each other directly, or not at all.
    """
    phases: dict[int, tuple[int, Any]] = {}
    for node in graph.nodes:
        if not isinstance(node, Map):
            continue
        own, phase = affinity(node), 0
        for source in inputs(node):
            source_phase = phases.get(id(source))
            if source_phase is not None:
                phase = max(phase, source_phase[0] + (own is None or source_phase[1] != own))
        phases[id(node)] = (phase, own)
    return phases


def groups_of(graph: Graph, phases: dict[int, tuple[int, Any]]) -> dict[tuple[int, Any], list[Map]]:
    """Return the maps that may share blocks, by phase and affinity."""
    groups: dict[tuple[int, Any], list[Map]] = {}
    for node in graph.nodes:
        if isinstance(node, Map) and phases[id(node)][1] is not None:
            groups.setdefault(phases[id(node)], []).append(node)
    return groups


def affinity_of(node: Map, target: Target) -> Any:
    """Return what calls must agree on to share a block; None for calls that stay as they are."""
    if node.n > 1 and (target.chunk_size or node.spec.options.chunk_size):
        return None
    for step in node.steps:
        first, spec = step.origins[0], step.spec
        if step.ids or spec.delegates or (first.n is not None and (first.label or spec.cache)):
            return None
    options = node.spec.options
    labels = tuple(sorted((options.options or {}).items()))
    application = (
        options.application_name,
        options.application_version,
        options.application_namespace,
        options.application_service,
        options.engine_type,
    )
    return (node.spec.affinity, labels, application)
