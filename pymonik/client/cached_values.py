"""Values that are known already: calls of them leave the graph before it is compiled.

Enters: a graph. Leaves: the same without the calls whose values a store, or another program of the
session, has; and what was computed, kept. Nothing of `cache` is loaded before a task with
`cache=True` was called.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pymonik.client.engine import LazyBackend
from pymonik.client.lookup import handle_of
from pymonik.graph.ir import Graph
from pymonik.record.specs import CallSpecs

if TYPE_CHECKING:
    from pymonik.cache.lookup import CacheLookup
    from pymonik.cache.splice import SplicedGraph


class CachedValues:
    """What one client knows of values, and the last graph that was cut by it.

    specs: tell whether a task was called whose values may be known. Graphs are cut under the lock
    of the flush; values are kept by any thread, under the lock of `CacheLookup`.
    """

    def __init__(self, specs: CallSpecs, engine: LazyBackend) -> None:
        self._specs = specs
        self._engine = engine
        self._cache: CacheLookup | None = None
        self._cut: SplicedGraph | None = None

    def without(self, graph: Graph) -> Graph:
        """Return the graph without the calls whose values are known."""
        if not self._specs.looks_up:
            return graph
        if self._cache is None:
            from pymonik.cache.lookup import CacheLookup
            from pymonik.cache.store import ValueStore

            # Values of a cluster stay there, in its session.
            store = ValueStore() if self._engine.traits.is_here else None
            self._cache = CacheLookup(store, self._made_elsewhere)
        self._cut = self._cache.without(graph)
        return self._cut.graph

    def _made_elsewhere(self, wanted: Mapping[str, str]) -> dict[str, Any]:
        shared = self._engine.opened().traits.shared
        locations = shared.find(wanted) if shared is not None else {}
        # These handles are never asked for values: they stand for where these are.
        return {key: handle_of(named, wanted[key], None) for key, named in locations.items()}

    @property
    def reusable(self) -> Any:
        """What a plan has a cluster keep: keys of values, and where these will be."""
        return self._cut.reusable if self._cut is not None else ()

    def bind(self) -> int:
        """Note where values of the last graph will be; return how many of them were known."""
        if self._cut is None or self._cache is None:
            return 0
        self._cut.bind()
        self._cache.expect(self._cut)
        return self._cut.hits

    def keep(self) -> None:
        """Store the values that have come."""
        if self._cache is not None:
            self._cache.keep()

    def keep_later(self) -> None:
        """Store values that have come, at most once a second: a program may be killed any time."""
        if self._cache is not None:
            self._cache.keep(at_once=False)
