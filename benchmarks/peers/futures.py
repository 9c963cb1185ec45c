"""What the executors of `concurrent.futures` have in common: one future for each call."""

from __future__ import annotations

from concurrent.futures import Executor

from benchmarks.peers import Peer


class Futures(Peer):
    """A pool of threads or processes; `executor` is its class."""

    executor: type[Executor]

    def stop(self):
        self.pool.shutdown()

    def loop(self, function, items):
        futures = [self.pool.submit(function, item) for item in items]
        return [future.result() for future in futures]

    def block(self, function, value):
        with self.executor(self.workers) as pool:
            return pool.submit(function, value).result()

    def unequal(self, function, seconds):
        return self.loop(function, seconds)

    def chain(self, function, value, length):
        for _ in range(length):
            value = self.pool.submit(function, value).result()
        return value
