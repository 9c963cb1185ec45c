"""The engine of a client: its backend, and those that look on between the two.

Enters: what the client was made with. Leaves: a backend whose runs are recorded, opened when it is
first needed. Backends know nothing of being watched, and those that watch know nothing of each
other.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any

from pymonik.backend import Backend, open_backend
from pymonik.backend.traits import TRAITS, Traits
from pymonik.client.client_settings import ClientSettings
from pymonik.errors import BackendError
from pymonik.system.deferred_signals import Loading
from pymonik.system.surroundings import SurroundingsWatch
from pymonik.system.waits import yielding_lock

logger = logging.getLogger("pymonik")

# What stands between the clients of this process and their engines: the command line looks on.
OBSERVERS: list[Callable[[Backend], Backend]] = []


def open_engine(
    name: str, settings: ClientSettings, surroundings: SurroundingsWatch | None
) -> Backend:
    """Return a backend by its name, opened; what it runs is recorded for `pymonik runs`."""
    engine = open_backend(
        name,
        settings.workers,
        _optimize(settings.optimize),
        surroundings=surroundings,
        endpoint=settings.endpoint,
        partitions=settings.partitions,
        detach=settings.detach,
        session_id=settings.joined,
        forward_logs=settings.forward_logs,
        **settings.certificates,
    )
    if not engine.traits.carries_out:
        return engine
    with Loading():
        from pymonik.runs.observe import watched
    observed = watched(engine, is_guest=settings.joined is not None)
    for observe in OBSERVERS:
        observed = observe(observed)
    if observed.traits.greeting:
        logger.info(observed.traits.greeting, observed.traits.slots)
    return observed


def _optimize(given: Any) -> Any:
    """Return the passes of an engine. With observers, calls that tasks make are units of their own.

    Those run in place, and unseen, where everything is to be optimized; not where passes are named.
    """
    if given is not True or not OBSERVERS:
        return given
    from pymonik.graph.passes import PASSES  # not for `import pymonik`

    return tuple(PASSES)


class LazyBackend:
    """The backend of a client, which `open_backend(name)` makes when it is first needed.

    `opening` is held while it is opened, by one thread of those that need it. `backend` is None
    before, and stays when the client is closed. A fork of the process has none of its own.
    """

    def __init__(self, name: str, open_backend: Callable[[str], Backend]) -> None:
        self.name = name
        self.backend: Backend | None = None
        # The third in the order of `state`.
        self.opening = yielding_lock()
        self._open_backend = open_backend
        self._process = os.getpid()

    @property
    def traits(self) -> Traits:
        """What the backend does differently, also before it is opened."""
        return TRAITS[self.name]

    @property
    def is_of_this_process(self) -> bool:
        """Whether this process opened it, or may still: not one that was forked later."""
        return self._process == os.getpid()

    def check_environment(self, environment: Any) -> None:
        """Refuse an environment that calls cannot have where they will run."""
        if self.traits.is_here:
            from pymonik.environment.value import demand_python, demand_satisfied

            demand = demand_satisfied if self.traits.shares_process else demand_python
            demand(environment)

    def open(self) -> None:
        """Open the backend, unless it was opened."""
        with self.opening:
            # Asked again with the lock: another thread may have opened it while this one waited.
            if self.backend is None:
                self._process = os.getpid()
                backend = self._open_backend(self.name)
                if self.backend is None:
                    self.backend = backend
                else:  # a finalizer of the user's, amid this, has opened one, and may have used it
                    backend.close()

    def opened(self) -> Backend:
        """Return the backend, opened. Raises BackendError in a fork of the process."""
        if self.backend is None:
            self.open()
        assert self.backend is not None
        # Asked at each use: code of C may fork, too, and calls no hook of Python.
        if self._process != os.getpid():
            raise BackendError(
                f"this client was opened by process {self._process}, from which this process was "
                "forked; a fork has no copy of its threads and connections: create a client here"
            )
        return self.backend

    def check_process(self) -> None:
        """Raise BackendError in a fork of the process, for what could wait to be sent there."""
        if self.backend is not None:
            self.opened()

    async def beside(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run what may take long beside the event loop: here where calls run in this thread."""
        import asyncio

        if self.traits.shares_process:
            return function(*args)
        # In the loop's own pool: a thread that is not waited for any more goes on all the same.
        return await asyncio.to_thread(function, *args)

    def check_unopened(self) -> None:
        """Refuse to be changed once the backend is there."""
        if self.backend is not None:
            raise BackendError("this client is connected already: make another one")
