"""Dask distributed, a local cluster of single-threaded worker processes.

Tiny calls are batched by hand and large arrays are scattered, as Dask's best practices say.
`gather` replaces asking each future, which would cost a round trip a call.
"""

from __future__ import annotations

from typing import ClassVar

import dask
from dask.distributed import Client

from benchmarks.kernels import batch, identity, total
from benchmarks.peers import Peer, chunk_size


class DaskCluster(Peer):
    """A client and its cluster; `dask.delayed` where calls are only recorded."""

    shorten: ClassVar = {"stencil": 10, "loop": 10, "record-call": 10, "memory-call": 10}

    def start(self):
        self.client = Client(
            n_workers=self.workers, threads_per_worker=1, processes=True, dashboard_address=None
        )
        self.map(identity, range(self.workers))

    def stop(self):
        self.client.close()

    def submit(self, function, *args):
        return self.client.submit(function, *args, pure=False)

    def map(self, function, items):
        size = chunk_size(len(items), self.workers)
        pieces = [items[at : at + size] for at in range(0, len(items), size)]
        done = self.client.gather([self.submit(batch, function, piece) for piece in pieces])
        return [value for piece in done for value in piece]

    def loop(self, function, items):
        return self.client.gather([self.submit(function, item) for item in items])

    def chain(self, function, value, length):
        for _ in range(length):
            value = self.submit(function, value)
        return value.result()

    def stencil(self, function, row, steps, work):
        width = len(row)
        for _ in range(steps):
            row = [
                self.submit(function, row[i - 1], row[i], row[(i + 1) % width], work)
                for i in range(width)
            ]
        return self.client.gather(row)

    def broadcast(self, array, tasks):
        there = self.client.scatter(array, direct=True, hash=False)
        return self.client.gather([self.submit(total, there, offset) for offset in range(tasks)])

    def roundtrip(self, function, arrays):
        there = self.client.scatter(arrays, direct=True, hash=False)
        return self.client.gather(self.client.map(function, there, pure=False), direct=True)

    def record_call(self, function, items):
        call = dask.delayed(function, pure=False)
        return [call(left, right) for left, right in items]
