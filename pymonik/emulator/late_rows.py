"""Rows that reads see late: the event of a change is out before the change can be read.

PostgreSQL tells subscribers of a commit from its log, before its other connections see the commit.
What changed in one event becomes readable in the order in which it changed, so a task may be read
ERROR before its results are ABORTED, but never COMPLETED before its results are.
"""

from __future__ import annotations

import random
from collections import ChainMap, deque
from collections.abc import Iterable, Mapping, MutableMapping
from typing import TypeVar

from pymonik.emulator.state import Result, Tables, TaskRecord

Row = TypeVar("Row", Result, TaskRecord)


class LateRows:
    """The earlier states of changed records, for as long as reads still find them."""

    def __init__(self) -> None:
        # Always the same lags: a test that fails fails again.
        self._random = random.Random(0)
        self._results: dict[str, deque[tuple[float, Result]]] = {}
        self._tasks: dict[str, deque[tuple[float, TaskRecord]]] = {}

    def keep(
        self, before: Iterable[Result | TaskRecord], now: float, late: tuple[float, float]
    ) -> None:
        """Let reads see these copies until the times that are drawn for them, one after another."""
        rows = list(before)
        # Sorted, since a change can be read no sooner than those before it in one transaction.
        lags = sorted(self._random.uniform(*late) for _ in rows)
        for row, lag in zip(rows, lags, strict=True):
            until = now + lag
            if isinstance(row, Result):
                self._results.setdefault(row.id, deque()).append((until, row))
            else:
                self._tasks.setdefault(row.id, deque()).append((until, row))

    def view(self, tables: Tables, now: float) -> Tables:
        """Return the records as a read sees them at this time."""
        results, tasks = _visible(self._results, now), _visible(self._tasks, now)
        if not results and not tasks:
            return tables
        return Tables(
            sessions=tables.sessions,
            results=_overlaid(results, tables.results),
            results_of=_by_session(results, tables.results_of),
            tasks=_overlaid(tasks, tables.tasks),
            tasks_of=_by_session(tasks, tables.tasks_of),
        )


def _visible(history: dict[str, deque[tuple[float, Row]]], now: float) -> dict[str, Row]:
    """Forget the states that have passed; return the oldest of each record that has not."""
    for row_id, states in list(history.items()):
        while states and states[0][0] <= now:
            states.popleft()
        if not states:
            del history[row_id]
    return {row_id: states[0][1] for row_id, states in history.items()}


def _overlaid(late: Mapping[str, Row], rows: MutableMapping[str, Row]) -> MutableMapping[str, Row]:
    # A record that is gone, as its session was deleted, is gone for reads, too.
    return ChainMap({row_id: row for row_id, row in late.items() if row_id in rows}, rows)


def _by_session(
    late: Mapping[str, Row], rows: MutableMapping[str, MutableMapping[str, Row]]
) -> MutableMapping[str, MutableMapping[str, Row]]:
    sessions: dict[str, dict[str, Row]] = {}
    for row in late.values():
        sessions.setdefault(row.session_id, {})[row.id] = row
    changed = {session: _overlaid(own, rows[session]) for session, own in sessions.items()}
    return ChainMap(changed, rows)
