"""PymoniK on its local backend, called as the user's guide calls it."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from itertools import pairwise
from time import perf_counter

from benchmarks.kernels import identity, total
from benchmarks.peers import Peer
from pymonik import Pymonik, task


class Discard(Exception):
    """Leaves a client's block so that nothing recorded in it is sent."""


@task
def plus(left, right):
    """Add two numbers."""
    return left + right


@task
def fibonacci(number):
    """Be a tree of tasks that do next to nothing."""
    if number < 2:
        return number
    return plus.invoke(fibonacci.invoke(number - 1), fibonacci.invoke(number - 2), delegate=True)


class PymonikLocal(Peer):
    """One client, kept open; a second one for calls that are only recorded."""

    def start(self):
        self.task = cache(task)
        self.stack = ExitStack()
        self.client = self.stack.enter_context(Pymonik(backend="local", workers=self.workers))
        self.map(identity, range(self.workers))

    def stop(self):
        self.stack.close()

    def map(self, function, items):
        return self.task(function).map_invoke(items).get()

    def loop(self, function, items):
        call = self.task(function)
        handles = [call.invoke(item) for item in items]
        return [handle.get() for handle in handles]

    def block(self, function, value):
        with Pymonik(backend="local", workers=self.workers) as client:
            return self.task(function).invoke(value, pymonik=client).get()

    def unequal(self, function, seconds):
        call = self.task(function)
        handles = [call.invoke(value, pmk_cost=value) for value in seconds]
        return [handle.get() for handle in handles]

    def chain(self, function, value, length):
        call = self.task(function)
        for _ in range(length):
            value = call.invoke(value)
        return value.get()

    def chain_parts(self, function, value, length):
        call, times = self.task(function), [perf_counter()]
        for _ in range(length):
            value = call.invoke(value)
        times.append(perf_counter())
        self.client.flush()
        times.append(perf_counter())
        found = value.get()
        times.append(perf_counter())
        return found, [after - before for before, after in pairwise(times)]

    def stencil(self, function, row, steps, work):
        call, width = self.task(function), len(row)
        for _ in range(steps):
            row = [
                call.invoke(row[i - 1], row[i], row[(i + 1) % width], work) for i in range(width)
            ]
        return [handle.get() for handle in row]

    def pattern(self, function, row, wiring, work):
        call = self.task(function)
        for step in wiring:
            row = [call.invoke(work, *(row[i] for i in places)) for places in step]
        return [handle.get() for handle in row]

    def subtasks(self, depth):
        return fibonacci.invoke(depth).get()

    def broadcast(self, array, tasks):
        return self.task(total).map_invoke([(array, offset) for offset in range(tasks)]).get()

    def broadcast_put(self, array, tasks):
        return self.broadcast(self.client.put(array), tasks)

    def broadcast_loop(self, array, tasks):
        call = self.task(total)
        handles = [call.invoke(array, offset) for offset in range(tasks)]
        return [handle.get() for handle in handles]

    def share(self, function, array, tasks):
        call = self.task(function)
        handles = [call.invoke(array, number) for number in range(tasks)]
        return [handle.get() for handle in handles]

    def roundtrip(self, function, arrays):
        return self.loop(function, arrays)

    @contextmanager
    def scratch(self):
        with suppress(Discard), Pymonik(backend="local", workers=self.workers) as client:
            yield client
            raise Discard

    def record_call(self, function, items):
        call = self.task(function)
        return [call.invoke(left, right) for left, right in items]

    def record_handles(self, function, size):
        call = self.task(function)
        left, here, right = (call.invoke(n, n, n) for n in range(3))
        recorded = []
        for _ in range(size):
            left, here, right = here, right, call.invoke(left, here, right)
            recorded.append(right)
        return recorded

    def record_map(self, function, items):
        return self.task(function).map_invoke(items)

    def compile(self, scratch, recorded):
        scratch.plan()
        return len(recorded)
