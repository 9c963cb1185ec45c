"""joblib with loky: it sizes its batches itself and maps large arrays from files by itself."""

from __future__ import annotations

from typing import ClassVar

from joblib import Parallel, delayed

from benchmarks.kernels import identity, total
from benchmarks.peers import Peer


class JoblibLoky(Peer):
    """`Parallel`, kept open; it has no handles, so no loop of single calls."""

    shorten: ClassVar = {"stencil": 10, "chain": 10}

    def start(self):
        self.parallel = Parallel(n_jobs=self.workers)
        self.parallel.__enter__()
        self.map(identity, range(self.workers))

    def stop(self):
        self.parallel.__exit__(None, None, None)

    def map(self, function, items):
        call = delayed(function)
        return self.parallel(call(item) for item in items)

    def chain(self, function, value, length):
        call = delayed(function)
        for _ in range(length):
            [value] = self.parallel([call(value)])
        return value

    def stencil(self, function, row, steps, work):
        call, width = delayed(function), len(row)
        for _ in range(steps):
            row = self.parallel(
                call(row[i - 1], row[i], row[(i + 1) % width], work) for i in range(width)
            )
        return row

    def broadcast(self, array, tasks):
        call = delayed(total)
        return self.parallel(call(array, offset) for offset in range(tasks))

    def roundtrip(self, function, arrays):
        return self.map(function, arrays)
