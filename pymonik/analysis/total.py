"""The cost of submissions that follow one another, each waiting for values of the one before.

Enters: the cost of each. Leaves: that of all.
"""

from __future__ import annotations

from collections.abc import Sequence

from pymonik.analysis.cost import Cost, Eager, summed_durations, summed_sites
from pymonik.analysis.counts import Figures, Requests


def in_turn(costs: Sequence[Cost]) -> Cost:
    """Add up costs; raises ValueError when there is none."""
    if not costs:
        raise ValueError("nothing was submitted, so there is nothing to price")
    if len(costs) == 1:
        return costs[0]
    first = costs[0]
    slots = {name: room for cost in costs for name, room in cost.slots.items()}
    work, makespan = sum(c.work for c in costs), sum(c.makespan for c in costs)
    busy = sum(c.use * c.makespan * sum(c.slots.values()) for c in costs)
    slot_seconds = sum(c.makespan * sum(c.slots.values()) for c in costs)
    times = [cost.eager.makespan for cost in costs]
    return Cost(
        figures=together([cost.figures for cost in costs]),
        slots=slots,
        work=work,
        span=sum(cost.span for cost in costs),
        bound=sum(cost.bound for cost in costs),
        makespan=makespan,
        use=busy / slot_seconds if slot_seconds else 0.0,
        pod_hours={n: sum(c.pod_hours.get(n, 0.0) for c in costs) for n in slots},
        money=None if first.money is None else sum(c.money or 0.0 for c in costs),
        known=sum(c.known * c.work for c in costs) / work if work else 1.0,
        durations=summed_durations(one for cost in costs for one in cost.durations),
        sites=summed_sites(one for cost in costs for one in cost.sites),
        eager=Eager(
            sum(c.eager.units for c in costs),
            sum(c.eager.requests for c in costs),
            sum(c.eager.bytes for c in costs),
            None if None in times else sum(time or 0.0 for time in times),
        ),
    )


def together(parts: Sequence[Figures]) -> Figures:
    """Add up the counts of submissions that follow one another."""
    requests: dict[str, Requests] = {}
    for one in (one for figures in parts for one in figures.requests):
        total = requests.get(one.kind, Requests(one.kind, 0, 0, 0))
        requests[one.kind] = Requests(
            one.kind,
            total.requests + one.requests,
            total.items + one.items,
            total.bytes + one.bytes,
        )
    return Figures(
        written=sum(f.written for f in parts),
        calls=sum(f.calls for f in parts),
        units=sum(f.units for f in parts),
        depth=sum(f.depth for f in parts),
        width=max(f.width for f in parts),
        unit_depth=sum(f.unit_depth for f in parts),
        requests=tuple(requests.values()),
        bytes_raw=sum(f.bytes_raw for f in parts),
        bytes_distinct=sum(f.bytes_distinct for f in parts),
        bytes_sent=sum(f.bytes_sent for f in parts),
        slots=parts[0].slots,
        submissions=sum(f.submissions for f in parts),
    )
