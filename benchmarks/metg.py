"""METG(50 %): the smallest task that keeps the cores half busy, on a stencil.

Slaughter et al., "Task Bench: A Parameterized Benchmark for Evaluating Parallel Runtime
Performance", SC 2020. Granularity is wall time * cores / tasks. Efficiency is ideal time / wall
time, where ideal time is tasks * kernel time / cores. At 50 % the kernel is thus half of a task's
granularity; the other half is what the system costs.

In: a stencil to run for a given work per cell. Out: a granularity in seconds. The caller checks
values.
"""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.kernels import spin

if TYPE_CHECKING:
    from collections.abc import Callable

TARGET = 0.5
RUNS = 3
CALIBRATION = 1_000
"""Iterations of the longer kernel that is timed: 0.25 ms, well below a time slice."""
KERNELS = 31
"""Kernels of each length that a calibration times: 10 ms in all, beside runs of 20 ms and more."""
ENOUGH = 1.5
"""Seconds of runs after which one granularity is measured well enough."""
WORK_LIMIT = 1 << 16
"""Iterations (16 ms) beyond which a peer is given up as never half efficient."""


class Unsteady(Exception):
    """The cores are never half busy: others use them, or the peer does not scale."""


@dataclass(frozen=True)
class Sample:
    """One granularity: the kernel's work, and how efficiently the cores did it."""

    work: int
    efficiency: float
    granularity: float


@dataclass(frozen=True)
class Kernel:
    """How long the kernel takes alone on a core: a start and so much an iteration."""

    start: float
    step: float

    @classmethod
    def calibrate(cls) -> Kernel:
        """Time short and longer kernels: medians, for runs meet what disturbs the cores, too."""
        short, long = typical(1), typical(CALIBRATION)
        return cls(short, (long - short) / CALIBRATION)

    def between(self, other: Kernel) -> Kernel:
        """Return the mean of two: of what was found before a run, and after it."""
        return Kernel((self.start + other.start) / 2, (self.step + other.step) / 2)

    def time(self, work: int) -> float:
        """Return the seconds of this much work."""
        return self.start + self.step * work

    def work(self, seconds: float) -> int:
        """Return the work that takes this long."""
        return max(1, round((seconds - self.start) / self.step))


def typical(work: int) -> float:
    """Return the median of some runs of the kernel."""
    times = []
    for _ in range(KERNELS):
        start = time.perf_counter()
        spin(work)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def measure(
    run: Callable[[int], float],
    work: int,
    tasks: int,
    cores: int,
    calibrate: Callable[[], Kernel] = Kernel.calibrate,
) -> Sample:
    """Run the stencil a few times with this work a cell and keep the fastest, least disturbed run.

    At 50 % a disturbance of a few milliseconds would otherwise send the search the wrong way. The
    kernel is timed beside each run: a core that others share is half as fast for seconds, and a
    kernel timed in a better moment would make any system look less than half efficient.
    """
    runs: list[tuple[float, Kernel]] = []
    kernel = calibrate()
    while not runs or (len(runs) < RUNS and sum(wall for wall, _ in runs) + runs[-1][0] < ENOUGH):
        wall = run(work)
        after = calibrate()
        runs.append((wall, kernel.between(after)))
        kernel = after
    wall, kernel = min(runs, key=lambda one: one[0])
    return Sample(work, tasks * kernel.time(work) / cores / wall, wall * cores / tasks)


def search(sample: Callable[[int], Sample], kernel: Kernel) -> float:
    """Find the granularity at which efficiency reaches the target.

    The overhead of a task without work is a first guess at its kernel. From there double or halve
    until the target lies between two neighbours, halve that interval once more, and interpolate on
    logarithmic scales.
    """
    below = sample(1)
    if below.efficiency >= TARGET:
        return below.granularity
    overhead = below.granularity * (1 - below.efficiency)
    guess = sample(min(max(2, kernel.work(overhead)), WORK_LIMIT))
    while guess.efficiency < TARGET:
        below = guess
        if guess.work >= WORK_LIMIT:
            kernel_ms = kernel.time(guess.work) * 1e3
            raise Unsteady(f"{guess.efficiency:.0%} efficient with kernels of {kernel_ms:.0f} ms")
        guess = sample(guess.work * 2)
    above = guess
    while above.work > 2 * below.work:
        guess = sample(max(below.work + 1, above.work // 2))
        below, above = (below, guess) if guess.efficiency >= TARGET else (guess, above)
    middle = sample(max(1, round(math.sqrt(below.work * above.work))))
    below, above = (below, middle) if middle.efficiency >= TARGET else (middle, above)
    return interpolate(below, above)


def interpolate(below: Sample, above: Sample) -> float:
    """Return the granularity at the target, on the line through both points in log-log space."""
    span = math.log(above.efficiency / below.efficiency)
    share = math.log(TARGET / below.efficiency) / span if span > 0 else 1.0
    return below.granularity * (above.granularity / below.granularity) ** share
