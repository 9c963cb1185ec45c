"""Running units: steps in order, records where they are wanted, retries, the rest handed back."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pymonik.runtime.unit as module
from pymonik.content import Content
from pymonik.graph.passes import Target
from pymonik.runtime import running
from pymonik.runtime.outcome import Failure, value_of
from pymonik.runtime.program import Program, StepCode, cut
from pymonik.runtime.subtasks import Subtasks
from pymonik.runtime.unit import Hosting, Job, Report, run

from .units import content, step


class Page:
    """What a unit tells its host of the running call; `room` is how many records it takes."""

    def __init__(self, room: int = 1 << 30) -> None:
        self.numbers = [0] * 8
        self.room = room
        self.noted: list[Any] = []

    def add(self, record: Any) -> bool:
        if len(self.noted) >= self.room:
            return False
        self.noted.append(record)
        return True


class Clock:
    """Time that passes only when a task says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def monotonic_ns(self) -> int:
        return int(self.now * 1e9)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


def reports(
    steps: StepCode | list[StepCode],
    n: int = 1,
    *sources: Any,
    page: Page | None = None,
    functions: Callable[[Content], Any] | None = None,
    **given: Any,
) -> list[Report]:
    """Run the elements of a unit in this process; give its reports."""
    program = Program(tuple([steps] if isinstance(steps, StepCode) else steps), n)
    job = Job(program, sources, given.pop("start", 0), given.pop("stop", n), **given)
    subtasks = Subtasks(Target(), True)
    restore = running.Restorer(watch=False)
    load = functions or (lambda function: function.load())
    hosting = Hosting("here", load, page or Page(), (Exception,), subtasks, restore)
    running.DIRTY.clear()
    try:
        return list(run(job, hosting))
    finally:
        running.DIRTY.clear()


def records(*args: Any, **given: Any) -> list[Any]:
    """Give the records of the only report of a unit, a list for each stored step."""
    (report,) = reports(*args, **given)
    assert report.last
    return report.columns


def loaded(column: list[Any]) -> list[Any]:
    return [value_of(record) for record in column]


def local(*functions: Callable[..., Any]) -> Callable[[Content], Any]:
    """Let contents of numbers stand for functions of this test: they see its variables."""
    return lambda number: functions[number.load()]


def steps_of(count: int, *columns: Any, **given: Any) -> list[StepCode]:
    return [
        step(abs, *(columns if i == 0 else (("p", i - 1),)), name=f"s{i}", **given)._replace(
            function=content(i)
        )
        for i in range(count)
    ]


# ----- elements and steps


def test_one_step_over_elements() -> None:
    assert records(step(lambda x, y: x * y, ("s", [1, 2, 3]), ("v", 10), name="f"), 3) == [
        [10, 20, 30]
    ]


def test_steps_run_in_order_for_each_element() -> None:
    ran: list[Any] = []

    def first(x: int) -> int:
        ran.append(("first", x))
        return x + 10

    def second(x: int) -> int:
        ran.append(("second", x))
        return x + 100

    steps = steps_of(2, ("s", [0, 1]))
    assert records(steps, 2, functions=local(first, second)) == [[10, 11], [110, 111]]
    assert ran == [("first", 0), ("second", 10), ("first", 1), ("second", 11)]


def test_only_the_elements_asked_for_run() -> None:
    (report,) = reports(step(abs, ("s", list(range(10)))), 10, start=3, stop=6)
    assert (report.start, report.stop, report.columns) == (3, 6, [[3, 4, 5]])


def test_keywords_reach_the_function_by_name() -> None:
    function = step(lambda a, *, b, c=0: (a, b, c), ("v", 1), ("v", 2), name="f", keywords=("b",))
    assert records(function) == [[(1, 2, 0)]]


def test_the_context_comes_first() -> None:
    given = step(lambda ctx, x: (ctx.task_name, ctx.element, x), ("v", 5), name="f", context=True)
    assert records(given._replace(base=7), 1) == [[("f", 7, 5)]]


KEEPS: dict[Any, list[Any]] = {True: [1, 2, 3], b"\0\1\0": [None, 2, None], False: []}


@pytest.mark.parametrize("keep", KEEPS)
def test_values_are_stored_where_they_are_wanted(keep: bool | bytes) -> None:
    columns = records(step(abs, ("s", [1, 2, 3]), keep=keep), 3)
    assert columns == ([KEEPS[keep]] if keep is not False else [])


@pytest.mark.parametrize(
    "make", [lambda x: x, lambda x: [x], lambda x: [[x]]], ids=["number", "list", "deep"]
)
def test_values_wanted_here_and_there_keep_their_places(make: Callable[[int], Any]) -> None:
    """A value that is only handed on leaves a gap, not a shorter column."""
    steps = steps_of(2, ("s", list(range(4))))
    steps[0] = steps[0]._replace(keep=b"\1\0\0\1")
    firsts, seconds = records(steps, 4, functions=local(make, repr))
    assert len(firsts) == 4
    assert loaded([firsts[0], firsts[3]]) == [make(0), make(3)]
    assert seconds == [repr(make(x)) for x in range(4)]


def test_a_failure_is_stored_where_the_value_is_not_wanted() -> None:
    def fails(x: int) -> int:
        raise ValueError(x)

    ((column,),) = [records(step(fails, ("s", [1, 2]), keep=b"\0\1"), 2)]
    assert [type(record) for record in column] == [Failure, Failure]


