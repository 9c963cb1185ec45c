"""Whether the cores are undisturbed: who shares a machine halves the speed of a core for seconds.

In: nothing. Out: how many times slower than at its best a loop of plain Python is at the moment. A
figure is taken in a calm moment if one comes, and says how disturbed its own was.
"""

from __future__ import annotations

import math
import statistics
import time
from typing import TYPE_CHECKING

from benchmarks.metg import Unsteady

if TYPE_CHECKING:
    from collections.abc import Callable

ITERATIONS = 20_000
"""Of the loop: about a millisecond, well below a time slice."""
LOOPS = 9
"""Loops of a look: their median is what a measure would meet."""
CALM = 1.2
"""Times slower than at best, up to which a moment is calm: the same loop varies by a tenth."""
PATIENCE = 4.0
"""Seconds to wait for a calm moment: disturbances last from tenths of a second to many."""
TRIES = 3
"""Figures that are taken, at most, until one was not disturbed."""


class Cores:
    """Knows the best time of the loop so far; asks how disturbed the cores are now."""

    def __init__(self, loop: Callable[[], float] | None = None) -> None:
        self._loop = loop or plain_loop
        self._best = math.inf

    def disturbance(self) -> float:
        """Return how many times slower than at its best the loop is now, about 1 if undisturbed."""
        times = [self._loop() for _ in range(LOOPS)]
        self._best = min(self._best, *times)
        return statistics.median(times) / self._best

    def wait(self, patience: float = PATIENCE) -> float:
        """Wait a while for a calm moment; return the disturbance at the end."""
        end = time.perf_counter() + patience
        found = self.disturbance()
        while found > CALM and time.perf_counter() < end:
            time.sleep(0.05)  # the machine's other users are not kept busy by who waits for them
            found = self.disturbance()
        return found

    def undisturbed(self, measure: Callable[[], float]) -> tuple[float, float]:
        """Measure until the cores were calm before and after; return figure and disturbance.

        After a few tries it is the one that was disturbed least. A try that gives no figure is the
        last; raises Unsteady where it was the first.
        """
        found: list[tuple[float, float]] = []
        for _ in range(TRIES):
            before = self.wait()
            try:
                figure = measure()
            except Unsteady:
                if not found:
                    raise
                break
            found.append((max(before, self.disturbance()), figure))
            if found[-1][0] <= CALM:
                break
        disturbance, figure = min(found)
        return figure, disturbance


def plain_loop() -> float:
    """Return the seconds of a loop of plain Python."""
    start, total = time.perf_counter(), 0
    for number in range(ITERATIONS):
        total += number * number
    return time.perf_counter() - start
