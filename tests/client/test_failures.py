"""Failures of an engine: how many, the first, and those that nobody has handled."""

from __future__ import annotations

from pymonik.errors import Cancelled
from pymonik.values.failures import Failures
from pymonik.values.outcome import Failure


def failed(n: int, kind: str = "error") -> list[Failure]:
    return [Failure(kind, f"it broke {i}", "task") for i in range(n)]


def test_what_was_handled_makes_room() -> None:
    failures = Failures()
    for failure in failed(3_000):
        failures.note([failure])
        failures.handle([failure.mark])
    (last,) = failed(1)
    failures.note([last])
    assert failures.unhandled() == [last]
    assert failures.count == 3_001
    assert last.mark in failures


def test_of_thousands_that_nobody_handles_the_first_are_kept() -> None:
    failures, many = Failures(), failed(3_000)
    failures.note(many)
    assert failures.unhandled() == failures.first == many[:1_000]
    assert failures.count == 3_000


def test_cancelled_calls_have_not_failed() -> None:
    failures, (cancelled,) = Failures(), failed(1, "cancelled")
    failures.note([cancelled, cancelled])
    assert (failures.count, failures.unhandled()) == (0, [])
    assert failures.first == [cancelled, cancelled]


def test_one_that_is_told_twice_is_one() -> None:
    failures, (one,) = Failures(), failed(1)
    failures.note([one, one])
    assert (failures.count, failures.unhandled()) == (1, [one])
    failures.clear()
    assert (failures.count, failures.first, failures.unhandled()) == (0, [], [])


def test_the_path_ends_with_the_call_asked_for_but_where_it_failed_itself() -> None:
    error = Failure("cancelled", "it was cancelled", "slow; double").error_of("double")
    assert isinstance(error, Cancelled)
    assert error.path == ()
    delegated = Failure("cancelled", "it was cancelled", "leaf").error_of("double")
    assert isinstance(delegated, Cancelled)
    assert delegated.path == ("leaf", "double")
