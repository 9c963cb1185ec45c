"""The measures: a peer and a size in, a figure out.

Values are checked outside the clock; `WrongValue` is raised if they are not right. Arrays are new
at each measure, so that no peer gains from having seen them.
"""

from __future__ import annotations

import gc
import math
import statistics
import time
import tracemalloc
from contextlib import contextmanager
from functools import partial
from itertools import count
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any

from benchmarks import metg, patterns
from benchmarks.footprint import Footprint
from benchmarks.kernels import (
    add,
    bytes_of,
    cell,
    identity,
    increment,
    joined,
    load_library,
    mix,
    nap,
    plus_one,
)
from benchmarks.peers import Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np

    from benchmarks.peers import Peer

TASKS = 50
SHARERS = 200
WIDTH = 8
LIBRARY = "numpy"
METG_SECONDS = 45.0
"""How long a search may take: 5 s are usual, more means that others use the cores."""
LEAST_STEPS = 10
"""Shorter graphs, of quick runs, are never half efficient: granularity without work, unsearched."""
_fresh_number = count(1)


class WrongValue(Exception):
    """A peer computed something else than a plain loop does."""


def clock(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds a call takes, and its value; garbage of others is collected before."""
    gc.collect()
    start = time.perf_counter()
    value = call()
    return time.perf_counter() - start, value


def expect(found: Any, wanted: Any) -> None:
    """Raise unless a peer found what is wanted."""
    if found != wanted:
        raise WrongValue(f"wanted {str(wanted)[:80]}, found {str(found)[:80]}")


def new_array(size: int) -> np.ndarray:
    """Make an array of doubles that no measure has seen before."""
    import numpy as np

    return np.arange(size, dtype=np.float64) + next(_fresh_number)


def pairs(size: int) -> list[tuple[int, int]]:
    """Make the arguments of `size` additions."""
    return [(number, 2) for number in range(size)]


def map_rate(peer: Peer, size: int) -> float:
    """Return calls a second of one map that does nothing."""
    items = list(range(size))
    seconds, values = clock(lambda: peer.map(identity, items))
    expect(values, items)
    return size / seconds


def loop_rate(peer: Peer, size: int) -> float:
    """Return calls a second of single calls and single gets."""
    items = list(range(size))
    seconds, values = clock(lambda: peer.loop(identity, items))
    expect(values, items)
    return size / seconds


def single_cost(peer: Peer, size: int) -> float:
    """Return the median microseconds of a call and its value, one after the other."""
    peer.loop(identity, [0])
    figures = []
    for number in range(size):
        start = time.perf_counter()
        found = peer.loop(identity, [number])
        figures.append(time.perf_counter() - start)
        expect(found, [number])
    return statistics.median(figures) * 1e6


def second_block(peer: Peer, _: int) -> float:
    """Return the milliseconds of a block that follows one which has loaded a library."""
    peer.block(load_library, LIBRARY)
    seconds, value = clock(lambda: peer.block(load_library, LIBRARY))
    expect(value, LIBRARY)
    return seconds * 1e3


def unequal_time(peer: Peer, shorts: int) -> float:
    """Return seconds, in multiples of the bound, of short calls and a long one behind them."""
    each = [0.1] * shorts + [0.05 * shorts]
    bound = max(sum(each) / peer.workers, each[-1])
    seconds, values = clock(lambda: peer.unequal(nap, each))
    expect(values, each)
    return seconds / bound


def chain_cost(peer: Peer, size: int) -> float:
    """Return microseconds a link."""
    seconds, value = clock(lambda: peer.chain(increment, 0, size))
    expect(value, size)
    return seconds / size * 1e6


def chain_part(part: int) -> Callable[[Peer, int], float]:
    """Return a measure of the microseconds a link that one part of a chain's way takes."""

    def measure(peer: Peer, size: int) -> float:
        gc.collect()
        value, seconds = peer.chain_parts(increment, 0, size)
        expect(value, size)
        return seconds[part] / size * 1e6

    return measure


def stencil_metg(peer: Peer, steps: int) -> float:
    """Return METG(50 %) in microseconds of a stencil `WIDTH` by `steps`."""
    first = list(range(WIDTH))
    last = first
    for _ in range(steps):
        last = [mix(last[i - 1], last[i], last[(i + 1) % WIDTH]) for i in range(WIDTH)]
    return _metg(peer, lambda work: peer.stencil(cell, first, steps, work), last, steps)


def pattern_metg(pattern: str) -> Callable[[Peer, int], float]:
    """Return a measure of METG(50 %) in microseconds of a pattern, `WIDTH` by so many steps."""

    def measure(peer: Peer, steps: int) -> float:
        first, wiring = list(range(WIDTH)), patterns.wiring(pattern, WIDTH, steps)
        last = first
        for step in wiring:
            last = [joined(1, *(last[place] for place in places)) for places in step]
        return _metg(peer, lambda work: peer.pattern(joined, first, wiring, work), last, steps)

    return measure


def _metg(peer: Peer, call: Callable[[int], list[int]], wanted: list[int], steps: int) -> float:
    """Search the granularity of a graph, `WIDTH` by `steps`, that is called with work a task."""

    def run(work: int) -> float:
        seconds, row = clock(lambda: call(work))
        expect(row, wanted)
        return seconds

    kernel = metg.Kernel.calibrate()
    end = time.perf_counter() + METG_SECONDS

    def sample(work: int) -> metg.Sample:
        if time.perf_counter() > end:
            raise metg.Unsteady(f"no end of the search in {METG_SECONDS:g} s")
        return metg.measure(run, work, WIDTH * steps, peer.workers)

    if steps < LEAST_STEPS:
        return sample(1).granularity * 1e6
    return metg.search(sample, kernel) * 1e6


def subtask_cost(peer: Peer, depth: int) -> float:
    """Return microseconds a task of a tree that makes its tasks as it goes."""
    seconds, value = clock(lambda: peer.subtasks(depth))
    before, number = 0, 1
    for _ in range(depth):
        before, number = number, before + number
    expect(value, before)
    return seconds / (3 * number - 2) * 1e6


def broadcast_time(way: str) -> Callable[[Peer, int], float]:
    """Return a measure of the seconds to give one array to `TASKS` tasks in this way."""

    def measure(peer: Peer, size: int) -> float:
        array = new_array(size)
        wanted = [float(array.sum()) + offset for offset in range(TASKS)]
        seconds, values = clock(lambda: getattr(peer, way)(array, TASKS))
        expect(values, wanted)
        return seconds

    return measure


def broadcast_copies(peer: Peer, size: int) -> float:
    """Return how many copies of the array a broadcast needs at its peak, beside the user's own."""
    array = new_array(size)
    with Footprint() as footprint:
        peer.broadcast(array, TASKS)
    return footprint.growth / array.nbytes


def comparisons(peer: Peer, size: int) -> float:
    """Return the seconds of `TASKS` comparisons of such an array with a copy, at memory speed.

    A figure of the machine, which a budget stands on; it is taken once, in PymoniK's turn.
    """
    if peer.name != "pymonik":
        raise Unsupported
    mine = new_array(size).tobytes()
    other = bytes(bytearray(mine))
    seconds, equal = clock(lambda: all(mine == other for _ in range(TASKS)))
    expect(equal, True)
    return seconds


def kind_cost(kind: str) -> Callable[[Peer, int], float]:
    """Return a measure of how many times longer an array of a kind takes than a plain one."""

    def measure(peer: Peer, size: int) -> float:
        plain = new_array(size)
        with of_kind(kind, plain) as array:
            best = {id(one): math.inf for one in (plain, array)}
            for _ in range(3):  # in turn, so that both see the same machine
                for one in (plain, array):
                    seconds, values = clock(partial(peer.share, bytes_of, one, SHARERS))
                    expect(values, [one.nbytes + number for number in range(SHARERS)])
                    best[id(one)] = min(best[id(one)], seconds)
            return best[id(array)] / best[id(plain)]

    return measure


@contextmanager
def of_kind(kind: str, plain: np.ndarray) -> Iterator[np.ndarray]:
    """Lend an array of a kind that has the numbers of a plain one."""
    import numpy as np

    if kind != "memmap":
        makers = {
            "masked": lambda: np.ma.masked_array(plain, plain < 10),
            "record": lambda: plain.astype([("x", np.float64)]).view(np.recarray),
            "matrix": lambda: np.asmatrix(plain),
        }
        yield makers[kind]()
        return
    with NamedTemporaryFile() as file:
        plain.tofile(file.name)
        yield np.memmap(file.name, np.float64, "r")


def roundtrip_rate(peer: Peer, size: int) -> float:
    """Return megabytes a second, in and out added up."""
    arrays = [new_array(size) for _ in range(TASKS)]
    seconds, values = clock(lambda: peer.roundtrip(plus_one, arrays))
    expect([bool((a + 1 == b).all()) for a, b in zip(arrays, values, strict=True)], [True] * TASKS)
    return 2 * sum(array.nbytes for array in arrays) / 1e6 / seconds


def record_cost(kind: str) -> Callable[[Peer, int], float]:
    """Return a measure of the microseconds a recorded call or element takes."""

    def measure(peer: Peer, size: int) -> float:
        items = pairs(size)
        with peer.scratch():
            seconds, recorded = clock(lambda: getattr(peer, f"record_{kind}")(add, items))
            expect(len(recorded), size)
        return seconds / size * 1e6

    return measure


def record_handles(peer: Peer, size: int) -> float:
    """Return the microseconds to record a call that takes three others."""
    with peer.scratch():
        seconds, recorded = clock(lambda: peer.record_handles(mix, size))
        expect(len(recorded), size)
    return seconds / size * 1e6


def record_memory(kind: str) -> Callable[[Peer, int], float]:
    """Return a measure of the bytes a recorded call or element keeps, its handle included."""

    def measure(peer: Peer, size: int) -> float:
        items = pairs(size)
        with peer.scratch():
            gc.collect()
            tracemalloc.start()
            try:
                recorded = getattr(peer, f"record_{kind}")(add, items)
                kept, _peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            expect(len(recorded), size)
        return kept / size

    return measure


def compile_cost(kind: str) -> Callable[[Peer, int], float]:
    """Return a measure of the microseconds that passes and lowering take a call or element."""

    def measure(peer: Peer, size: int) -> float:
        with peer.scratch() as scratch:
            recorded = getattr(peer, f"record_{kind}")(add, pairs(size))
            seconds, calls = clock(lambda: peer.compile(scratch, recorded))
            expect(calls, size)
        return seconds / size * 1e6

    return measure
