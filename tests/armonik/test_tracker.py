"""The books of a session: what becomes of watchers and of units, whichever thread comes first."""

from __future__ import annotations

import queue
import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest
from armonik.protogen.common.result_status_pb2 import RESULT_STATUS_ABORTED

from pymonik.backend.armonik.aborts import AbortHandler
from pymonik.backend.armonik.shared_cache import adopted
from pymonik.backend.armonik.tracker import SubmissionTracker
from pymonik.errors import ClusterError
from pymonik.values.outcome import OutOfLine
from pymonik.values.outputs import Outputs


def tracker() -> SubmissionTracker:
    return SubmissionTracker(lambda outputs, place: 0, lambda outputs, value: None)


def unit_of(books: SubmissionTracker, id: str, n: int = 1) -> Outputs:
    """Give the outputs of a unit that was sent."""
    return adopted(books, "f", id, id.encode().ljust(16), n, 1)


def test_who_watches_values_apart_hears_of_a_cluster_that_breaks() -> None:
    books = tracker()
    outputs = unit_of(books, "id", 2)
    place = books.fetcher.places[outputs]
    books.stored("id")
    apart = [OutOfLine(f"value{number}", b"d" * 16, 100_000) for number in range(2)]
    books.fetched_records(outputs, place, [apart], [])
    called: list[int] = []
    books.watch(lambda: outputs.watch(0, 0, lambda: called.append(0)), lambda: called.append(-1))
    books.break_down(ClusterError("nothing answers"))
    assert called == [0]


class Vanishing(dict[str, Any]):
    """Open units, which somebody cancels whenever one of them is looked at."""

    def __contains__(self, id: object) -> bool:
        is_open = super().__contains__(id)
        self.clear()
        return is_open


def test_units_may_end_while_a_lost_result_is_looked_into() -> None:
    books = tracker()
    unit_of(books, "id")
    books.open = Vanishing(books.open)
    row = SimpleNamespace(status=RESULT_STATUS_ABORTED, owner_task_id="")
    closing = threading.Event()
    session: Any = SimpleNamespace(
        statuses=lambda ids: dict.fromkeys(ids, row), rpc=SimpleNamespace(closing=closing)
    )
    AbortHandler(books, session, lambda units: None, threading.RLock()).settle({"id"})


def test_an_outcome_that_is_dropped_has_no_id() -> None:
    books = tracker()
    kept, dropped = unit_of(books, "kept"), unit_of(books, "dropped")
    del books.stored_objects.outputs[dropped]
    assert books.stored_objects.ids_of([kept, dropped]) == ["kept"]


class _TakenElsewhere(queue.SimpleQueue[Any]):
    """A queue of which another thread takes what there was, as soon as somebody has looked."""

    def empty(self) -> bool:
        return False


def test_a_thread_that_explains_losses_waits_for_none_while_it_has_some(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Behind `close` there are two for a while: the one of before, and one that has begun since."""
    handler = AbortHandler(tracker(), cast(Any, None), lambda units: None, threading.RLock())
    settled = threading.Event()
    monkeypatch.setattr(handler, "settle", lambda ids, gone: settled.set())
    handler._lost = _TakenElsewhere()
    handler.aborted(["id"])
    assert settled.wait(60)
    handler.close()
