"""Compiling: what is pending becomes one plan, which a backend carries out.

Enters: what was recorded, at the first need of a value. Leaves: one plan a flush, in the hands of a
backend, and the homes of its values. Opening the backend, and the life of a client, are left to
`client`.
"""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pymonik.client.lookup import node_of
from pymonik.client.notifications import Notifications
from pymonik.client.progress import Progress, watching
from pymonik.errors import NoClientError
from pymonik.graph.ir import Call, Graph, taken
from pymonik.settings import settings
from pymonik.values.options import TaskOptions
from pymonik.values.outcome import Failure
from pymonik.values.outputs import call_back

if TYPE_CHECKING:
    from pymonik.backend import Backend
    from pymonik.client.plan_view import PlanView
    from pymonik.graph.target import Target
    from pymonik.plan.plan import Plan

logger = logging.getLogger("pymonik")

# A machine with more cores than that starts the rest of its executors a little later.
_AT_ONCE = 64


@dataclass
class Stats:
    """What a client has done so far: sums over its submissions, times in seconds."""

    submissions: int = 0
    calls: int = 0
    units: int = 0
    reused: int = 0
    compile_seconds: float = 0.0


class Compiling(Notifications):
    """A recorder that compiles what it has recorded, and sends it."""

    def __init__(
        self,
        options: TaskOptions,
        environment: Any,
        on_progress: Callable[[Progress], object] | None,
        optimize: bool | tuple[str, ...],
        partitions: list[str],
    ) -> None:
        super().__init__(options, environment, on_progress)
        self.optimize = optimize
        self.partitions = partitions
        self.stats = Stats()
        self._sent_names: set[str] = set()
        # What is known of values, once a task with `cache=True` was called; the last graph cut.
        self._known: Any = None
        self._cut: Any = None

    def plan(self) -> PlanView:
        """Compile what is pending and return the plan, without sending it."""
        from pymonik.client.plan_view import PlanView

        self._check_open()
        with self._flushing:
            return PlanView.of(self._compile(taken(self._take())))

    def _compile(self, graph: Graph) -> Plan:
        # Loaded by the first flush, while executors start: half of what there is to load.
        from pymonik.graph.passes import run_passes
        from pymonik.graph.target import Target
        from pymonik.plan.lower import lower
        from pymonik.plan.plan import Source

        self.number()
        traits = self._opened().traits
        target = Target(
            slots=traits.slots,
            isolates_delegating=traits.isolates_delegating,
            known=dict(traits.durations),
        )
        try:
            with _collecting_later(), self._unknown(graph) as unknown:
                plan = lower(run_passes(unknown, target, self.optimize))
        except Exception:  # whatever objects of the user do when they are looked at
            if not self._refuse_culprits(graph, target):
                raise
            return self._compile(graph)
        source = Source(graph, target, self.optimize, tuple(self.partitions), self._seed)
        return replace(
            plan,
            source=source,
            names=self._names_for(graph),
            kept=self._cut.kept if self._cut is not None and target.isolates_delegating else (),
            stored=tuple(blob for blob in plan.blobs if traits.objects.holds(blob)),
            versions=self._versions() if target.isolates_delegating else (),
        )

    def _refuse_culprits(self, graph: Graph, target: Target) -> bool:
        """Let the calls fail on which compiling fails; False when it was something else."""
        from pymonik.plan.culprits import refuse_culprits
        from pymonik.record.builtin_tasks import calling

        code = self.code_for(calling(False))
        return bool(refuse_culprits(graph.nodes, target, self.optimize, code))

    def _names_for(self, graph: Graph) -> tuple[tuple[str, Any], ...]:
        """Return the names to be told with a graph: of its values, and of values sent before."""
        unsent = self._unsent_names()
        if not unsent:
            return ()
        here = set(map(id, graph.nodes))
        return tuple([(n, h) for n, h, node in unsent if node.home is not None or id(node) in here])

    def _unsent_names(self) -> list[tuple[str, Any, Any]]:
        """Return names that no plan has told of, with their handles and the nodes of these."""
        names = list(self.names.items())  # others may name values meanwhile
        return [(name, h, node_of(h)) for name, h in names if name not in self._sent_names]

    def _has_late_names(self) -> bool:
        """Return whether values were named after they had been sent, for the next plan to tell."""
        return any(node.home is not None for _, _, node in self._unsent_names())

    def _versions(self) -> tuple[tuple[str, str], ...]:
        """Return the versions of the packages that pickled data names: clusters may differ."""
        if not self.interner.origins:
            return ()
        from pymonik.environment.versions import versions_of

        return tuple(versions_of(set(self.interner.origins)).items())

    def flush(self) -> None:
        """Compile what is pending and send it, without waiting.

        Other threads record meanwhile: their calls go with the next flush. What they use of this
        one is wanted, since their arguments hold the anchors (see `graph.slots`).
        """
        if not self.pending and not self._has_late_names():
            return
        try:
            # Whoever is told of the progress may use the client: it is waited for without the lock.
            with ExitStack() as around, self._turn(), self._flushing:
                self._flush(around)
        finally:  # also of what could not be sent: it has ended, too
            try:
                self._watch_flushed()
            finally:
                self._look_for_lost()

    def _turn(self) -> AbstractContextManager[object]:
        """Return what is held while calls run in this very thread: one client does at a time."""
        if not self.traits.shares_process:
            return nullcontext()
        from pymonik.backend.inline import TURN

        return TURN

    def _look_for_lost(self) -> None:
        """Let those look again who have waited while a plan was on its way."""
        if self._backend is not None:
            changed = self._backend.traits.arrivals.changed
            with changed:
                changed.notify_all()
        self._tell_lost()

    def _flush(self, around: ExitStack) -> None:
        self._moment = object()
        nodes = self._take()
        # A finalizer of the user's may flush where this thread compiles: it comes too early.
        if self._is_compiling or self._closed or not (nodes or self._has_late_names()):
            return
        began = time.perf_counter()
        if self._known is not None:
            self._known.keep()
        backend = self._opened()
        prestarts = backend.traits.prestarts
        if prestarts is not None and self.environment is None:
            calls = (node.n or 1 for node in nodes[:_AT_ONCE] if type(node) is Call)
            prestarts.prepare(sum(calls))
        from pymonik.plan.lower import bind

        self._is_compiling = True
        try:
            plan = self._compile(taken(nodes))
            if self._closed:  # abandoned by another thread: what was dropped is not sent
                return
            self._sending += 1  # before others see where values will be
            try:
                bind(plan.graph, plan)
                if self._cut is not None:
                    self._cut.bind()
                    self._known.expect(self._cut)
                    self.stats.reused += self._cut.hits
                del self.pending[: len(nodes)]
                self._is_compiling = False
                self.interner.new_bytes = 0
                if nodes:
                    self._note(plan, time.perf_counter() - began)
                around.enter_context(watching(backend, self._on_progress))
                self._send(plan, backend)
            finally:
                self._sending -= 1
        finally:
            self._is_compiling = False

    def _send(self, plan: Plan, backend: Backend) -> None:
        try:
            backend.submit(plan)
            self._sent_names.update(name for name, _ in plan.names)
        except BaseException as error:
            self._fail_unsent(plan, backend, error)
            if self._closed and isinstance(error, Exception):
                raise NoClientError("this client was closed by another thread meanwhile") from error
            raise

    def _fail_unsent(self, plan: Plan, backend: Backend, error: BaseException) -> None:
        """Let nobody wait for units that the backend has not taken, whatever the reason."""
        due: list[Callable[[], None]] = []
        arrivals = backend.traits.arrivals
        with arrivals.changed:
            for unit in plan.units:
                if unit.cell.missing and not arrivals.expects(unit.cell):
                    why = f"it was not sent: {error!r}"
                    due += unit.cell.fail(Failure("cancelled", why, unit.name))
        call_back(due)

    def _take(self) -> list[Any]:
        """Return what is pending at one moment."""
        return self.pending[:]

    @contextmanager
    def _unknown(self, graph: Graph) -> Iterator[Graph]:
        """Return the graph without the calls whose values are known: see `reuse`."""
        if not self._looks_up:
            yield graph
            return
        if self._known is None:
            from pymonik.cache.lookup import CacheLookup
            from pymonik.cache.store import ValueStore

            store = ValueStore() if self.traits.is_here else None
            self._known = CacheLookup(store, self._made_elsewhere)
        with self._known.without(graph) as (unknown, self._cut):
            yield unknown

    def _made_elsewhere(self, wanted: Mapping[str, str]) -> dict[str, Any]:
        from pymonik.client.lookup import handle_of

        shared = self._opened().traits.shared
        found = shared.find(wanted) if shared is not None else {}
        return {key: handle_of(named, wanted[key], self) for key, named in found.items()}

    def waited(self) -> None:
        """Keep values that have come: a program may be killed at any time."""
        if self._known is not None:
            self._known.keep(at_once=False)

    def _note(self, plan: Plan, seconds: float) -> None:
        stats = self.stats
        stats.submissions += 1
        stats.calls += plan.calls
        stats.units += len(plan.units)
        stats.compile_seconds += seconds

    def flush_captures(self) -> None:
        """Send what is pending: the values captured for it exist twice until then."""
        logger.info("captures of more than %d bytes wait: sending them", settings().capture_limit)
        self.interner.new_bytes = 0
        self.flush()


@contextmanager
def _collecting_later() -> Iterator[None]:
    """Put garbage collection off: a compiler makes many objects at once, and none in a cycle."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
