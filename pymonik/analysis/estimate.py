"""The cost of a plan before anything of it is sent.

Enters: a plan, durations of tasks, slots and prices. Leaves: a `Cost`, whose counts are exact.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from math import inf
from typing import Any

from pymonik.analysis.cost import ASSUMED, Cost, Duration, Eager, Site, cost_of_units
from pymonik.analysis.counts import Figures, figures
from pymonik.analysis.dag import dag_of_units
from pymonik.analysis.shape import captured, functions
from pymonik.analysis.simulate import ARMONIK, Overheads, SimulatedUnit, schedule
from pymonik.graph.ir import Call, CallSpec, Map, Put
from pymonik.graph.passes import run_passes
from pymonik.plan.fan_in import bounded
from pymonik.plan.lower import lower
from pymonik.plan.plan import Plan

# One unit a call of more calls is too many to simulate for a comparison.
_EAGER_CALLS = 200_000
Remembered = Callable[[CallSpec], "float | None"]


def estimate(
    plan: Plan,
    *,
    slots: int | Mapping[str, int] | None = None,
    seconds: Mapping[str, float] | None = None,
    remembered: Remembered | None = None,
    assumed: float = ASSUMED,
    price: float | None = None,
    overheads: Overheads = ARMONIK,
) -> Cost:
    """Estimate what carrying out a plan takes.

    slots: calls at once, or by partition; those the plan was compiled for unless given. seconds: of
    one call, by the name of its task. remembered: gives the measured seconds of a spec. assumed:
    seconds of a call of which nothing is known. price: of a pod-hour. Raises ValueError when one of
    them cannot be.
    """
    _check(slots, seconds or {}, assumed, price)
    counts = figures(plan)
    by_partition = _slots(slots, counts.slots)
    clock = _Clock(seconds or {}, remembered, assumed)
    requests = sum(kind.requests for kind in counts.requests)
    return cost_of_units(
        _units(plan, clock, overheads.gathers),
        by_partition,
        overheads,
        figures=counts,
        durations=_durations(plan, clock),
        sites=_sites(plan, clock),
        eager=_eager(plan, counts, by_partition, clock, overheads),
        price=price,
        sent=requests * overheads.request + counts.bytes_sent / overheads.bandwidth,
    )


def _check(slots: Any, seconds: Mapping[str, float], assumed: float, price: float | None) -> None:
    named = slots if isinstance(slots, Mapping) else {"": slots} if slots is not None else {}
    for name, count in named.items():
        if type(count) is not int or count < 1:
            of = f" of {name!r}" if name else ""
            raise ValueError(f"slots{of} is a whole number of 1 or more, not {count!r}")
    amounts = {"price": price or 0, "assumed": assumed}
    amounts.update({f"seconds of {name!r}": amount for name, amount in seconds.items()})
    for what, amount in amounts.items():
        if not isinstance(amount, (int, float)) or not 0 <= amount < inf:
            raise ValueError(f"{what} is a number of 0 or more, not {amount!r}")


def _slots(given: int | Mapping[str, int] | None, compiled: int) -> dict[str, int]:
    if given is None:
        return {"": max(1, compiled)}
    return {"": given} if isinstance(given, int) else dict(given)


class _Clock:
    """Says how long a call lasts, and who says so; asks once a spec."""

    def __init__(
        self, given: Mapping[str, float], remembered: Remembered | None, assumed: float
    ) -> None:
        self._given = given
        self._remembered = remembered or (lambda spec: None)
        self._assumed = assumed
        # What was found out, by the ids of specs, which the graph that is looked at holds.
        self._known: dict[int, tuple[float, str]] = {}

    def seconds(self, spec: CallSpec) -> float:
        return self.entry(spec)[0]

    def entry(self, spec: CallSpec) -> tuple[float, str]:
        entry = self._known.get(id(spec))
        if entry is None:
            entry = self._known[id(spec)] = self._ask(spec)
        return entry

    def _ask(self, spec: CallSpec) -> tuple[float, str]:
        if spec.name in self._given:
            return self._given[spec.name], "given"
        if spec.options.cost is not None:
            return spec.options.cost, "cost="
        measured = self._remembered(spec)
        return (self._assumed, "assumed") if measured is None else (measured, "measured")


def _units(plan: Plan, clock: _Clock, gathers: bool = False) -> list[SimulatedUnit]:
    """Return what to simulate: one a unit, in the order of the plan.

    gathers: with those that gather the inputs of others, which take no time of their own.
    """
    element: dict[int, float] = {}
    for node, locations in plan.locations:
        seconds = sum(clock.seconds(step.spec) for step in node.steps)
        element.update((id(outputs), seconds) for outputs in locations[0].unit_outputs)
    optimize = plan.source.optimize if plan.source is not None else True
    units = bounded(plan.units, optimize) if gathers else plan.units
    return dag_of_units(units).simulated(
        lambda unit: element.get(id(unit.outputs), 0.0),
        lambda unit: (unit.n, unit.options.partition_id or "", unit.options.priority or 1),
    )


def _durations(plan: Plan, clock: _Clock) -> Iterator[Duration]:
    """Return the duration of each step: those of the plan, not of what it was compiled of."""
    calls: Counter[tuple[str, float, str]] = Counter()
    for node, _ in plan.locations:
        for step in node.steps:
            seconds, source = clock.entry(step.spec)
            calls[step.spec.name, seconds, source] += node.n
    for (name, seconds, source), count in calls.items():
        yield Duration(name, seconds, count, source)


def _sites(plan: Plan, clock: _Clock) -> Iterator[Site]:
    """Return what each node causes; units and values of a fused one count for its first step."""
    for node in plan.graph.nodes if plan.graph is not None else ():
        if isinstance(node, Put):
            yield Site(node.where, node.label or "object", 0, 0, node.content.size, 0.0)
        elif isinstance(node, Map):
            size = sum({id(c): c.size for c, _ in captured(node)}.values())
            for number, step in enumerate(node.steps):
                first = number == 0
                work = node.n * clock.seconds(step.spec)
                where, units, carried = step.origins[0].where, node.units * first, size * first
                yield Site(where, step.spec.name, node.n, units, carried, work)


def _eager(
    plan: Plan, counts: Figures, slots: Mapping[str, int], clock: _Clock, overheads: Overheads
) -> Eager:
    """Price the calls as one unit each, each `invoke` with three requests, functions sent once."""
    if plan.source is None:
        return Eager(counts.calls, 3 * counts.calls, counts.bytes_raw, None)
    recorded = [node for node in plan.source.graph.nodes if isinstance(node, Call)]
    codes = {id(c): c.size for node in recorded for c, _ in functions(node)}
    size = sum(codes.values())
    size += sum(c.size * times for node in recorded for c, times in captured(node))
    requests = 3 * len(recorded) + len(codes)
    if counts.written > _EAGER_CALLS:
        return Eager(counts.written, requests, size, None)
    single = lower(run_passes(plan.source.graph, plan.source.target, False))
    # While the first units run, the client is still sending.
    sending = requests * overheads.request + size / overheads.bandwidth
    makespan = schedule(_units(single, clock), slots, overheads).makespan
    return Eager(counts.written, requests, size, max(sending, makespan))
