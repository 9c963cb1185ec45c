"""The tasks that golden programs and laws call, and how a graph is recorded without sending it.

Pure ones may be shared and dropped: `root`, `scale`, `mean`. The others count as effects; `note`
has one that can be seen, a line in a ledger.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from pymonik import Pymonik, Task
from pymonik.backend.traits import TRAITS
from pymonik.graph.ir import Graph, taken
from pymonik.record.current import CURRENT

LEDGER: list[Any] = []


def root(x: Any) -> Any:
    return x * x % 101


def scale(x: Any, k: Any) -> Any:
    return x * k % 1009


def mean(xs: Any) -> Any:
    return sum(xs) // max(1, len(xs))


def inc(x: Any) -> Any:
    return x + 1


def add(a: Any, b: Any) -> Any:
    return a + b


def blend(a: Any, b: Any, c: Any) -> Any:
    return (a + 2 * b + 3 * c) % 1009


def total(xs: Any) -> Any:
    return sum(xs)


def note(line: Any, value: Any = 0) -> Any:
    # Functions of tests travel by value: the ledger that counts is the one of the module.
    from tests.graph.programs import LEDGER

    LEDGER.append(line)
    return value


PURE = {f.__name__: Task(f, pure=True) for f in (root, scale, mean)}
EFFECTFUL = {f.__name__: Task(f) for f in (inc, add, blend, total, note)}
TASKS: dict[str, Task[..., Any]] = {**PURE, **EFFECTFUL}


GRAIN = TRAITS["armonik"].grain


@contextmanager
def coarse() -> Iterator[None]:
    """Let the inline engine make blocks, as a cluster does."""
    known = TRAITS["inline"]
    TRAITS["inline"] = replace(known, grain=GRAIN)
    try:
        yield
    finally:
        TRAITS["inline"] = known


@contextmanager
def recording(slots: int = 2, **settings: Any) -> Iterator[Pymonik]:
    """Open a current client whose pending calls are thrown away in the end."""
    client = Pymonik(backend="inline", workers=slots, **settings)
    token = CURRENT.set(client)
    try:
        yield client
    finally:
        CURRENT.reset(token)
        client.pending.clear()
        client.cancel()


def recorded(client: Pymonik) -> Graph:
    """Give what is pending as a graph."""
    return taken(client.pending)
