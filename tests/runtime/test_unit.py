"""Running units: steps in order, records where they are wanted, failures where they belong."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from pymonik.runtime.executor.calls import Assignment, ExecutionServices
from pymonik.runtime.executor.restorer import Restorer
from pymonik.runtime.executor.run import run
from pymonik.runtime.executor.subtasks import Subtasks
from pymonik.values.content import Content
from pymonik.values.outcome import Failure
from pymonik.wire.program import Program

from .runs import Page, loaded, local, records, reports, steps_of
from .units import content, step


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
    # No frame of ours stands above the user's: wherever the checkout lies.
    assert f"{os.path.join('pymonik', 'runtime')}{os.sep}" not in broken.traceback
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
        steps_of(1, ("s", [0, 1, 2])), 3, functions=local(note), failed_calls={(1, 0): verdict}
    )
    assert (first, second, third, ran) == (0, verdict, 2, [0, 2])


@pytest.mark.parametrize(("start", "stop"), [(0, 3), (1, 2)])
def test_elements_that_are_all_alike_end_with_the_unit(start: int, stop: int) -> None:
    alike = step(lambda x, y: x + y, ("v", 1), ("v", 2), name="f")
    (report,) = reports(alike, 3, start=start, stop=stop)
    assert report.columns == [[3] * (stop - start)]
    (report,) = reports(step(lambda: 4, name="f"), 3, start=start, stop=stop)
    assert report.columns == [[4] * (stop - start)]


def test_a_value_that_is_not_plain_is_no_end_of_the_plain_ones() -> None:
    def made(x: int) -> Any:
        if x == 2:
            raise ValueError(x)
        return [x] if x % 2 else x

    (column,) = records(step(made, ("s", list(range(6))), name="f"), 6)
    assert [column[0], column[4]] == [0, 4]
    assert loaded(column[1::2]) == [[1], [3], [5]]
    assert isinstance(column[2], Failure)


@pytest.mark.parametrize("odd", [1, 2])
def test_steps_go_on_behind_one_whose_value_is_not_plain(odd: int) -> None:
    """Whichever step makes a list, and whichever raises, the others get what they should."""

    def grow(x: Any) -> Any:
        return [x] if odd == 1 else x + 1

    def back(x: Any) -> Any:
        if odd == 2:
            raise ValueError(x)
        return x[0] + 1

    steps = steps_of(4, ("s", [7, 8]))
    functions = local(grow, back, lambda x: x, lambda x: x)
    columns = records(steps, 2, functions=functions)
    if odd == 1:
        assert [loaded(columns[0]), *columns[1:]] == [[[7], [8]], *[[8, 9]] * 3]
    else:
        assert columns[0] == [8, 9]
        assert [type(record) for column in columns[1:] for record in column] == [Failure] * 6
        assert columns[3][1].path == ("s1", "s2", "s3")


@pytest.mark.parametrize("odd", [None, 2], ids=["plain", "not plain"])
def test_values_of_other_units_are_taken_as_they_are(odd: int | None) -> None:
    """From where a piece begins on; one alone is for all elements, and lists are copies."""
    others = [[10, 20, 30, [1] if odd else 40]], [[7]]
    columns = ("r", [(0, 0, 3, -1, 4)]), ("r", [(1, 0, 0, 1, 1)])
    frozen = [[content(v) if type(v) is list else v for v in column] for column in others[0]]
    pair = step(lambda value, same: f"{value} {same}", *columns, name="pair")
    (column,) = records(pair, 4, frozen, list(others[1]), start=1)
    assert column == ["30 7", "20 7", "10 7"]
    steps = [pair, step(lambda text: text + "!", ("p", 0), name="cry")]
    both = records(steps, 4, frozen, list(others[1]))
    assert both[1] == [f"{value} 7!" for value in reversed(others[0][0])]


def test_how_long_calls_took_is_noted_behind_the_report_that_is_waited_for() -> None:
    hosting = ExecutionServices(
        "here",
        lambda function: function.load(),
        Page(),
        (),
        Subtasks(8, False, True),
        Restorer(watch=False),
        lazy=lambda: None,  # type: ignore[arg-type, return-value]
    )
    program = Program((step(abs, ("v", -1), name="f"),), 1)
    told = run(Assignment(program, (), 0, 1), hosting)
    report = next(told)
    assert (report.last, report.columns) == (True, [[1]])
    assert hosting.durations.expected("f") is None
    assert next(told, None) is None
    assert hosting.durations.expected("f") is not None
