"""Counts and times of programs, side by side, on one emulator for each side and latency.

Enters: names of programs and latencies. Leaves: a `Figure` for each program, side and latency.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.cluster.programs import PROGRAMS, Decorator
from pymonik.emulator import Emulator

ROOT = Path(__file__).parent.parent.parent


class Side(NamedTuple):
    """A way to run programs: its worker, its decorator and client, by the endpoint."""

    worker: list[str]
    decorator: Callable[[], Decorator]
    client: Callable[[str], AbstractContextManager[Any]]


@dataclass(frozen=True)
class Figure:
    """What a program took, from the opening of a session to its end; tasks: ArmoniK's."""

    program: str
    side: str
    latency_ms: float
    requests: int
    bytes: int
    tasks: int
    seconds: float


def _pymonik(endpoint: str) -> AbstractContextManager[Any]:
    from pymonik import Pymonik

    return Pymonik(endpoint)


def _eager(endpoint: str) -> AbstractContextManager[Any]:
    from benchmarks.cluster.eager import EagerClient

    return EagerClient(endpoint)


def _task() -> Decorator:
    from pymonik import task

    return task


def _eager_task() -> Decorator:
    from benchmarks.cluster.eager import EagerTask

    return EagerTask


SIDES = {
    "pymonik": Side([sys.executable, "-m", "pymonik.runtime.worker.server"], _task, _pymonik),
    "eager": Side([sys.executable, "-m", "benchmarks.cluster.worker"], _eager_task, _eager),
}


def measure(
    names: Sequence[str],
    latencies: Sequence[float],
    *,
    quick: bool = False,
    repeat: int = 1,
    workers: int = 2,
    overhead: float = 0.0,
    sides: Sequence[str] = tuple(SIDES),
    note: Callable[[str], object] = lambda text: None,
) -> Iterator[Figure]:
    """Run the programs; latencies, and overhead of a task, are in milliseconds."""
    environment = {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    for latency in latencies:
        for name in sides:
            side = SIDES[name]
            with Emulator(
                partitions={"pymonik": workers},
                worker=side.worker,
                latency=latency / 1000,
                task_overhead=overhead / 1000,
                environment=environment,
                max_errors=10_000,
            ) as emulator:
                _run(side, emulator, "map", 4 * workers)  # wakes the workers up
                for program in names:
                    note(f"{program} on {name}, {latency:g} ms")
                    size = PROGRAMS[program][3 if quick else 2]
                    runs = [_run(side, emulator, program, size) for _ in range(repeat)]
                    requests, size, tasks, _ = runs[0]
                    seconds = statistics.median(run[3] for run in runs)
                    yield Figure(program, name, latency, requests, size, tasks, seconds)


def _run(side: Side, emulator: Emulator, name: str, size: int) -> tuple[int, int, int, float]:
    program, decorator = PROGRAMS[name][1], side.decorator()
    emulator.counters.reset()
    start = time.perf_counter()
    with side.client(emulator.endpoint):
        program(decorator, size)
    seconds = time.perf_counter() - start
    total = emulator.counters.total
    tasks = emulator.counters["Worker.Process"].requests
    return total.requests, total.request_bytes + total.response_bytes, tasks, seconds
