"""`concurrent.futures.ThreadPoolExecutor`: nothing is copied, Python takes turns."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

from benchmarks.kernels import total
from benchmarks.peers.futures import Futures


class Threads(Futures):
    """A thread pool; it has no batching of its own."""

    executor = ThreadPoolExecutor

    def start(self):
        self.pool = ThreadPoolExecutor(self.workers)

    def map(self, function, items):
        return list(self.pool.map(function, items))

    def stencil(self, function, row, steps, work):
        for _ in range(steps):
            left, right = row[-1:] + row[:-1], row[1:] + row[:1]
            row = list(self.pool.map(function, left, row, right, repeat(work)))
        return row

    def pattern(self, function, row, wiring, work):
        for step in wiring:
            columns = zip(*([row[i] for i in places] for places in step), strict=True)
            row = list(self.pool.map(function, repeat(work), *columns))
        return row

    def broadcast(self, array, tasks):
        return list(self.pool.map(total, repeat(array), range(tasks)))

    def roundtrip(self, function, arrays):
        return self.loop(function, arrays)
