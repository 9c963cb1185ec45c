"""When every unit would run: list scheduling of a plan on a number of slots.

Enters: jobs, slots a partition, and what a task costs besides its own work. Leaves: a `Schedule`.
Knows neither plans nor graphs; nothing here looks at a clock.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Overheads:
    """What running a plan costs besides the calls' own seconds; times in s.

    start: before the first unit can run. request: one request of the client. bandwidth: bytes a
    second towards the cluster. unit: each unit on its slot. level: between the end of a unit and
    the start of those that wait for it. rate: units a second that the engine can start, 0 for any
    number. piece: a unit hands back what is left of it after so many seconds, 0 for never.
    """

    start: float = 0.0
    request: float = 0.0
    bandwidth: float = float("inf")
    unit: float = 0.0
    level: float = 0.0
    rate: float = 0.0
    piece: float = 0.0


# Published figures of ArmoniK. unit: 99.3 % use of the workers with tasks of 1 s (ANEO's account of
# 10 million tasks on AWS). level: 30 agents that start 490 to 600 empty tasks with dependencies a
# second spend some 55 ms on each (performance tests of ArmoniK.Core, HtcMock). rate: about 1 000
# tasks a second submitted and processed by 100 pods (benchmarking-armonik, 2.12.3).
ARMONIK = Overheads(
    start=0.1, request=0.02, bandwidth=100e6, unit=0.007, level=0.055, rate=1000.0, piece=1.0
)
# The embedded engine on one machine: measured, see the benchmarks.
LOCAL = Overheads(start=0.1, bandwidth=1e9, unit=0.0005, level=0.0005, piece=1.0)


@dataclass(frozen=True)
class SimulatedUnit:
    """One unit: the seconds of one element, how many there are, and the jobs it waits for."""

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


def schedule(
    jobs: Sequence[SimulatedUnit], slots: Mapping[str, int], overheads: Overheads, sent: float = 0.0
) -> Schedule:
    """Start every job as soon as its needs are met and a slot of its partition is free.

    jobs: needs name earlier ones. slots: by partition; "" is that of partitions not named. sent:
    seconds until the last request is in, before which nothing starts.
    """
    return _Simulation(jobs, slots, overheads, sent).run()


class _Simulation:
    """Two heaps: what will be ready when, and, by partition, what could start now."""

    def __init__(
        self,
        jobs: Sequence[SimulatedUnit],
        slots: Mapping[str, int],
        overheads: Overheads,
        sent: float,
    ) -> None:
        self.jobs = list(jobs)
        self.overheads = overheads
        self.slots = slots
        self.free = {p: self._room(p) for p in {job.partition for job in jobs}}
        self.ready: dict[str, list[tuple[int, int]]] = {p: [] for p in self.free}
        self.missing = [len(job.needs) for job in jobs]
        self.users: list[list[int]] = [[] for _ in jobs]
        for number, job in enumerate(jobs):
            for need in job.needs:
                self.users[need].append(number)
        # Of what a unit handed back: the unit that is whole once all of it has ended.
        self.parent: dict[int, int] = {}
        self.parts: dict[int, range] = {}
        self.open_parts: dict[int, int] = {}
        self.starts = [0.0] * len(jobs)
        self.busy = dict.fromkeys(self.free, 0.0)
        self.next_start = sent + overheads.start
        # (time, kind, job): a job becomes ready (0) or leaves its slot (1).
        self.events: list[tuple[float, int, int]] = [
            (self.next_start, 0, number) for number, left in enumerate(self.missing) if not left
        ]

    def _room(self, partition: str) -> int:
        return max(1, self.slots.get(partition, self.slots.get("", 1)))

    def run(self) -> Schedule:
        now = 0.0
        heapq.heapify(self.events)
        while self.events:
            now = self.events[0][0]
            while self.events and self.events[0][0] == now:
                _, kind, number = heapq.heappop(self.events)
                if kind:
                    self._end(number, now)
                else:
                    job = self.jobs[number]
                    heapq.heappush(self.ready[job.partition], (-job.priority, number))
            for partition, waiting in self.ready.items():
                while waiting and self.free[partition]:
                    self._start(heapq.heappop(waiting)[1], now)
        return Schedule(now, self.busy, tuple(self.starts))

    def _start(self, number: int, now: float) -> None:
        job, costs = self.jobs[number], self.overheads
        begin = max(now, self.next_start)
        if costs.rate:
            self.next_start = begin + 1 / costs.rate
        if number < len(self.starts):
            self.starts[number] = begin
        run = job.elements
        if costs.piece and job.work > costs.piece and number not in self.parent:
            run = min(job.elements, int(costs.piece / job.seconds) + 1)
            self._hand_back(number, job.elements - run)
        seconds = costs.unit + run * job.seconds
        self.free[job.partition] -= 1
        self.busy[job.partition] += seconds
        heapq.heappush(self.events, (begin + seconds, 1, number))

    def _hand_back(self, number: int, left: int) -> None:
        """Cut what is left of a unit into two parts a slot, which wait as units of their own."""
        if not left:
            return
        job = self.jobs[number]
        size = -(-left // min(left, 2 * self._room(job.partition)))
        sizes = [min(size, left - start) for start in range(0, left, size)]
        self.parts[number] = range(len(self.jobs), len(self.jobs) + len(sizes))
        self.open_parts[number] = len(sizes) + 1
        self.parent.update(dict.fromkeys(self.parts[number], number))
        self.jobs += [SimulatedUnit(job.seconds, n, (), job.partition, job.priority) for n in sizes]

    def _end(self, number: int, now: float) -> None:
        self.free[self.jobs[number].partition] += 1
        whole = self.parent.get(number, number)
        if whole in self.open_parts:
            if number == whole:
                for part in self.parts[whole]:
                    heapq.heappush(self.events, (now + self.overheads.level, 0, part))
            self.open_parts[whole] -= 1
            if self.open_parts[whole]:
                return
        for user in self.users[whole]:
            self.missing[user] -= 1
            if not self.missing[user]:
                heapq.heappush(self.events, (now + self.overheads.level, 0, user))


def span(jobs: Sequence[SimulatedUnit]) -> float:
    """Return the length of the critical path: seconds of calls alone, elements side by side."""
    ends: list[float] = []
    for job in jobs:
        start = max((ends[need] for need in job.needs), default=0.0)
        ends.append(start + job.seconds)
    return max(ends, default=0.0)
