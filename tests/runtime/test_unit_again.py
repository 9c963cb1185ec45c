"""Running units in time: what is tried again, what is reported when, what is handed back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pymonik.runtime.executor.attempts as attempts_module
import pymonik.runtime.executor.run as run_module
import pymonik.runtime.executor.step_runner as step_module
from pymonik import task
from pymonik.record.current import CURRENT
from pymonik.runtime.executor.calls import Report
from pymonik.runtime.executor.resume import DeathRecord
from pymonik.runtime.executor.subtasks import Subtasks
from pymonik.values.outcome import Failure

from . import runs
from .runs import Clock, Page, local, records, reports, steps_of
from .units import content, step


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    for module in (run_module, step_module, attempts_module):
        monkeypatch.setattr(module, "time", made)
    return made


def flaky(failures: int, error: Callable[[], Exception]) -> tuple[Callable[[int], int], list[int]]:
    """Make a function that fails a few times, and the list of its attempts."""
    attempts: list[int] = []

    def attempt(x: int) -> int:
        attempts.append(x)
        if len(attempts) <= failures:
            raise error()
        return x

    return attempt, attempts


@pytest.mark.parametrize(("failures", "ends_well"), [(0, True), (2, True), (3, False)])
def test_a_call_is_tried_again_as_often_as_it_may(failures: int, ends_well: bool) -> None:
    function, attempts = flaky(failures, ValueError)
    ((record,),) = records(steps_of(1, ("v", 5), retries=2), functions=local(function))
    assert len(attempts) == min(failures, 2) + 1
    assert (record == 5) is ends_well
    if not ends_well:
        assert record.attempts == 3


def test_only_the_errors_named_are_tried_again() -> None:
    for error, tries in ((KeyError, 2), (OSError, 2), (ValueError, 1)):
        function, attempts = flaky(1, error)
        steps = steps_of(1, ("v", 5), retries=4, retry_on=content((KeyError, OSError)))
        records(steps, functions=local(function))
        assert len(attempts) == tries


def test_attempts_before_a_death_count() -> None:
    seen: list[int] = []

    def look(ctx: Any) -> None:
        seen.append(ctx.attempt)
        raise ValueError

    steps = [step(abs, name="look", context=True, retries=1)._replace(function=content(0))]
    ((record,),) = records(steps, functions=local(look), attempts={(0, 0): 2})
    assert (seen, record.attempts) == ([3, 4], 4)


@pytest.mark.parametrize(
    "make", [lambda: [1], lambda: {"a": 1}, lambda: np.arange(3)], ids=["list", "dict", "array"]
)
def test_a_retried_step_gets_its_argument_again(make: Callable[[], Any]) -> None:
    """The first attempt may have changed it: the second gets what the step before made."""
    seen: list[Any] = []

    def spoils(value: Any) -> int:
        seen.append(repr(value))
        value[next(iter(value)) if isinstance(value, dict) else 0] = 99
        if len(seen) == 1:
            raise ValueError
        return 5

    steps = steps_of(2, retries=1)
    steps[0] = steps[0]._replace(keep=False)
    ((record,),) = records(steps, functions=local(make, spoils))
    assert (record, seen) == (5, [repr(make())] * 2)


def test_the_page_tells_which_call_runs_and_until_when(clock: Clock) -> None:
    page, seen = Page(), []

    def look(x: Any) -> Any:
        seen.append(page.numbers[:3])
        clock.now += 1 / 64
        return x

    steps = steps_of(2, ("s", [5, 6]))
    steps[1] = steps[1]._replace(limit=2.5)
    reports(steps, 2, page=page, functions=local(look, look))
    ends = [int((100 + ticks / 64 + 2.5) * 1e9) for ticks in (1, 3)]
    assert seen == [[0, 0, 0], [0, 1, ends[0]], [1, 0, 0], [1, 1, ends[1]]]
    assert page.numbers[2] == 0


def spends(clock: Clock, seconds: float) -> Callable[[Any], Any]:
    def work(x: Any) -> Any:
        clock.now += seconds
        return x

    return work


def spans(found: list[Report]) -> list[tuple[int, int, bool]]:
    return [(report.start, report.stop, report.last) for report in found]


def test_a_short_unit_makes_one_report(clock: Clock) -> None:
    work = spends(clock, 0.0001)
    found = reports(steps_of(1, ("s", list(range(400)))), 400, functions=local(work))
    assert spans(found) == [(0, 400, True)]


def test_finished_elements_are_reported_now_and_then(clock: Clock) -> None:
    work = spends(clock, 0.03)
    found = reports(steps_of(1, ("s", list(range(6)))), 6, functions=local(work))
    assert spans(found) == [(0, 2, False), (2, 4, False), (4, 6, True)]
    assert [report.columns for report in found] == [[[0, 1]], [[2, 3]], [[4, 5]]]


def test_a_unit_past_its_second_hands_the_rest_back(clock: Clock) -> None:
    work = spends(clock, 0.4)
    found = reports(steps_of(1, ("s", list(range(10)))), 10, functions=local(work))
    assert spans(found) == [(0, 1, False), (1, 2, False), (2, 3, True)]


def test_a_unit_that_will_be_long_hands_the_rest_back_sooner(clock: Clock) -> None:
    work = spends(clock, 0.06)
    found = reports(steps_of(1, ("s", list(range(40)))), 40, functions=local(work))
    assert spans(found)[-1] == (4, 5, True)
    assert found[-1].stop * 0.06 < 0.5


def test_an_element_that_imports_much_does_not_count(clock: Clock) -> None:
    def work(x: int) -> int:
        clock.now += 0.01 if x else 0.6
        return x

    found = reports(steps_of(1, ("s", list(range(40)))), 40, functions=local(work))
    assert found[-1].stop == 40


def test_a_long_last_element_leaves_nothing_to_hand_back(clock: Clock) -> None:
    work = spends(clock, 5)
    found = reports(steps_of(1, ("s", [0])), 1, functions=local(work))
    assert spans(found) == [(0, 1, True)]


def test_what_is_handed_back_can_be_gone_on_with(clock: Clock) -> None:
    """Piece by piece, whatever the durations, each element runs once and the values agree."""
    ran: list[int] = []

    def work(x: int) -> int:
        ran.append(x)
        clock.now += 0.3 * (x % 3)
        return x * x

    start, columns = 0, []
    while start < 20:
        found = reports(steps_of(1, ("s", list(range(20)))), 20, functions=local(work), start=start)
        columns += [value for report in found for value in report.columns[0]]
        assert found[0].start == start
        assert found[-1].stop > start
        start = found[-1].stop
    assert columns == [x * x for x in range(20)]
    assert ran == list(range(20))


def test_what_the_page_cannot_hold_is_reported_at_once(clock: Clock) -> None:
    """What only the executor knows would run again if it died."""
    found = reports(steps_of(1, ("s", [0, 1, 2])), 3, page=Page(room=0), functions=local(abs))
    assert spans(found) == [(0, 1, False), (1, 2, False), (2, 3, True)]


def test_what_is_noted_again_stands_in_order_where_one_has_no_room() -> None:
    """The next executor would take the value of one step for that of another."""

    class Small(Page):
        def note(self, step: Any) -> bool:
            return step != ("large",) and super().note(step)

    page = Small()
    steps = [step(abs, ("v", n)) for n in range(3)]
    ended = {(0, 0): (1,), (0, 1): ("large",), (0, 2): (3,)}
    assert records(steps, page=page, completed_steps=ended) == [[1], ["large"], [3]]
    assert page.steps in ([], [(1,)])


@pytest.mark.parametrize("of", ["attempts", "failed_calls", "deaths"])
def test_what_was_tried_before_is_not_left_to_others(of: str) -> None:
    """The calls that they would make of it have no attempts behind them."""
    failure = Failure("died", "too often", "s3")
    history: dict[str, Any] = {
        "attempts": {(0, 3): 1},
        "failed_calls": {(0, 3): failure},
        "deaths": {(0, 3): DeathRecord(b"")},
    }
    ran: list[int] = []

    def work(n: int) -> int:
        ran.append(n)
        return n

    steps = [step(abs, ("v", n))._replace(function=content(0)) for n in range(8)]
    (report,) = reports(
        steps,
        functions=local(work),
        each=1.0,
        completed_steps={(0, 1): (1,)},
        **{of: history[of]},
    )
    assert ran == ([0, 2] if of == "failed_calls" else [0, 2, 3])
    assert report.columns[:4] == [[0], [1], [2], [failure if of == "failed_calls" else 3]]
    assert report.columns[4:] == [[None]] * 4


def test_what_has_ended_behind_a_call_that_delegates_does_not_run_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Lanes end in any order: here the last one has."""
    made = Subtasks(8, False, True)
    monkeypatch.setattr(runs, "Subtasks", lambda *_: made)
    steps = [step(abs, ("v", n), name=f"s{n}") for n in range(3)]
    token = CURRENT.set(made)
    try:
        (report,) = reports(
            steps, functions=lambda _: lambda x: task(abs).invoke(x), completed_steps={(0, 2): (2,)}
        )
    finally:
        CURRENT.reset(token)
    assert report.columns == [[None], [None], [2]]
    plan = made.plan()
    assert plan is not None
    assert [(output, element) for output, element, _ in plan[1]] == [(0, 0), (1, 0)]
