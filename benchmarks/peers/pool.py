"""Bare `multiprocessing.Pool`: the shortest way from a list to processes and back."""

from __future__ import annotations

from itertools import repeat
from multiprocessing import Pool, resource_tracker

from benchmarks.kernels import identity, shared_total
from benchmarks.peers import Peer, chunk_size
from benchmarks.peers.processes import shared


class BarePool(Peer):
    """A pool of processes fed in chunks."""

    def start(self):
        resource_tracker.ensure_running()  # one tracker for all: started before the workers
        self.pool = Pool(self.workers)
        self.map(identity, range(self.workers))

    def stop(self):
        self.pool.close()
        self.pool.join()

    def map(self, function, items):
        return self.pool.map(function, items, chunksize=chunk_size(len(items), self.workers))

    def loop(self, function, items):
        pending = [self.pool.apply_async(function, (item,)) for item in items]
        return [one.get() for one in pending]

    def chain(self, function, value, length):
        for _ in range(length):
            value = self.pool.apply(function, (value,))
        return value

    def stencil(self, function, row, steps, work):
        chunk = -(-len(row) // self.workers)
        for _ in range(steps):
            left, right = row[-1:] + row[:-1], row[1:] + row[:1]
            cells = zip(left, row, right, repeat(work), strict=False)
            row = self.pool.starmap(function, cells, chunksize=chunk)
        return row

    def broadcast(self, array, tasks):
        with shared(array) as name:
            calls = zip(repeat(name), repeat(array.size), range(tasks), strict=False)
            return self.pool.starmap(shared_total, calls, chunksize=1)

    def roundtrip(self, function, arrays):
        return self.pool.map(function, arrays, chunksize=1)
