"""How a client is put together: each part is given what it needs, and knows nothing of the rest.

    recorder ─────> compiler ──> submitter ──> the backend
        ^           (names, known values)        │ fills outputs
        │                                        v
    handles ──> waiter, async_waiter <── arrivals, notifier

Enters: settings. Leaves: the parts. The order in which they are made is the order in which they
depend on each other: there is no circle, but for captures that are flushed by the submitter. None
holds the client: handles do, and when the last one is gone, it is collected and ends its session.
What all share is in `state`, with the locks and their order.
"""

from __future__ import annotations

import atexit
from collections.abc import Callable
from typing import Any

from pymonik import backend as backends
from pymonik.backend import Backend
from pymonik.client.arrivals import ArrivalWait
from pymonik.client.async_waiter import AsyncWaiter
from pymonik.client.cached_values import CachedValues
from pymonik.client.cancel import Canceller
from pymonik.client.client_settings import ClientSettings
from pymonik.client.compiler import Compiler
from pymonik.client.engine import LazyBackend, open_engine
from pymonik.client.handled import Handled
from pymonik.client.lifetime import Lifetime
from pymonik.client.locator import Locator
from pymonik.client.lookup import HandleViews
from pymonik.client.names import Names
from pymonik.client.notifier import Notifier
from pymonik.client.state import ClientState
from pymonik.client.stored_values import StoredValues
from pymonik.client.submitter import Submitter
from pymonik.client.waiter import Waiter
from pymonik.record.arguments import Arguments
from pymonik.record.recorder import Recorder
from pymonik.record.specs import CallSpecs
from pymonik.system.code_bundle import renew_bundle
from pymonik.system.surroundings import SurroundingsWatch
from pymonik.values.seeds import root_seed_of

# At the end of programs with a client, which load most; executors may be ended at any time.
atexit.register(renew_bundle)


class ClientParts:
    """The parts of one client.

    scope: gives the client, as long as somebody has it. surroundings: that it was made in.
    """

    def __init__(
        self,
        settings: ClientSettings,
        scope: Callable[[], Any],
        surroundings: SurroundingsWatch | None,
    ) -> None:
        self._settings, self._surroundings = settings, surroundings
        self.state = state = ClientState()
        self.engine = engine = LazyBackend(settings.backend_name, self._open)
        self.recorder = recorder = self._new_recorder()
        self.names = names = Names(recorder.names, engine.opened)
        cached, on_progress = CachedValues(recorder.specs, engine), settings.on_progress
        handled = Handled(engine)
        self.compiler = compiler = Compiler(recorder, engine, settings, names, cached)
        self.arrivals = arrivals = ArrivalWait(state, engine, on_progress, cached.keep_later)
        self.notifier = notifier = Notifier(state, engine, arrivals)
        self.submitter = submitter = Submitter(
            state, recorder, compiler, engine, names, cached, on_progress, notifier.flushed
        )
        locator = Locator(state, recorder.pending, engine, submitter.flush)
        self.waiter = waiter = Waiter(engine, locator, arrivals, handled)
        self.async_waiter = AsyncWaiter(
            engine, recorder.pending, submitter.flush, locator, notifier, waiter
        )
        self.canceller = Canceller(state, recorder, engine, notifier.watch_sent)
        self.stored = StoredValues(state, recorder.arguments, engine, locator)
        self.views = HandleViews(state)
        self.lifetime = Lifetime(
            scope, state, settings, recorder, submitter, engine, arrivals, notifier, handled, cached
        )

    def _new_recorder(self) -> Recorder:
        settings, state = self._settings, self.state
        arguments = Arguments(state, lambda: self.submitter.flush_captures())
        specs = CallSpecs(
            arguments.interner,
            settings.options,
            settings.environment,
            self.engine.check_environment,
            self._surroundings,
            root_seed_of(settings.seed),
        )
        return Recorder(state, arguments, specs, naming=lambda: state.lock)

    def choose_endpoint(self, endpoint: str | None) -> None:
        """Take another endpoint, as long as the backend was not opened. Raises BackendError."""
        self.engine.check_unopened()
        self._settings.endpoint = backends.endpoint(endpoint)
        self.engine.name = self._settings.backend_name

    @property
    def is_opened(self) -> bool:
        """Whether the backend was opened, or no call is taken any more."""
        return self.engine.backend is not None or self.state.is_closed

    def open(self) -> None:
        """Open the backend."""
        self.state.check_open()
        self.engine.open()

    def _open(self, name: str) -> Backend:
        """Open a backend, for `LazyBackend`."""
        self.state.check_open()
        backend = open_engine(name, self._settings, self._surroundings)
        self.lifetime.begin()
        return backend
