"""Trees of sub-tasks: how many units a client's calls were, and a graph run in this process."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

from pymonik import Pymonik, Task
from pymonik.record.current import CURRENT
from pymonik.runtime.executor import lazy_tasks
from pymonik.runtime.executor import state as running
from pymonik.runtime.executor.calls import Assignment, ExecutionServices, Report
from pymonik.runtime.executor.lazy_tasks import LazyTasks
from pymonik.runtime.executor.restorer import Restorer
from pymonik.runtime.executor.resume import DeathRecord
from pymonik.runtime.executor.run import run
from pymonik.runtime.executor.subtasks import Subtasks
from pymonik.wire.journal import IDLE, SharedJournal, open_page
from pymonik.wire.program import Program
from tests.conformance.seams import until

from .units import step


def units_of(client: Pymonik) -> int:
    """Return how many units the engine of a client has run, those that tasks made among them."""
    engine = client.parts.engine.opened()
    # A value is told of before its unit has ended, where the host has seen it in a page.
    until(lambda: engine.progress()[0] == engine.progress()[1])
    return engine.progress()[0]


class Ticks:
    """A clock that only what a test calls moves on."""

    now = 0.0

    @classmethod
    def perf_counter(cls) -> float:
        return cls.now


class Host:
    """An executor in this process: its page, and what its calls leave behind."""

    def __init__(self, monkeypatch: Any, is_idle: bool = False) -> None:
        monkeypatch.setattr(lazy_tasks, "time", Ticks)
        fd = open_page()
        self.page = SharedJournal(fd)
        os.close(fd)
        self.page.begin(0, 0)
        self.page.numbers[IDLE] = is_idle
        self.subtasks = Subtasks(2, False, True)
        restore = Restorer(watch=False)
        load: Callable[[Any], Any] = functools.cache(lambda function: function.load())
        self.hosting = ExecutionServices("here", load, self.page, (), self.subtasks, restore)
        lazy = LazyTasks(self.hosting)
        self.hosting.lazy = lambda: lazy

    def run(self, task: Task[..., Any], *args: Any, death: DeathRecord | None = None) -> Report:
        """Run one call; return its last report."""
        code = step(task.func, *(("v", arg) for arg in args), name=task.func_name)
        deaths = {} if death is None else {(0, 0): death}
        assignment = Assignment(Program((code,), 1), (), 0, 1, deaths=deaths)
        token = CURRENT.set(self.subtasks)
        try:
            (report,) = run(assignment, self.hosting)
        finally:
            CURRENT.reset(token)
            running.CHANGES.clear()
        return report

    def left(self) -> list[str]:
        """Return the units that are handed out: their names and sizes."""
        made = self.subtasks.wire_plan()
        return [] if made is None else [f"{unit[5]} × {unit[2]}" for unit in made[0]]
