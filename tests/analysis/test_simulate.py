"""List scheduling: small schedules worked out by hand, and laws on random jobs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pymonik.analysis.simulate import Overheads, SimulatedUnit, for_any_slots, schedule, span

FREE = Overheads()


@st.composite
def jobs(draw: st.DrawFn) -> list[SimulatedUnit]:
    made: list[SimulatedUnit] = []
    for number in range(draw(st.integers(1, 12))):
        needs = draw(st.sets(st.integers(0, number - 1), max_size=3)) if number else set()
        seconds = draw(st.integers(1, 20)) / 4
        made.append(SimulatedUnit(seconds, draw(st.integers(1, 4)), tuple(sorted(needs))))
    return made


@given(jobs(), st.integers(1, 5))
def test_no_schedule_is_shorter_than_its_bounds_nor_longer_than_grahams(
    some: list[SimulatedUnit], slots: int
) -> None:
    """Graham (1966): list scheduling needs at most work / slots + the longest path."""
    makespan = schedule(some, {"": slots}, FREE).makespan
    work = sum(job.work for job in some)
    path: list[float] = []
    for job in some:
        path.append(job.work + max((path[need] for need in job.needs), default=0.0))
    assert makespan >= max(path) - 1e-9
    assert makespan >= work / slots - 1e-9
    assert makespan <= work / slots + max(path) + 1e-9
    assert span(some) <= makespan + 1e-9


@given(jobs())
def test_one_slot_takes_the_whole_work(some: list[SimulatedUnit]) -> None:
    made = schedule(some, {"": 1}, FREE)
    assert made.makespan == pytest.approx(sum(job.work for job in some))
    assert made.busy[""] == pytest.approx(made.makespan)


@given(jobs(), st.integers(1, 5))
def test_nothing_starts_before_its_needs_have_ended(some: list[SimulatedUnit], slots: int) -> None:
    starts = schedule(some, {"": slots}, FREE).starts
    for number, job in enumerate(some):
        for need in job.needs:
            assert starts[number] >= starts[need] + some[need].work - 1e-9


@given(jobs(), st.integers(1, 4))
def test_handing_back_loses_no_work(some: list[SimulatedUnit], slots: int) -> None:
    made = schedule(some, {"": slots}, Overheads(beat=1.0))
    assert made.busy[""] == pytest.approx(sum(job.work for job in some))


def test_two_slots_share_four_jobs() -> None:
    assert schedule([SimulatedUnit(1.0)] * 4, {"": 2}, FREE).makespan == 2.0


def test_a_chain_pays_the_level_between_its_links() -> None:
    chain = [SimulatedUnit(1.0), SimulatedUnit(1.0, needs=(0,)), SimulatedUnit(1.0, needs=(1,))]
    assert schedule(chain, {"": 4}, Overheads(level=0.25, unit=0.5)).makespan == 5.0


def test_urgent_jobs_start_first() -> None:
    some = [SimulatedUnit(1.0), SimulatedUnit(1.0), SimulatedUnit(1.0, priority=9)]
    assert schedule(some, {"": 1}, FREE).starts == (1.0, 2.0, 0.0)


def test_partitions_have_slots_of_their_own() -> None:
    some = [SimulatedUnit(1.0, partition="gpu")] * 4 + [SimulatedUnit(1.0, partition="cpu")] * 4
    made = schedule(some, {"gpu": 1, "": 4}, FREE)
    assert made.makespan == 4.0
    assert made.busy == {"gpu": 4.0, "cpu": 4.0}


def test_an_engine_that_starts_few_a_second_is_the_limit() -> None:
    made = schedule([SimulatedUnit(0.0)] * 101, {"": 1000}, Overheads(rate=10.0))
    assert made.makespan == pytest.approx(10.0)


def test_nothing_starts_before_the_last_request_is_in() -> None:
    assert schedule([SimulatedUnit(1.0)], {"": 1}, Overheads(start=0.5), sent=2.0).makespan == 3.5


def test_an_overlong_unit_shares_what_is_left_with_idle_slots() -> None:
    alone = [SimulatedUnit(1.0, 9)]
    assert schedule(alone, {"": 4}, FREE).makespan == 9.0
    assert schedule(alone, {"": 4}, Overheads(beat=0.5)).makespan == 3.0


def test_what_was_handed_back_may_hand_back_again() -> None:
    alone = [SimulatedUnit(0.5, 128)]
    costs = Overheads(beat=1.0, unit=0.25)
    made = schedule(alone, {"": 1}, costs)
    runs = (made.makespan - 64.0) / costs.unit
    assert runs == round(runs)
    assert runs > 3


def test_a_worker_cuts_what_it_hands_back_without_knowing_slots() -> None:
    alone = [SimulatedUnit(0.25, 69)]  # five run, 64 are left, whose work is 16 s: 16 parts of 4
    costs = Overheads(beat=1.0, parts=for_any_slots)
    assert schedule(alone, {"": 16}, costs).makespan == 5 * 0.25 + 4 * 0.25
    assert schedule(alone, {"": 100}, costs).makespan == 5 * 0.25 + 4 * 0.25


def test_what_is_cut_for_any_slots_ends_close_to_the_bound_on_two_and_on_a_hundred() -> None:
    """Nobody has said how long a call takes, nor how many pods there are; a task costs 15 ms."""
    costs = Overheads(unit=0.015, beat=1.0, parts=for_any_slots)
    few = [SimulatedUnit(0.2, 25)] * 4
    assert schedule(few, {"": 2}, costs).makespan <= 1.15 * 100 * 0.2 / 2
    # A hundred idle pods are busy within two beats, and have then an equal share each.
    many = [SimulatedUnit(1.0, 1000)]
    assert schedule(many, {"": 100}, costs).makespan <= 2 + 1.15 * 1000 / 100


def test_who_waits_for_a_unit_waits_for_all_of_its_parts() -> None:
    both = [SimulatedUnit(1.0, 9), SimulatedUnit(1.0, needs=(0,))]
    assert schedule(both, {"": 4}, Overheads(beat=0.5)).starts == (0.0, 3.0)


def test_no_jobs_take_no_time() -> None:
    assert schedule([], {"": 4}, FREE).makespan == 0.0
