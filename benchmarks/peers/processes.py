"""`concurrent.futures.ProcessPoolExecutor`, in chunks; shared memory for what many tasks read."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from itertools import repeat
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory

from benchmarks.kernels import identity, shared_total
from benchmarks.peers import chunk_size
from benchmarks.peers.futures import Futures


@contextmanager
def shared(array):
    """Lend a copy of the array in shared memory, by name."""
    import numpy as np

    memory = SharedMemory(create=True, size=array.nbytes)
    try:
        np.ndarray(array.shape, array.dtype, memory.buf)[:] = array
        yield memory.name
    finally:
        memory.close()
        memory.unlink()


class Processes(Futures):
    """A process pool."""

    executor = ProcessPoolExecutor

    def start(self):
        resource_tracker.ensure_running()  # one tracker for all: started before the workers
        self.pool = ProcessPoolExecutor(self.workers)
        self.map(identity, range(self.workers))

    def map(self, function, items):
        chunk = chunk_size(len(items), self.workers)
        return list(self.pool.map(function, items, chunksize=chunk))

    def stencil(self, function, row, steps, work):
        chunk = -(-len(row) // self.workers)
        for _ in range(steps):
            left, right = row[-1:] + row[:-1], row[1:] + row[:1]
            row = list(self.pool.map(function, left, row, right, repeat(work), chunksize=chunk))
        return row

    def pattern(self, function, row, wiring, work):
        chunk = -(-len(row) // self.workers)
        for step in wiring:
            columns = zip(*([row[i] for i in places] for places in step), strict=True)
            row = list(self.pool.map(function, repeat(work), *columns, chunksize=chunk))
        return row

    def broadcast(self, array, tasks):
        with shared(array) as name:
            found = self.pool.map(shared_total, repeat(name), repeat(array.size), range(tasks))
            return list(found)

    def roundtrip(self, function, arrays):
        return self.loop(function, arrays)
