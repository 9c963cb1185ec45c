"""Lone calls: a unit of one plain call gives what any other way of running it gives."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, cast

import pytest

from pymonik import Pymonik, task
from pymonik.runtime.executor.calls import Assignment, Durations, ExecutionServices
from pymonik.runtime.executor.lone_call import call_alone, lone_arguments
from pymonik.runtime.executor.restorer import Restorer
from pymonik.runtime.executor.run import run
from pymonik.runtime.executor.subtasks import Subtasks
from pymonik.values.content import IMMEDIATE
from pymonik.values.outcome import Failure, value_of
from pymonik.wire.program import Program

from .runs import Page, records
from .units import content, step

# Of this package, for a lone call: about 47 with Python 3.11, as `test_single_call` counts them.
MOST_ENTERED = 52


def made_alone(function: Callable[..., Any], *given: Any) -> tuple[bool, Any]:
    """Make a call alone; give whether it was plain, and its record."""
    program = Program((step(function, *(("v", value) for value in given), name="f"),), 1)
    subtasks, restore = Subtasks(8, False, True), Restorer(watch=False)
    hosting = ExecutionServices("here", lambda c: c.load(), Page(), (), subtasks, restore)
    arguments = lone_arguments(program)
    assert arguments is not None
    call = call_alone(program.steps[0], arguments, hosting)
    if call.is_plain:
        return True, call.value
    (report,) = run(Assignment(program, (), 0, 1), hosting, call)
    assert report.last
    assert (report.start, report.stop, report.errors) == (0, 1, [])
    return False, report.columns[0][0]


@pytest.mark.parametrize(
    ("function", "given"),
    [(pow, (2, 5)), (len, ("four",)), (print, ()), (divmod, (7, 2)), (list, ((1, 2),))],
    ids=["number", "text", "none", "tuple", "list"],
)
def test_a_call_gives_alone_what_it_gives_otherwise(
    function: Callable[..., Any], given: tuple[Any, ...]
) -> None:
    columns = [("v", value) for value in given]
    is_plain, record = made_alone(function, *given)
    ((expected,),) = records(step(function, *columns, name="f"))
    assert is_plain is (type(expected) in IMMEDIATE)
    assert value_of(record) == value_of(expected)


def test_the_time_that_a_call_took_is_known_where_its_value_is_not_plain() -> None:
    """By it an executor decides what it runs itself: a call alone begins before `run` does."""
    program = Program((step(list, ("v", (1, 2)), name="f"),), 1)
    seen: list[float] = []
    durations = Durations()
    durations.observe_element = lambda names, seconds: seen.append(seconds)  # type: ignore[method-assign]
    subtasks, restore = Subtasks(8, False, True), Restorer(watch=False)
    hosting = ExecutionServices("here", lambda c: c.load(), Page(), (), subtasks, restore)
    hosting.durations, hosting.lazy = durations, cast(Any, True)
    call = call_alone(program.steps[0], ((1, 2),), hosting)
    call.began -= 100
    list(run(Assignment(program, (), 0, 1), hosting, call))
    assert [seconds > 100 for seconds in seen] == [True]


def test_an_error_is_that_of_the_call() -> None:
    is_plain, failure = made_alone(divmod, 1, 0)
    ((expected,),) = records(step(divmod, ("v", 1), ("v", 0), name="f"))
    assert not is_plain
    assert type(failure) is Failure
    for field in ("kind", "message", "task", "site", "element", "attempts"):
        assert getattr(failure, field) == getattr(expected, field)


def test_what_is_more_than_a_plain_call_is_none() -> None:
    plain = step(abs, ("v", 1))
    others: list[Any] = [
        [plain._replace(keywords=("x",))],
        [plain._replace(context=True)],
        [plain._replace(limit=1.0)],
        [plain._replace(retries=1)],
        [plain._replace(keep=False)],
        [plain._replace(function=0)],  # an input
        [plain._replace(columns=(("c", content([1])),))],
        [plain, plain._replace(columns=(("p", 0),))],
    ]
    assert lone_arguments(Program((plain,), 1)) == [1]
    for steps in others:
        assert lone_arguments(Program(tuple(steps), 1)) is None
    assert lone_arguments(Program((plain,), 2)) is None


@task
def note_entered() -> None:
    counts: list[int] = []

    def note(frame: Any, event: str, arg: Any) -> None:
        if event == "call" and frame.f_globals.get("__name__", "").startswith("pymonik."):
            counts[0] += 1

    counts.append(0)
    sys._entered = counts  # type: ignore[attr-defined]
    sys.setprofile(note)


@task
def entered() -> int:
    sys.setprofile(None)
    return int(sys._entered[0])  # type: ignore[attr-defined]


@task
def same(value: int) -> int:
    return value


def test_an_executor_enters_few_functions_for_a_call() -> None:
    with Pymonik(backend="local", workers=1):
        for number in range(20):  # whatever is loaded, or looked at, the first time
            assert same.invoke(number).get() == number
        note_entered.invoke().get()
        rounds = 30
        for number in range(rounds):
            assert same.invoke(number).get() == number
        # That of `note_entered` ends, and that of `entered` begins, amid it.
        assert (entered.invoke().get() / (rounds + 1)) <= MOST_ENTERED
