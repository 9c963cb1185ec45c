"""Failures that a user has seen, with all that led to them: they do not come back at the end.

Enters: values that were asked for, and the records found there. Leaves: whether a failure was
handled. A call that could not run because of others shows one of them: who handles it handles
the rest, too, and often holds no handle by which to look at them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pymonik.client.engine import LazyBackend
from pymonik.graph.ir import Call
from pymonik.graph.verbs import refs_of
from pymonik.values.outcome import PENDING, Failure


class Handled:
    """What one client has been asked for, and what became of it."""

    def __init__(self, engine: LazyBackend) -> None:
        self._engine = engine
        self._marks: set[str] = set()
        # Values that failed because of others, by (node, index).
        self._below: dict[tuple[int, int], tuple[Any, int]] = {}

    def look(self, record: Any, node: Any, index: int) -> None:
        """Note that a user has seen a record."""
        if type(record) is Failure:
            marks = (record.mark, *record.beside)
            self._marks.update(marks)
            if self._engine.backend is not None:
                self._engine.backend.traits.arrivals.failures.handle(marks)
            if record.path:
                # With the node, which so lives on: another would get its address, and its place
                # here.
                self._below[id(node), index] = (node, index)

    def unseen(self, failures: Iterable[Failure]) -> Iterator[Failure]:
        """Return the failures that no user has seen."""
        left = [failure for failure in failures if failure.mark not in self._marks]
        # The usual case: walking back through the graph is for programs that have failed.
        if not left:
            return
        marks, sites = self._led_to()
        for failure in left:
            if failure.mark not in marks and failure.site not in sites:
                yield failure

    def _led_to(self) -> tuple[set[str], set[str]]:
        """Return what led to the values seen: marks of failures, and lines of calls not fetched."""
        marks: set[str] = set()
        sites: set[str] = set()
        seen = set(self._below)
        rest = list(self._below.values())
        while rest:
            for source, index in _sources(*rest.pop()):
                if (id(source), index) in seen or type(source) is not Call:
                    continue
                seen.add((id(source), index))
                rest.append((source, index))
                record = source.location.record(source.offset + index) if source.location else None
                if type(record) is Failure:
                    marks.update((record.mark, *record.beside))
                elif record is PENDING:
                    sites.add(source.where)
        return marks, sites


def _sources(node: Any, index: int) -> Iterator[tuple[Any, int]]:
    """Return the values that a call, or an element of a map, has taken."""
    for argument in node.args:
        slot = argument if node.n is None else argument.at(index)
        for source, indexes in refs_of(slot):
            for place in indexes:
                yield source, place
