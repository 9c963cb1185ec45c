"""Random programs of several threads that share clients, and handles among each other.

A value is known beforehand: each handle goes with what plain Python makes of the same arguments.
What a thread does is drawn from its seed alone; how threads take turns is up to the machine.
"""

from __future__ import annotations

import asyncio
import random
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

from pymonik import Pymonik, ResultHandle, Task, as_completed, task
from pymonik.errors import Cancelled

from .programs import add, identity, inc, square, total
from .seams import PATIENCE, Other

LARGE = 3 * 64 * 1024  # bytes: more than a pack holds, so that it lies apart


@task
def fan(n: int) -> Any:
    """Make calls of its own; their values are its value."""
    return total.invoke([square.invoke(i) for i in range(n)])


@task
def tail(x: int) -> Any:
    return inc.invoke(x, delegate=True)


@task
def large(x: int) -> bytes:
    return bytes([x % 256]) * LARGE


def _twice(x: int) -> int:
    return 2 * x


pure_twice = Task(_twice, func_name="pure_twice", pure=True)
cached_twice = Task(_twice, func_name="cached_twice", pure=True, cache=True)


class CacheLookup(NamedTuple):
    """A handle, or several, and the value, or values."""

    handle: Any
    value: Any


@contextmanager
def restless() -> Iterator[None]:
    """Let threads change places all the time."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)


def run(clients: Sequence[Pymonik], seed: int, steps: int) -> None:
    """Run the program of a seed; raises where a value is not what it should be.

    Each thread uses all clients, and shares the handles of each with the others.
    """
    threads = random.Random(seed).randint(2, 8)
    shared: list[list[CacheLookup]] = [[] for _ in clients]

    def work(number: int) -> None:
        dice = random.Random(f"{seed} {number}")
        workers = [Worker(client, dice, known) for client, known in zip(clients, shared)]
        for _ in range(steps):
            dice.choice(workers).step()
        for worker in workers:
            worker.check()

    with restless():
        others = [Other(partial(work, number)) for number in range(threads)]
        for other in others:
            other.value()
    for known in shared:
        for one in known:
            check(one)


def check(known: CacheLookup) -> None:
    found = known.handle.get(timeout=PATIENCE)
    assert found == known.value, f"{found!r:.200}, not {known.value!r:.200}"


class Worker:
    """What one thread does with one client; some of its handles it hands to the others."""

    def __init__(self, client: Pymonik, dice: random.Random, shared: list[CacheLookup]) -> None:
        self.client = client
        self.dice = dice
        self.shared = shared
        self.own: list[CacheLookup] = []
        self.maps: list[CacheLookup] = []
        self.told: list[tuple[threading.Event, list[CacheLookup]]] = []

    def step(self) -> None:
        self.dice.choices(STEPS, WEIGHTS)[0](self)

    def check(self) -> None:
        for ended, recorded in self.told:
            assert ended.wait(PATIENCE), "a callback was not called"
            self.own += recorded
        for known in (*self.own, *self.maps):
            check(known)

    # ----- what calls take

    def number(self) -> CacheLookup:
        """Return a value, mostly that of a call, which nobody may hold any more after its use."""
        at = self.dice.random()
        if at < 0.35 and self.own:
            return self.own.pop(self.dice.randrange(len(self.own)))
        if at < 0.55 and self.own:
            return self.dice.choice(self.own)
        if at < 0.75 and self.shared:
            try:
                return self.shared.pop()
            except IndexError:  # another thread was there first
                pass
        if at < 0.85 and self.maps:
            several = self.dice.choice(self.maps)
            index = self.dice.randrange(len(several.value))
            return CacheLookup(several.handle[index], several.value[index])
        constant = self.dice.randrange(10)
        if at < 0.9:
            return CacheLookup(self.client.put(constant), constant)
        return CacheLookup(constant, constant)

    def keep(self, handle: Any, value: Any) -> None:
        (self.shared if self.dice.random() < 0.3 else self.own).append(CacheLookup(handle, value))

    # ----- recording

    def call(self) -> None:
        a, b = self.number(), self.number()
        self.keep(add.invoke(a.handle, b.handle, pymonik=self.client), a.value + b.value)

    def chain(self) -> None:
        a = self.number()
        handle = inc.invoke(inc.invoke(a.handle, pymonik=self.client), pymonik=self.client)
        self.keep(handle, a.value + 2)

    def pure(self) -> None:
        a = self.number()
        one = self.dice.choice((pure_twice, cached_twice))
        self.keep(one.invoke(a.handle, pymonik=self.client), 2 * a.value)

    def nested(self) -> None:
        some = [self.number() for _ in range(3)]
        handle = identity.invoke({"in": [s.handle for s in some]}, pymonik=self.client)
        self.keep(total.invoke(handle["in"], pymonik=self.client), sum(s.value for s in some))

    def gather(self) -> None:
        some = [self.number() for _ in range(self.dice.randint(1, 4))]
        handle = total.invoke([s.handle for s in some], pymonik=self.client)
        self.keep(handle, sum(s.value for s in some))

    def map(self) -> None:
        some = [self.number() for _ in range(self.dice.randint(1, 6))]
        handles = square.map_invoke((s.handle for s in some), pymonik=self.client)
        self.maps.append(CacheLookup(handles, [s.value**2 for s in some]))

    def slice(self) -> None:
        if self.maps:
            several = self.maps.pop()
            step = self.dice.choice((1, 2, -1))
            handles = inc.map_invoke(several.handle[::step], pymonik=self.client)
            self.maps.append(CacheLookup(handles, [v + 1 for v in several.value[::step]]))

    def subtasks(self) -> None:
        n = self.dice.randrange(4)
        if n:
            self.keep(fan.invoke(n, pymonik=self.client), sum(i * i for i in range(n)))
        else:
            a = self.number()
            self.keep(tail.invoke(a.handle, pymonik=self.client), a.value + 1)

    def apart(self) -> None:
        n = self.dice.randrange(200)
        check(CacheLookup(large.invoke(n, pymonik=self.client), bytes([n]) * LARGE))

    # ----- the rest

    def drop(self) -> None:
        del self.own[: self.dice.randrange(len(self.own) + 1)]

    def name(self) -> None:
        a = self.number()
        name = f"n{id(self)}-{self.dice.randrange(10**9)}"
        if not isinstance(a.handle, ResultHandle):
            square.invoke(a.value, pymonik=self.client, pmk_name=name)
            a = CacheLookup(None, a.value**2)
        else:
            a.handle.named(name)
        handle = self.client.lookup(name)
        assert isinstance(handle, ResultHandle)
        self.keep(handle, a.value)

    def cancel(self) -> None:
        a = self.number()
        handle = inc.invoke(a.handle, pymonik=self.client)
        if self.dice.random() < 0.5:
            self.client.flush()
        stopped = handle.cancel()
        error = handle.exception(timeout=PATIENCE)
        # One that shares its unit with others is stopped when these are cancelled, too.
        assert isinstance(error, Cancelled) or (not stopped and handle.get() == a.value + 1)

    def get(self) -> None:
        if self.own:
            check(self.dice.choice(self.own))

    def get_map(self) -> None:
        if self.maps:
            check(self.maps.pop())

    def look(self) -> None:
        if self.own:
            self.dice.choice(self.own).handle.done()

    def in_turn(self) -> None:
        some = self.handles()
        values = {id(k.handle): k.value for k in some}
        seen = 0
        for handle in as_completed([k.handle for k in some], timeout=PATIENCE):
            assert handle.get() == values[id(handle)]
            seen += 1
        assert seen == len(some)

    def awaits(self) -> None:
        some = self.handles()

        async def all_of_them() -> list[Any]:
            return list(await asyncio.wait_for(_gathered(some), PATIENCE))

        assert asyncio.run(all_of_them()) == [k.value for k in some]

    def calls_back(self) -> None:
        """Let a callback record what uses the value."""
        ended = threading.Event()
        recorded: list[CacheLookup] = []
        a = self.number()
        handle = inc.invoke(a.handle, pymonik=self.client)

        def record(of: ResultHandle[int]) -> None:
            again = add.invoke(of, 1, pymonik=self.client)
            recorded.append(CacheLookup(again, a.value + 2))
            ended.set()

        handle.add_done_callback(record)
        self.told.append((ended, recorded))
        self.client.flush()

    def handles(self) -> list[CacheLookup]:
        some = [k for k in self.own if isinstance(k.handle, ResultHandle)]
        return self.dice.sample(some, min(len(some), 4))


async def _gathered(some: list[CacheLookup]) -> list[Any]:
    return list(await asyncio.gather(*(k.handle for k in some)))


WEIGHED: dict[Callable[[Worker], None], int] = {
    Worker.call: 8,
    Worker.chain: 4,
    Worker.pure: 3,
    Worker.nested: 2,
    Worker.gather: 3,
    Worker.map: 4,
    Worker.slice: 3,
    Worker.subtasks: 1,
    Worker.apart: 1,
    Worker.drop: 3,
    Worker.name: 2,
    Worker.cancel: 1,
    Worker.get: 4,
    Worker.get_map: 2,
    Worker.look: 1,
    Worker.in_turn: 1,
    Worker.awaits: 1,
    Worker.calls_back: 1,
}
STEPS, WEIGHTS = list(WEIGHED), list(WEIGHED.values())
