"""What a plan comes to: counts that are exact, before anything is sent.

Enters: a plan. Leaves: `Figures`. What it will take in time is the business of `cost`.
"""

from __future__ import annotations

from dataclasses import dataclass

from pymonik.analysis.dag import dag_of_units
from pymonik.analysis.shape import captured, depth_and_width, functions
from pymonik.graph.ir import Graph
from pymonik.plan.plan import Plan


@dataclass(frozen=True)
class Requests:
    """Requests of one kind: how many, for how many items, and their bytes."""

    kind: str
    requests: int
    items: int
    bytes: int


@dataclass(frozen=True)
class Figures:
    """The counts of a plan.

    written: calls as recorded; calls: those left after sharing and dropping. depth: calls on the
    longest path; width: calls on the widest level; unit_depth: units on the longest path.
    bytes_raw: functions and captured values, each as often as a call uses it; bytes_distinct: each
    once; bytes_sent: what travels. slots: calls at once, for which it was compiled. submissions: of
    a script that was run to its end, one after another.
    """

    written: int
    calls: int
    units: int
    depth: int
    width: int
    unit_depth: int
    requests: tuple[Requests, ...]
    bytes_raw: int
    bytes_distinct: int
    bytes_sent: int
    slots: int
    submissions: int = 1

    @property
    def tasks(self) -> int:
        """How many tasks a cluster runs: units, and those that gather the inputs of others."""
        return next((one.items for one in self.requests if one.kind == "submit"), self.units)


def figures(plan: Plan) -> Figures:
    """Count what is in a plan."""
    written: Graph = plan.source.graph if plan.source is not None else plan.graph
    depth, width = depth_and_width(written)
    raw, distinct = _bytes(written)
    return Figures(
        written=written.calls,
        calls=plan.calls,
        units=len(plan.units),
        depth=depth,
        width=width,
        unit_depth=dag_of_units(plan.units).depth,
        requests=_requests(plan),
        bytes_raw=raw,
        bytes_distinct=distinct,
        bytes_sent=plan.size,
        slots=plan.source.target.slots if plan.source is not None else 0,
    )


def _requests(plan: Plan) -> tuple[Requests, ...]:
    kinds: dict[str, list[int]] = {}
    for request in plan.requests:
        sums = kinds.setdefault(request.kind, [0, 0, 0])
        for place, number in enumerate((1, request.count, request.size)):
            sums[place] += number
    return tuple(Requests(kind, *sums) for kind, sums in kinds.items())


def _bytes(graph: Graph) -> tuple[int, int]:
    """Return the bytes of functions and captured values: as often as used, and each once."""
    raw = 0
    distinct: dict[int, int] = {}
    for node in graph.nodes:
        for content, times in (*functions(node), *captured(node)):
            raw += content.size * times
            distinct[id(content)] = content.size
    return raw, sum(distinct.values())
