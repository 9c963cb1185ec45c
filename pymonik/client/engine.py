"""The engine of a client: its backend, and those that look on between the two.

Enters: what the client was made with. Leaves: a backend whose runs are recorded. Backends know
nothing of being watched, and those that watch know nothing of each other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pymonik.backend import Backend, open_backend

# What stands between the clients of this process and their engines: the command line looks on.
OBSERVERS: list[Callable[[Backend], Backend]] = []


def open_engine(name: str, workers: int | None, optimize: Any, **connection: Any) -> Backend:
    """Return a backend by its name, opened; what it runs is recorded for `pymonik runs`."""
    engine = open_backend(name, workers, optimize, **connection)
    if not engine.traits.carries_out:
        return engine
    from pymonik.runs.observe import watched

    observed = watched(engine)
    for observe in OBSERVERS:
        observed = observe(observed)
    return observed
