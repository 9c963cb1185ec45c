"""What carrying out a plan takes: seconds, slots, pod-hours, money; and how sure that is.

Enters: a plan, durations of tasks, slots and prices. Leaves: a `Cost`. The counts in it are exact;
the times come from simulating the list scheduling of the units.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from pymonik.analysis.counts import Figures, figures
from pymonik.analysis.shape import captured, functions
from pymonik.analysis.simulate import ARMONIK, Overheads, SimulatedUnit, schedule, span
from pymonik.graph.ir import Call, Map, Put
from pymonik.graph.passes import run_passes
from pymonik.plan.lower import lower
from pymonik.plan.plan import Plan

# Nothing is known of a task: its calls are taken to last so long, s.
ASSUMED = 1.0
# One unit a call of more calls is too many to simulate for a comparison.
_EAGER_CALLS = 200_000


@dataclass(frozen=True)
class Duration:
    """What a call of a task lasts, s, and who says so: given, cost=, measured or assumed."""

    task: str
    seconds: float
    calls: int
    source: str


@dataclass(frozen=True)
class Site:
    """What one line of the program causes."""

    site: str
    task: str
    calls: int
    units: int
    bytes: int
    work: float


@dataclass(frozen=True)
class Eager:
    """The same calls sent one by one, as they are made: one unit and three requests each."""

    units: int
    requests: int
    bytes: int
    makespan: float | None


@dataclass(frozen=True)
class Cost:
    """What a plan takes; times in s.

    work: seconds of all calls; span: of the longest chain of calls; bound: max(span, work / slots),
    below which no schedule can go. makespan: of the simulated one. use: busy part of the slots.
    pod_hours: by partition, slots kept for the makespan. known: part of the work whose durations
    are not assumed.
    """

    figures: Figures
    slots: dict[str, int]
    work: float
    span: float
    bound: float
    makespan: float
    use: float
    pod_hours: dict[str, float]
    money: float | None
    known: float
    durations: tuple[Duration, ...]
    sites: tuple[Site, ...]
    eager: Eager


def estimate(
    plan: Plan,
    *,
    slots: int | Mapping[str, int] | None = None,
    seconds: Mapping[str, float] | None = None,
    remembered: Callable[[Any], float | None] | None = None,
    assumed: float = ASSUMED,
    price: float | None = None,
    overheads: Overheads = ARMONIK,
) -> Cost:
    """Estimate what carrying out a plan takes.

    slots: calls at once, or by partition; those the plan was compiled for unless given. seconds: of
    one call, by the name of its task. remembered: gives the measured seconds of a spec. assumed:
    seconds of a call of which nothing is known. price: of a pod-hour.
    """
    counts = figures(plan)
    by_partition = _slots(slots, counts.slots)
    clock = _Clock(seconds or {}, remembered, assumed)
    jobs = _jobs(plan, clock)
    requests = sum(kind.requests for kind in counts.requests)
    sent = requests * overheads.request + counts.bytes_sent / overheads.bandwidth
    planned = schedule(jobs, by_partition, overheads, sent)
    used = {job.partition: _room(by_partition, job.partition) for job in jobs}
    total = sum(used.values()) or 1
    work = sum(job.work for job in jobs)
    longest = span(jobs)
    hours = {name: room * planned.makespan / 3600 for name, room in used.items()}
    durations = clock.told()
    assumed_work = sum(d.seconds * d.calls for d in durations if d.source == "assumed")
    return Cost(
        figures=counts,
        slots=used,
        work=work,
        span=longest,
        bound=max(longest, work / total),
        makespan=planned.makespan,
        use=sum(planned.busy.values()) / (total * planned.makespan) if planned.makespan else 0.0,
        pod_hours=hours,
        money=None if price is None else price * sum(hours.values()),
        known=1 - assumed_work / work if work else 1.0,
        durations=durations,
        sites=_sites(plan, clock),
        eager=_eager(plan, counts, by_partition, clock, overheads),
    )


def _slots(given: int | Mapping[str, int] | None, compiled: int) -> dict[str, int]:
    if given is None:
        return {"": max(1, compiled)}
    return {"": given} if isinstance(given, int) else dict(given)


def _room(slots: Mapping[str, int], partition: str) -> int:
    return max(1, slots.get(partition, slots.get("", 1)))


class _Clock:
    """Says how long a call lasts, and remembers of whom it said so."""

    def __init__(
        self,
        given: Mapping[str, float],
        remembered: Callable[[Any], float | None] | None,
        assumed: float,
    ) -> None:
        self.given = given
        self.remembered = remembered or (lambda spec: None)
        self.assumed = assumed
        self.known: dict[int, tuple[float, str]] = {}
        self.calls: dict[tuple[str, float, str], int] = {}

    def seconds(self, spec: Any) -> float:
        return self._entry(spec)[0]

    def _entry(self, spec: Any) -> tuple[float, str]:
        entry = self.known.get(id(spec))
        if entry is None:
            entry = self.known[id(spec)] = self._ask(spec)
        return entry

    def _ask(self, spec: Any) -> tuple[float, str]:
        if spec.name in self.given:
            return self.given[spec.name], "given"
        if spec.options.cost is not None:
            return spec.options.cost, "cost="
        measured = self.remembered(spec)
        return (self.assumed, "assumed") if measured is None else (measured, "measured")

    def count(self, spec: Any, calls: int) -> None:
        seconds, source = self._entry(spec)
        key = (spec.name, seconds, source)
        self.calls[key] = self.calls.get(key, 0) + calls

    def told(self) -> tuple[Duration, ...]:
        entries = [
            Duration(name, seconds, calls, source)
            for (name, seconds, source), calls in self.calls.items()
        ]
        return tuple(sorted(entries, key=lambda one: -one.seconds * one.calls))


def _jobs(plan: Plan, clock: _Clock, count: bool = True) -> list[SimulatedUnit]:
    """Make the jobs of a plan: one a unit, in its order."""
    element: dict[int, float] = {}
    for node, homes in plan.homes:
        seconds = sum(clock.seconds(step.spec) for step in node.steps)
        element.update((id(cell), seconds) for cell in homes[0].cells)
        for step in node.steps if count else ():
            clock.count(step.spec, node.n)
    places = {id(unit.cell): number for number, unit in enumerate(plan.units)}
    return [
        SimulatedUnit(
            element[id(unit.cell)],
            unit.n,
            tuple(places[id(cell)] for cell in unit.needs if id(cell) in places),
            unit.options.partition_id or "",
            unit.options.priority or 1,
        )
        for unit in plan.units
    ]


def _sites(plan: Plan, clock: _Clock) -> tuple[Site, ...]:
    """Sum up calls, units, bytes and work by the line that caused them, most work first."""
    sums: dict[tuple[str, str], list[float]] = {}
    for node in plan.graph.nodes if plan.graph is not None else ():
        if isinstance(node, Put):
            _add(sums, node.where, node.label or "object", 0, 0, node.content.size, 0.0)
        elif isinstance(node, Map):
            size = sum({id(c): c.size for c, _ in captured(node)}.values())
            for number, step in enumerate(node.steps):
                first = number == 0
                work = node.n * clock.seconds(step.spec)
                where, units, carried = step.origins[0].where, node.units * first, size * first
                _add(sums, where, step.spec.name, node.n, units, carried, work)
    sites = [
        Site(site, task, int(c), int(u), int(b), w) for (site, task), (c, u, b, w) in sums.items()
    ]
    return tuple(sorted(sites, key=lambda one: (-one.work, -one.bytes)))


def _add(sums: dict[tuple[str, str], list[float]], site: str, task: str, *more: float) -> None:
    entry = sums.setdefault((site, task), [0.0] * len(more))
    for place, number in enumerate(more):
        entry[place] += number


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
    planned = partial(schedule, _jobs(single, clock, count=False), slots, overheads)
    return Eager(counts.written, requests, size, max(sending, planned().makespan))