def test_a_failure_of_a_step_nobody_stores_is_told() -> None:
    def fails(x: int) -> int:
        raise ValueError(x)

    found = reports(step(fails, ("s", [1, 2]), keep=False), 2)
    messages = [failure.message for report in found for failure in report.errors]
    assert messages == ["ValueError: 1", "ValueError: 2"]


def test_values_that_can_change_are_frozen_and_others_are_not() -> None:
    columns = records(step(lambda x: x, ("m", [("v", 1), ("c", content([1]))]), name="f"), 2)
    one, frozen = columns[0]
    assert one == 1
    assert type(frozen) is Content
    assert frozen.load() == [1]


def test_what_cannot_be_pickled_is_the_failure_of_its_call() -> None:
    import threading

    steps = [
        step(lambda: {"lock": threading.Lock()}, name="locks"),
        step(lambda: 5, name="fine"),
    ]
    (locks,), (fine,) = records(steps)
    assert "'locks' returned cannot be pickled: value['lock']" in locks.message
    assert fine == 5


def test_what_is_only_used_here_need_not_be_pickled() -> None:
    import threading

    def lock() -> Any:
        return threading.Lock()

    # It has one consumer, which cannot be given the object itself: others might still see it.
    steps = [step(lock, keep=False), step(lambda x: 5, ("p", 0), name="uses")]
    ((record,),) = records(steps)
    assert "cannot be pickled" in record.message


# ----- failures


def test_an_exception_is_the_failure_of_one_element() -> None:
    def divide(x: int) -> float:
        return 10 / x

    ((five, broken, ten),) = records(
        step(divide, ("s", [2, 0, 1]), site=["u.py:1", "u.py:2", "u.py:3"], base=20), 3
    )
    assert (five, ten) == (5.0, 10.0)
    assert (broken.kind, broken.task, broken.site) == ("error", "divide", "u.py:2")
    assert (broken.element, broken.worker, broken.attempts, broken.path) == (21, "here", 1, ())
    assert broken.message == "ZeroDivisionError: division by zero"
    assert "10 / x" in broken.traceback
    assert "pymonik" not in broken.traceback.split("10 / x")[0]
    assert type(broken.error()) is ZeroDivisionError


def test_steps_behind_a_failure_do_not_run_and_carry_its_path() -> None:
    def fails() -> None:
        raise KeyError("x")

    ran: list[int] = []
    steps = steps_of(3)
    columns = records(steps, functions=local(fails, ran.append, ran.append))
    assert [column[0].path for column in columns] == [(), ("s0", "s1"), ("s0", "s1", "s2")]
    assert ran == []


def test_a_doomed_call_does_not_run_and_its_neighbours_do() -> None:
    ran: list[int] = []

    def note(x: int) -> int:
        ran.append(x)
        return x

    verdict = Failure("died", "it killed", "s0")
    ((first, second, third),) = records(
        steps_of(1, ("s", [0, 1, 2])), 3, functions=local(note), doomed={(1, 0): verdict}
    )
    assert (first, second, third, ran) == (0, verdict, 2, [0, 2])


# ----- retries


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


# ----- time


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


# ----- programs


def program(n: int) -> Program:
    first = step(abs, ("s", list(range(n))), ("v", 2), name="first", base=3)
    second = step(
        abs,
        ("p", 0),
        ("r", [(0, 0, 1, 1, n - 1), (1, 0, 0, 1, 1)]),
        ("m", [("v", i) for i in range(n)]),
        ("b", [(0, 0, 0, 1, 2)]),
        name="second",
        keep=bytes(i % 2 for i in range(n)),
        site=[f"u.py:{i}" for i in range(n)],
        retry_on=content((KeyError,)),
        limit=2.0,
    )
    return Program((first, second), n)


def test_a_program_survives_its_journey() -> None:
    sent = program(5)
    got = pickle.loads(pickle.dumps(sent, protocol=5))
    assert type(got) is Program
    assert pickle.dumps(got, 5) == pickle.dumps(sent, 5)
    assert got.outputs == sent.outputs == [0, 1]
    assert got.steps[1][4:9] == sent.steps[1][4:9]
    assert got.steps[1].retry_on.load() == (KeyError,)


def test_only_stored_steps_are_outputs() -> None:
    keeps = (False, True, b"\0\0", False, b"\1\0")
    steps = tuple(step(abs, name=f"s{i}", keep=keep) for i, keep in enumerate(keeps))
    assert Program(steps, 2).outputs == [1, 2, 4]


@settings(max_examples=60, deadline=None)
@given(bounds=st.lists(st.integers(0, 8), max_size=5))
def test_a_program_in_pieces_makes_the_values_of_the_whole(bounds: list[int]) -> None:
    n = 8
    sources = ([list(range(100, 109))], [[7]])
    gather = step(lambda *args: args, *program(n).steps[1].columns[1:], name="gather", base=0)
    keep = bytes(i % 3 for i in range(n))
    steps = [
        step(abs, ("s", list(range(n))), name="first", keep=keep),
        gather._replace(columns=(("p", 0), *gather.columns)),
    ]
    whole = records(steps, n, *sources)
    ends = sorted({0, n, *bounds})
    parts = []
    for start, stop in pairwise(ends):
        piece = cut(Program(tuple(steps), n), start, stop)
        assert [s.base for s in piece.steps] == [None, start]
        parts.append(records(list(piece.steps), piece.n, *sources))
    for place, column in enumerate(whole):
        joined = [record for part in parts for record in part[place]]
        assert loaded(joined) == loaded(column)
