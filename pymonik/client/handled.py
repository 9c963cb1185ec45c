"""Failures that a user has seen, with all that led to them: they do not come back at the end.

Enters: values that were asked for, and the records found there. Leaves: whether a failure was
handled. A call that could not run because of others shows one of them: who handles it handles
the rest, too, and often holds no handle by which to look at them.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pymonik.client.engine import LazyBackend
from pymonik.graph.ir import Call
from pymonik.graph.verbs import refs_of
from pymonik.system.waits import yielding_lock
from pymonik.values.outcome import PENDING, Failure

logger = logging.getLogger("pymonik")
# Values that failed because of others, until it is looked at why: a walk back through the graph
# takes as long as the graph is, so it is made for many of them at once.
_MANY = 256
# Calls that are named where several have failed.
_NAMED = 5


def tell_of_others(error: BaseException, others: Sequence[Failure]) -> None:
    """Have an error tell that it is not the only one."""
    if not others:
        return
    places = list(dict.fromkeys(f"{failure.task} ({failure.site})" for failure in others))
    rest = ", …" if len(places) > _NAMED else ""
    calls = "1 other call" if len(others) == 1 else f"{len(others)} other calls"
    note = (
        f"{calls} failed, and nothing has read their errors: {', '.join(places[:_NAMED])}{rest}. "
        "handle.exception() returns the error of each"
    )
    if sys.version_info >= (3, 11):
        error.add_note(note)
    else:
        logger.warning(note)


class Handled:
    """What one client has been asked for, and what became of it."""

    def __init__(self, engine: LazyBackend) -> None:
        self._engine = engine
        # Of failures that were seen. Grows only, each time in one step of Python: no lock.
        self._marks: set[str] = set()
        # Of any thread that waits. No other lock is taken while it is held, but a finalizer of the
        # user may run then, and ask for a value.
        self._lock = yielding_lock()
        # Values that failed because of others, and what led to such and has not come: by (node,
        # index), with the node. It lives on so; else another could have its address, and its place.
        self._below: dict[tuple[int, int], tuple[Any, int]] = {}
        self._open: dict[tuple[int, int], tuple[Any, int]] = {}

    def look(self, record: Any, node: Any, index: int) -> None:
        """Note that a user has seen a record."""
        if type(record) is Failure:
            marks = (record.mark, *record.beside)
            self._marks.update(marks)
            if self._engine.backend is not None:
                self._engine.backend.traits.arrivals.failures.handle(marks)
            if record.path:
                with self._lock:
                    self._below[id(node), index] = (node, index)
                    if len(self._below) >= _MANY:
                        self._walk_back()

    def unseen(self, failures: Iterable[Failure]) -> Iterator[Failure]:
        """Return the failures that no user has seen."""
        left = [failure for failure in failures if not self._is_seen(failure)]
        # The usual case: walking back through the graph is for programs that have failed.
        if not left:
            return
        with self._lock:
            sites = self._walk_back()
        for failure in left:
            if not self._is_seen(failure) and failure.site not in sites:
                yield failure

    def _is_seen(self, failure: Failure) -> bool:
        """Return whether a failure was handled, or what it has in common with others."""
        return not self._marks.isdisjoint((failure.mark, *failure.causes))

    def _walk_back(self) -> set[str]:
        """Handle what led to the values seen; return the lines of its calls that have not come.

        These are kept, to be looked at again: they may fail yet. All other nodes are let go of.
        """
        sites: set[str] = set()
        seen = {*self._below, *self._open}
        failed, rest = list(self._below.values()), list(self._open.values())
        self._below, self._open = {}, {}
        while failed or rest:
            if not rest:
                for value in _sources(*failed.pop()):
                    key = id(value[0]), value[1]
                    if key not in seen and type(value[0]) is Call:
                        seen.add(key)
                        rest.append(value)
                continue
            source, index = rest.pop()
            failed.append((source, index))
            record = source.location.record(source.offset + index) if source.location else None
            if type(record) is Failure:
                self._marks.update((record.mark, *record.beside))
            elif record is PENDING:
                sites.add(source.where)
                self._open[id(source), index] = (source, index)
        return sites


def _sources(node: Any, index: int) -> Iterator[tuple[Any, int]]:
    """Return the values that a call, or an element of a map, has taken."""
    for argument in node.args:
        slot = argument if node.n is None else argument.at(index)
        for source, indexes in refs_of(slot):
            for place in indexes:
                yield source, place
