"""Costs of submissions in turn, and the comparison with what ran."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.estimate import nothing, ran, simulated
from pymonik import Pymonik, task
from pymonik.analysis.cost import Cost
from pymonik.analysis.estimate import estimate
from pymonik.analysis.simulate import Overheads
from pymonik.analysis.total import in_turn
from pymonik.capture.text.fingerprint import fingerprint

FREE = Overheads()


@task(cost=2.0)
def load(name: str) -> int:
    return len(name)


@task(cost=1.0)
def price(book: int, day: int) -> int:
    return book + day


@pytest.fixture
def cost() -> Iterator[Cost]:
    client = Pymonik(backend="dry-run", workers=4)
    book = load.invoke("book", pymonik=client)
    kept = price.map_invoke([(book, day) for day in range(8)], pymonik=client)
    yield estimate(client.plan(), price=36.0, overheads=FREE)
    client.cancel()
    del kept


def test_submissions_in_turn_take_the_sum_of_their_times(cost: Cost) -> None:
    both = in_turn([cost, cost])
    assert (cost.makespan, both.makespan) == (4.0, 8.0)
    assert (both.work, both.span, both.bound) == (20.0, 6.0, 2 * cost.bound)
    assert both.use == pytest.approx(cost.use)
    assert both.money == pytest.approx(2 * (cost.money or 0.0))
    assert both.eager.requests == 2 * cost.eager.requests


def test_counts_add_up_and_the_widest_is_the_width(cost: Cost) -> None:
    figures = in_turn([cost, cost, cost]).figures
    assert figures.submissions == 3
    assert (figures.calls, figures.depth, figures.width) == (27, 6, 8)
    assert [(k.kind, k.requests) for k in figures.requests] == [
        ("declare", 3),
        ("create", 3),
        ("submit", 3),
    ]


def test_sites_and_durations_of_one_line_are_one(cost: Cost) -> None:
    both = in_turn([cost, cost])
    assert [(s.task, s.calls, s.work) for s in both.sites] == [
        ("price", 16, 16.0),
        ("load", 2, 4.0),
    ]
    assert [(d.task, d.calls) for d in both.durations] == [("price", 16), ("load", 2)]


def test_one_submission_is_itself_and_none_has_no_cost(cost: Cost) -> None:
    assert in_turn([cost]) is cost
    with pytest.raises(ValueError, match="nothing was submitted"):
        in_turn([])


def test_what_ran_is_simulated_on_its_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYMONIK_WORKERS", "2")

    def program() -> None:
        with Pymonik(optimize=False):
            first: Any = nothing.map_invoke([()] * 4)
            nothing.invoke(*first).get()
            nothing.invoke().get()

    kept = ran(program)
    durations = {fingerprint(nothing.func, packages=False): 1.0}
    # Two waves of two, the one that needs them, and one more in a submission of its own.
    assert simulated(kept, durations, FREE) == 4.0
    assert simulated(kept, durations, Overheads(start=0.5, level=0.25)) == 4.75
    assert set(kept.durations()) == set(durations)
    assert 0 < sum(kept.seconds.values()) < 2 * kept.makespan
