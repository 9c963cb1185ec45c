"""The books of a session: what becomes of watchers and of units, whichever thread comes first."""

from __future__ import annotations

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
