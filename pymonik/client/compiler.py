"""Compiling: a graph of what was recorded becomes a plan.

Enters: a graph. Leaves: a plan, with all that a backend, or a reader, has to know. It is
sent by `submitter`. Nothing waits here, and nothing is sent; but the backend is opened, since what
it can do at once decides what the passes do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymonik.client.cached_values import CachedValues
from pymonik.client.client_settings import ClientSettings
from pymonik.client.engine import LazyBackend
from pymonik.client.names import Names
from pymonik.graph.ir import Graph
from pymonik.record.recorder import Recorder
from pymonik.system.deferred_signals import Loading

if TYPE_CHECKING:
    from pymonik.backend.protocol import SessionTraits
    from pymonik.graph.target import Target
    from pymonik.plan.maker import PlanMaker
    from pymonik.plan.plan import Plan, Source


class Compiler:
    """Makes plans of what a recorder has recorded.

    Runs under the lock of the flush, which it does not take itself: what is compiled is neither
    named nor cancelled meanwhile.
    """

    def __init__(
        self,
        recorder: Recorder,
        engine: LazyBackend,
        settings: ClientSettings,
        names: Names,
        cached_values: CachedValues,
    ) -> None:
        self._recorder = recorder
        self._engine = engine
        self._settings = settings
        self._names = names
        self._cached_values = cached_values
        self._maker: PlanMaker | None = None

    @property
    def maker(self) -> PlanMaker:
        """What makes the plans, loaded here by the first flush."""
        if self._maker is None:
            # While executors start: it is half of what there is to load.
            with Loading():
                from pymonik.plan.maker import PlanMaker
            self._maker = PlanMaker()
        return self._maker

    def compile(self, graph: Graph) -> Plan:
        """Return the plan of a graph, whose calls get their numbers here."""
        maker = self._maker or self.maker
        self._recorder.number()
        traits, optimize = self._engine.opened().traits, self._settings.optimize
        is_cached = self._recorder.specs.looks_up
        made: Target | None = None

        def target() -> Target:
            # A call like one before needs none, unless somebody looks at its plan. Made once, since
            # durations change meanwhile.
            nonlocal made
            made = made or self._target(traits)
            return made

        try:
            rest = self._cached_values.without(graph) if is_cached else graph
            plan = maker.repeated(rest, optimize, target)
            if plan is None:
                plan = maker.make(rest, target(), optimize)
        except Exception:  # whatever objects of the user do when they are looked at
            refused = self._refuse_culprits(graph, target())
            if refused is None:
                raise
            return self.compile(refused)
        holds, isolates = traits.objects.holds, traits.isolates_delegating
        return plan.completed(
            lambda: self._source(graph, target()),
            names=self._names.to_send(graph),
            reusable=self._cached_values.reusable if isolates else (),
            stored=tuple([blob for blob in plan.blobs if holds(blob)]) if plan.blobs else (),
            versions=self._versions() if isolates else (),
        )

    def _target(self, traits: SessionTraits) -> Target:
        """Return what graphs are compiled for now."""
        seconds, isolates = dict(traits.durations), traits.isolates_delegating
        return self.maker.target(traits.slots, isolates, seconds, traits.grain, traits.exchanges)

    def _source(self, graph: Graph, target: Target) -> Source:
        """Return what a plan was compiled of, and for what."""
        partitions, seed = tuple(self._settings.partitions), self._settings.given_seed
        return self.maker.source(graph, target, self._settings.optimize, partitions, seed)

    def _refuse_culprits(self, graph: Graph, target: Target) -> Graph | None:
        """Let the calls fail on which compiling fails; None when it was something else."""
        from pymonik.plan.culprits import refuse_culprits
        from pymonik.record.builtin_tasks import calling

        code = self._recorder.specs.code_for(calling(False))
        return refuse_culprits(graph, target, self._settings.optimize, code)

    def _versions(self) -> tuple[tuple[str, str], ...]:
        """Return the versions of the packages that pickled data names: clusters may differ."""
        origins = self._recorder.arguments.interner.origins
        if not origins:
            return ()
        from pymonik.environment.versions import versions_of

        return tuple(versions_of(set(origins)).items())
