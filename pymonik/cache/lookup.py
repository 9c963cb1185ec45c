"""What one client knows: values that it has made, those of a `ValueStore`, those of its session.

Enters: keys of calls, and records once they have come. Leaves: where the values of keys are. Only
tasks with `cache=True` are looked up; the keys of other pure calls serve as parts of keys. How
known calls leave a graph stands in `splice`.
"""

from __future__ import annotations

import logging
import pickle
import time
from collections.abc import Callable, Mapping
from typing import Any

from pymonik.cache.keys import Keys
from pymonik.cache.splice import NodeOutput, SplicedGraph, is_cached
from pymonik.cache.store import ValueStore
from pymonik.capture.definitions.versions import are_here
from pymonik.graph.ir import Call, Graph, Put
from pymonik.system.waits import yielding_lock
from pymonik.values.content import Content
from pymonik.values.outcome import PENDING, Failure

logger = logging.getLogger("pymonik.cache")

Elsewhere = Callable[[Mapping[str, str]], Mapping[str, Any]]

# Seconds between two looks at what has come, while values are waited for one by one.
_PAUSE = 1.0


class CacheLookup:
    """What one client knows: values made here, by key, and those of its store.

    elsewhere: gives handles of values that other programs of the session have made, by keys; the
    names of their tasks go with the keys that it is asked for.
    """

    def __init__(self, store: ValueStore | None, elsewhere: Elsewhere = lambda wanted: {}) -> None:
        self.store = store
        self._elsewhere = elsewhere
        self._keys = Keys()
        # Values that this client makes, or that others of the session have made, by key; and what
        # keeps them wanted until they were stored.
        self._made: dict[str, tuple[NodeOutput, Any]] = {}
        # Those of them that are to be stored once they have come.
        self._open: list[tuple[str, NodeOutput, Any, dict[str, Any]]] = []
        self._last = 0.0
        # Guards `_open`: every thread whose wait has ended keeps what has come. Taken again by a
        # finalizer of the user's that waits for a value amid that.
        self._lock = yielding_lock()

    def without(self, graph: Graph) -> SplicedGraph:
        """Return the graph without known calls."""
        for original, call in graph.aliases.items():
            self._keys.let_stand(call, original)
        self._look_elsewhere(graph)
        return SplicedGraph(self, graph)

    def find(self, key: str) -> NodeOutput | None:
        """Return where the value of a key is, if it is known."""
        made = self._made.get(key)
        if made is not None:
            (node, index), _ = made
            record = node.location.record(node.offset + index)
            return None if type(record) is Failure else made[0]
        content = self.store.get(key) if self.store is not None else None
        if content is None or not are_here(content.buffers):
            return None
        return Put(content, None, ""), 0

    def _look_elsewhere(self, graph: Graph) -> None:
        cached = [n for n in graph.nodes if isinstance(n, Call) and is_cached(n)]
        wanted = {k: n.spec.name for n in cached for k in self.keys_of(n) if k is not None}
        wanted = {key: name for key, name in wanted.items() if key not in self._made}
        for key, handle in (self._elsewhere(wanted) if wanted else {}).items():
            record = handle._node.location.record(handle._index)
            if type(record) is not Content or are_here(record.buffers):
                self._made[key] = ((handle._node, handle._index), handle)

    def expect(self, cut: SplicedGraph) -> None:
        """Note what is computed now, and is to be known: the graph was sent."""
        for key, (node, index), liveness in cut.misses:
            self._made[key] = ((node, index), liveness)
            if self.store is not None:
                about = {
                    "task": node.spec.name,
                    "code": self._keys.code_of(node.spec),
                    "arguments": self._keys.arguments_of(node, index),
                }
                entry = key, (node, index), liveness, about
                with self._lock:
                    self._open.append(entry)

    def keep(self, at_once: bool = True) -> None:
        """Store the values that have come; unless at_once, not more often than once a second."""
        if not self._open or (not at_once and time.monotonic() - self._last < _PAUSE):
            return
        self._last = time.monotonic()
        with self._lock:
            entries, self._open = self._open, []
        left = []
        for entry in entries:
            key, (node, index), _, about = entry
            record = PENDING if node.location is None else node.location.record(node.offset + index)
            if record is PENDING:
                left.append(entry)
                continue
            if type(record) is not Failure:
                self._keep(key, record, about)
            self._made.pop(key, None)  # only now: a flush looks for it here or there
        with self._lock:
            self._open += left
        if self.store is not None:
            self.store.prune()

    def _keep(self, key: str, record: Any, about: dict[str, Any]) -> None:
        # An immediate has no content of its own: it is given one, so that all that is kept is
        # alike.
        content = record if type(record) is Content else Content(pickle.dumps(record, protocol=5))
        if not are_here(content.buffers):  # nor would another program find them
            logger.info(
                "values of %s are not cached: they hold classes without an importable name",
                about["task"],
            )
            return
        assert self.store is not None
        self.store.put(key, content, about)

    def keys_of(self, node: Call) -> list[str | None]:
        """Return the keys of a node, none where it is not looked up."""
        return self._keys.of(node)
