"""What carrying something out costs: seconds, slots, pod-hours, money; and how sure that is.

Enters: units with their durations, slots, prices and exact counts, of a plan (`estimate`) or of the
tasks of a session (`session.cost`). Leaves: a `Cost`. Its times come from simulating the list
scheduling of the units.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pymonik.analysis.counts import Figures
from pymonik.analysis.simulate import Overheads, SimulatedUnit, room, schedule, span

# Nothing is known of a task: its calls are taken to last so long, s.
ASSUMED = 1.0


@dataclass(frozen=True)
class Duration:
    """What a call of a task lasts, s, and who says so: given, cost=, measured or assumed."""

    task: str
    seconds: float
    calls: int
    source: str

    @property
    def work(self) -> float:
        """The seconds of all its calls."""
        return self.seconds * self.calls


@dataclass(frozen=True)
class Site:
    """What one line of the program causes; bytes are those it sends, work is in s."""

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


def cost_of_units(
    units: Sequence[SimulatedUnit],
    slots: Mapping[str, int],
    overheads: Overheads,
    *,
    figures: Figures,
    durations: Iterable[Duration],
    sites: Iterable[Site],
    eager: Eager,
    price: float | None = None,
    sent: float = 0.0,
) -> Cost:
    """Simulate units, and say what that takes beside what was counted.

    slots: by partition; "" is that of partitions not named. durations, sites: in any order, also
    several of one kind. price: of a pod-hour. sent: s until the last request is in.
    """
    simulated = schedule(units, slots, overheads, sent)
    used = {unit.partition: room(slots, unit.partition) for unit in units}
    work, longest, total = sum(unit.work for unit in units), span(units), sum(used.values()) or 1
    hours = {name: count * simulated.makespan / 3600 for name, count in used.items()}
    durations = summed_durations(durations)
    assumed = sum(one.work for one in durations if one.source == "assumed")
    slot_seconds = total * simulated.makespan
    return Cost(
        figures=figures,
        slots=used,
        work=work,
        span=longest,
        bound=max(longest, work / total),
        makespan=simulated.makespan,
        use=sum(simulated.busy.values()) / slot_seconds if slot_seconds else 0.0,
        pod_hours=hours,
        money=None if price is None else price * sum(hours.values()),
        known=1 - assumed / work if work else 1.0,
        durations=durations,
        sites=summed_sites(sites),
        eager=eager,
    )


def summed_durations(durations: Iterable[Duration]) -> tuple[Duration, ...]:
    """Add up the calls of equal durations, most work first."""
    sums: dict[tuple[str, float, str], Duration] = {}
    for one in durations:
        key = (one.task, one.seconds, one.source)
        sums[key] = replace(one, calls=one.calls + (sums[key].calls if key in sums else 0))
    return tuple(sorted(sums.values(), key=lambda one: -one.work))


def summed_sites(sites: Iterable[Site]) -> tuple[Site, ...]:
    """Add up what one line causes with one task, most work first."""
    sums: dict[tuple[str, str], Site] = {}
    for one in sites:
        before = sums.get((one.site, one.task))
        if before is not None:
            one = replace(
                one,
                calls=before.calls + one.calls,
                units=before.units + one.units,
                bytes=before.bytes + one.bytes,
                work=before.work + one.work,
            )
        sums[one.site, one.task] = one
    return tuple(sorted(sums.values(), key=lambda one: (-one.work, -one.bytes)))
