"""Running a unit in this process, with a page and a clock of the test's own."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from unittest import mock

from pymonik.runtime.executor import run as run_module
from pymonik.runtime.executor import state as running
from pymonik.runtime.executor.calls import Assignment, ExecutionServices, Report
from pymonik.runtime.executor.restorer import Restorer
from pymonik.runtime.executor.subtasks import Subtasks
from pymonik.values.content import Content
from pymonik.values.outcome import value_of
from pymonik.wire.program import Program, StepCode

from .units import content, step


class Page:
    """What a unit tells its host of the running call; `room` is how many records it takes."""

    def __init__(self, room: int = 1 << 30) -> None:
        self.numbers = [0] * 12
        self.room = room
        self.noted: list[Any] = []
        self.steps: list[Any] = []

    def add(self, record: Any) -> bool:
        if len(self.noted) >= self.room:
            return False
        self.noted.append(record)
        self.steps.clear()
        return True

    def add_plain(self, record: Any) -> bool:
        return type(record) is int and self.add(record)

    def note(self, step: Any) -> bool:
        self.steps.append(step)
        return True


class Clock:
    """Time that passes only when a task says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def monotonic_ns(self) -> int:
        return int(self.now * 1e9)


def reports(
    steps: StepCode | list[StepCode] | Program,
    n: int = 1,
    *sources: Any,
    page: Page | None = None,
    functions: Callable[[Content], Any] | None = None,
    **given: Any,
) -> list[Report]:
    """Run the elements of a unit in this process; give its reports."""
    if isinstance(steps, Program):
        program = steps
    else:
        program = Program(tuple([steps] if isinstance(steps, StepCode) else steps), n)
    assignment = Assignment(program, sources, given.pop("start", 0), given.pop("stop", n), **given)
    subtasks = Subtasks(8, False, True)
    restore = Restorer(watch=False)
    load = functions or (lambda function: function.load())
    hosting = ExecutionServices("here", load, page or Page(), (), subtasks, restore)
    running.CHANGES.clear()
    # A unit that takes a second ends early: not because a loaded machine has stopped it.
    clock = Clock() if run_module.time is time else run_module.time
    try:
        with mock.patch.object(run_module, "time", clock):
            return list(run_module.run(assignment, hosting))
    finally:
        running.CHANGES.clear()


def records(*args: Any, **given: Any) -> list[Any]:
    """Return the records of a unit, a list for each stored step, however often it reported."""
    told = reports(*args, **given)
    assert [report.last for report in told] == [False] * (len(told) - 1) + [True]
    parts = zip(*(report.columns for report in told), strict=True)
    return [[record for part in column for record in part] for column in parts]


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
