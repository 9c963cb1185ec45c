"""Submitting: what is pending becomes one plan, which a backend carries out.

Enters: what was recorded, at the first need of a value. Leaves: one plan a flush, in the hands of a
backend, and the locations of its values. What a plan is made of is the business of `compiler`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import TYPE_CHECKING, Any

from pymonik.backend.bringing import demand_answers
from pymonik.capture.changes.held_bytes import begin_epoch
from pymonik.client.cached_values import CachedValues
from pymonik.client.compiler import Compiler
from pymonik.client.engine import LazyBackend
from pymonik.client.names import Names
from pymonik.client.progress import Progress, is_watched, watching
from pymonik.client.state import ClientState
from pymonik.errors import NoClientError
from pymonik.graph.ir import Call
from pymonik.record.recorder import Recorder
from pymonik.settings import settings as limits
from pymonik.system.deferred_signals import DeferredSignals
from pymonik.system.garbage import watch_collections
from pymonik.system.structs import Struct
from pymonik.values.outcome import Failure
from pymonik.values.outputs import call_back

if TYPE_CHECKING:
    from pymonik.backend import Backend
    from pymonik.client.plan_view import PlanView
    from pymonik.plan.plan import Plan

logger = logging.getLogger("pymonik")

# A machine with more cores than that starts the rest of its executors a little later.
_AT_ONCE = 64
_NOTHING: AbstractContextManager[None] = nullcontext()


class Stats(Struct, frozen=False):
    """What a client has done so far: sums over its submissions."""

    submissions: int = 0
    calls: int = 0
    units: int = 0
    reused: int = 0


class Submitter:
    """Sends what is pending, one thread at a time.

    flushed: looks at waits for calls that were sent meanwhile; called without the lock
    of the flush, after each.
    """

    def __init__(
        self,
        state: ClientState,
        recorder: Recorder,
        compiler: Compiler,
        engine: LazyBackend,
        names: Names,
        cached_values: CachedValues,
        on_progress: Callable[[Progress], object] | None,
        flushed: Callable[[], None],
    ) -> None:
        self.stats = Stats()
        self._state = state
        self._recorder = recorder
        self._compiler = compiler
        self._engine = engine
        self._names = names
        self._cached_values = cached_values
        self._on_progress = on_progress
        self._flushed = flushed
        watch_collections()

    def plan(self) -> PlanView:
        """Compile what is pending and return the plan, without sending it."""
        from pymonik.client.plan_view import PlanView

        self._state.check_open()
        with self._state.lock, self._state.compiling():
            return PlanView.of(self._compiler.compile(self._recorder.graph(self.take())))

    def flush(self) -> None:
        """Compile what is pending and send it, without waiting.

        Other threads record meanwhile: their calls go with the next flush. What they use of this
        one is wanted, since their arguments hold the liveness (see `graph.columns`).
        """
        if not self._recorder.pending and not self._names.are_late():
            return
        traits = self._engine.traits
        if traits.is_remote:
            demand_answers()
        try:
            # The local engine accepts a plan at once: a progress bar for the submission would never
            # be seen.
            if traits.is_remote or traits.shares_process or self._on_progress is not None:
                # The callback of the progress may use the client: it is waited for without the
                # lock.
                with self._around() as around, traits.turn, self._state.lock:
                    self._flush(around)
            else:
                with self._state.lock:
                    self._flush(None)
        finally:  # also of what could not be sent: it has ended, too
            try:
                self._flushed()
            finally:
                try:
                    begin_epoch()  # behind it: inline, calls have looked meanwhile
                finally:
                    try:
                        self._wake_waits()
                    except BaseException:  # raised by a handler, as that of Ctrl-C
                        self._wake_waits()
                        raise

    def flush_captures(self) -> None:
        """Send what is pending: the values captured for it exist twice until then."""
        logger.info(
            "sending pending calls, since more than %d bytes of captured values are waiting",
            limits().capture_limit,
        )
        self._recorder.arguments.interner.new_bytes = 0
        self.flush()

    def take(self) -> list[Any]:
        """Return what is pending at one moment."""
        return self._recorder.pending[:]

    def _around(self) -> AbstractContextManager[ExitStack | None]:
        """Return what holds those that look on until a flush is over: nothing where nobody does."""
        return ExitStack() if is_watched(self._on_progress) else _NOTHING

    def _flush(self, around: ExitStack | None) -> None:
        # From now on calls look again at what functions see: all before it is of one moment.
        self._recorder.specs.begin_moment()
        nodes = self.take()
        # A finalizer of the user's may flush where this thread compiles: it comes too early.
        if self._state.is_compiling or self._state.is_closed:
            return
        if not (nodes or self._names.are_late()):
            return
        state, is_cached = self._state, self._recorder.specs.looks_up
        if is_cached:
            self._cached_values.keep()
        backend = self._engine.opened()
        # Only a first plan finds no executors: they stay.
        if not self.stats.submissions:
            self._prestart(backend, nodes)
        plan, others = None, state.plans_under_way
        try:
            state.plans_under_way = others + 1  # before others see where values will be
            try:
                # As `compiling` does, where nothing was compiled before: see above.
                state.is_compiling = True
                # A finalizer of the user's may have flushed these nodes meanwhile: then take what
                # is pending now.
                if nodes and self._recorder.pending[:1] != nodes[:1]:
                    nodes = self.take()
                    if not (nodes or self._names.are_late()):
                        return
                compiled = self._compiler.compile(self._recorder.graph(nodes))
                # Abandoned by another thread: what was dropped is not sent.
                if state.is_closed:
                    return
                # From here on other threads find where values will be, and wait for them, though
                # nothing is sent.
                plan = compiled
                self._bind(plan, nodes)
            finally:
                state.is_compiling = False
            if nodes:  # else it has late names only
                # Of the thread that holds the lock: nobody else writes to them.
                self._note(plan)
            if around is not None:
                # Entered under the lock, left without it: its end waits for a thread that calls the
                # user.
                around.enter_context(watching(backend, self._on_progress))
            self._send(plan, backend)
        except BaseException as error:
            if plan is not None:
                self._give_up(plan, nodes, backend, error)
            raise
        finally:
            state.plans_under_way = others

    def _prestart(self, backend: Backend, nodes: list[Any]) -> None:
        """Let executors start for the first plan, while it is being compiled."""
        prestarts = backend.traits.prestarts
        if prestarts is not None and self._recorder.specs.environment is None:
            calls = (node.n or 1 for node in nodes[:_AT_ONCE] if type(node) is Call)
            prestarts.prepare(sum(calls))

    def _bind(self, plan: Plan, nodes: list[Any]) -> None:
        """Let nodes know where their values will be; then they are pending no more."""
        self._compiler.maker.bind(plan)
        if self._recorder.specs.looks_up:
            self.stats.reused += self._cached_values.bind()
        self._recorder.arguments.interner.new_bytes = 0
        self._recorder.sent(len(nodes))

    def _send(self, plan: Plan, backend: Backend) -> None:
        try:
            backend.submit(plan)
            if plan.names:
                self._names.mark_sent(plan.names)
        except Exception as error:
            if self._state.is_closed:
                raise NoClientError("this client was closed by another thread meanwhile") from error
            raise

    def _give_up(
        self, plan: Plan, nodes: list[Any], backend: Backend, error: BaseException
    ) -> None:
        """Fail what was not sent; it is not pending any more, wherever it was interrupted."""
        with DeferredSignals():  # a second Ctrl-C comes after it
            # If they are still pending, bind them first; otherwise they are bound already.
            if self._recorder.pending[:1] == nodes[:1]:
                self._bind(plan, nodes)
            _fail_unsent(plan, backend, error)

    def _note(self, plan: Plan) -> None:
        stats = self.stats
        stats.submissions += 1
        stats.calls += plan.calls
        stats.units += len(plan.units)

    def _wake_waits(self) -> None:
        """Wake the waits that began while a plan was on its way."""
        backend = self._engine.backend
        if backend is not None:
            backend.traits.arrivals.changed.look_again()


def _fail_unsent(plan: Plan, backend: Backend, error: BaseException) -> None:
    """Fail units that the backend has not taken, whatever the reason."""
    due: list[Callable[[], None]] = []
    arrivals = backend.traits.arrivals
    with arrivals.changed:
        for unit in plan.units:
            # What is expected was sent before the error: it comes, or is aborted, like all else.
            if unit.outputs.missing and not arrivals.expects(unit.outputs):
                why = f"it was not sent: {error!r}"
                due += unit.outputs.fail(Failure("cancelled", why, unit.name))
        arrivals.changed.notify_all()
    # Without the condition: what is called here may ask for other values.
    call_back(due)
