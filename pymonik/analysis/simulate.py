"""When every unit would run: list scheduling of a plan on a number of slots.

Enters: units, slots a partition, and what a task costs besides its own work. Leaves: a `Schedule`.
Knows neither plans nor graphs; nothing here looks at a clock.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pymonik.plan.parts import parts_of_rest


def two_a_slot(count: int, seconds: float, beat: float, slots: int) -> int:
    """Return into how many pieces a host on one machine cuts elements handed back."""
    return min(count, 2 * slots)


def for_any_slots(count: int, seconds: float, beat: float, slots: int) -> int:
    """Return into how many tasks a worker cuts elements handed back: it knows no slots."""
    return parts_of_rest(count, seconds, beat)


@dataclass(frozen=True)
class Overheads:
    """What running a plan costs besides the calls' own seconds; times in s.

    start: before the first unit can run. request: one request of the client. bandwidth: bytes a
    second towards the cluster. unit: each unit on its slot. level: between the end of a unit and
    the start of those that wait for it. rate: units a second that the engine can start, 0 for any
    number. beat: a unit hands back what is left of it after so many seconds, 0 for never. parts:
    into how many units that is cut, of the elements, the seconds of one, the beat and the slots.
    gathers: units of many inputs have them gathered by others, see `plan.fan_in`.
    """

    start: float = 0.0
    request: float = 0.0
    bandwidth: float = float("inf")
    unit: float = 0.0
    level: float = 0.0
    rate: float = 0.0
    beat: float = 0.0
    parts: Callable[[int, float, float, int], int] = two_a_slot
    gathers: bool = False


# Published figures of ArmoniK. unit: 99.3 % use of the workers with tasks of 1 s (ANEO's account of
# 10 million tasks on AWS). level: 30 agents that start 490 to 600 empty tasks with dependencies a
# second spend some 55 ms on each (performance tests of ArmoniK.Core, HtcMock). rate: about 1 000
# tasks a second submitted and processed by 100 pods (benchmarking-armonik, 2.12.3).
ARMONIK = Overheads(
    start=0.1,
    request=0.02,
    bandwidth=100e6,
    unit=0.007,
    level=0.055,
    rate=1000.0,
    beat=1.0,
    parts=for_any_slots,
    gathers=True,
)
# The embedded engine on one machine: measured, see the benchmarks.
LOCAL = Overheads(start=0.1, bandwidth=1e9, unit=0.0005, level=0.0005, beat=1.0)


@dataclass(frozen=True)
class SimulatedUnit:
    """One unit: the seconds of one element, how many there are, and the units it waits for."""

    seconds: float
    elements: int = 1
    needs: tuple[int, ...] = ()
    partition: str = ""
    priority: int = 1

    @property
    def work(self) -> float:
        """The seconds of all its elements."""
        return self.seconds * self.elements


@dataclass(frozen=True)
class Schedule:
    """makespan: from the first request to the last value, s. busy: seconds of used slots."""

    makespan: float
    busy: dict[str, float] = field(default_factory=dict)
    starts: tuple[float, ...] = ()


def room(slots: Mapping[str, int], partition: str) -> int:
    """Return the slots of a partition; "" is that of partitions not named."""
    return max(1, slots.get(partition, slots.get("", 1)))


def schedule(
    units: Sequence[SimulatedUnit],
    slots: Mapping[str, int],
    overheads: Overheads,
    sent: float = 0.0,
) -> Schedule:
    """Start every unit as soon as its needs are met and a slot of its partition is free.

    units: needs name earlier ones. slots: by partition; "" is that of partitions not named. sent:
    seconds until the last request is in, before which nothing starts.
    """
    return _Simulation(units, slots, overheads, sent).run()


class _Simulation:
    """Two heaps: what will be ready when, and, by partition, what could start now."""

    def __init__(
        self,
        units: Sequence[SimulatedUnit],
        slots: Mapping[str, int],
        overheads: Overheads,
        sent: float,
    ) -> None:
        # Those that are simulated, and behind them the parts that were handed back.
        self.units = list(units)
        self.overheads = overheads
        self.slots = slots
        self.free = {name: room(slots, name) for name in {unit.partition for unit in units}}
        self.ready: dict[str, list[tuple[int, int]]] = {name: [] for name in self.free}
        self.missing = [len(unit.needs) for unit in units]
        self.users: list[list[int]] = [[] for _ in units]
        for number, unit in enumerate(units):
            for need in unit.needs:
                self.users[need].append(number)
        # What a unit or a part handed back; the unit that a part is of; how many of its parts, and
        # itself, have not ended.
        self.parts: dict[int, range] = {}
        self.whole: dict[int, int] = {}
        self.unfinished: dict[int, int] = {}
        self.starts = [0.0] * len(units)
        self.busy = dict.fromkeys(self.free, 0.0)
        self.next_start = sent + overheads.start
        # (time, kind, unit): a unit becomes ready (0) or leaves its slot (1).
        self.events: list[tuple[float, int, int]] = [
            (self.next_start, 0, number) for number, left in enumerate(self.missing) if not left
        ]

    def run(self) -> Schedule:
        now = 0.0
        heapq.heapify(self.events)
        while self.events:
            now = self.events[0][0]
            # All that happens now, before anything starts: priorities decide among what is ready at
            # one moment, not the order of the heap.
            while self.events and self.events[0][0] == now:
                _, kind, number = heapq.heappop(self.events)
                if kind:
                    self._end(number, now)
                else:
                    unit = self.units[number]
                    heapq.heappush(self.ready[unit.partition], (-unit.priority, number))
            for partition, waiting in self.ready.items():
                while waiting and self.free[partition]:
                    self._start(heapq.heappop(waiting)[1], now)
        return Schedule(now, self.busy, tuple(self.starts))

    def _start(self, number: int, now: float) -> None:
        unit, costs = self.units[number], self.overheads
        begin = max(now, self.next_start)
        if costs.rate:
            self.next_start = begin + 1 / costs.rate
        if number < len(self.starts):
            self.starts[number] = begin
        count = unit.elements
        if costs.beat and unit.work > costs.beat:
            # The element that runs when the beat is over is finished: a unit hands back between
            # elements.
            count = min(count, int(costs.beat / unit.seconds) + 1)
            self._return_rest(number, unit.elements - count)
        seconds = costs.unit + count * unit.seconds
        self.free[unit.partition] -= 1
        self.busy[unit.partition] += seconds
        heapq.heappush(self.events, (begin + seconds, 1, number))

    def _return_rest(self, number: int, count: int) -> None:
        """Cut what is left of a unit into parts, which wait as units of their own."""
        if not count:
            return
        unit, costs = self.units[number], self.overheads
        slots = room(self.slots, unit.partition)
        size = -(-count // costs.parts(count, unit.seconds, costs.beat, slots))
        sizes = [min(size, count - start) for start in range(0, count, size)]
        parts = self.parts[number] = range(len(self.units), len(self.units) + len(sizes))
        whole = self.whole.get(number, number)
        self.whole.update(dict.fromkeys(parts, whole))
        self.unfinished[whole] = self.unfinished.get(whole, 1) + len(sizes)
        self.units += [replace(unit, elements=count, needs=()) for count in sizes]

    def _end(self, number: int, now: float) -> None:
        self.free[self.units[number].partition] += 1
        level = self.overheads.level
        for part in self.parts.get(number, ()):
            heapq.heappush(self.events, (now + level, 0, part))
        whole = self.whole.get(number, number)
        # A unit that was cut has ended when all of its parts have: its pack is put together last.
        unfinished = self.unfinished[whole] = self.unfinished.get(whole, 1) - 1
        for user in () if unfinished else self.users[whole]:
            self.missing[user] -= 1
            if not self.missing[user]:
                heapq.heappush(self.events, (now + level, 0, user))


def span(units: Sequence[SimulatedUnit]) -> float:
    """Return the length of the critical path: seconds of calls alone, elements side by side."""
    ends: list[float] = []
    for unit in units:
        start = max((ends[need] for need in unit.needs), default=0.0)
        ends.append(start + unit.seconds)
    return max(ends, default=0.0)
