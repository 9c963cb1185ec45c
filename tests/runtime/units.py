"""Units, steps and executors made by hand, for tests that look at one part of the runtime.

Machine   a scheduler and nothing else: events go in, instructions come out as text
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pymonik.capture import freeze as pickling
from pymonik.plan.unit import Unit
from pymonik.runtime.host.events import (
    CallbacksMade,
    ElementsReported,
    Event,
    ExecutorLost,
    ExecutorStarted,
    RoundOver,
    SliceEnded,
    UnitCancelled,
    UnitsAdded,
)
from pymonik.runtime.host.instructions import GiveSlices, KillExecutor
from pymonik.runtime.host.local_subtasks import LocalSubtasks
from pymonik.runtime.host.scheduler import Scheduler
from pymonik.runtime.host.unit_slice import UnitSlice
from pymonik.values.content import Content
from pymonik.values.options import TaskOptions
from pymonik.values.outcome import Failure
from pymonik.values.outputs import Callback, Outputs
from pymonik.wire.program import Program, StepCode


def content(obj: Any) -> Content:
    """Freeze an object."""
    data, raw, _ = pickling.freeze(obj)
    return Content(data, [bytes(view) for view in raw])


def step(function: Callable[..., Any], *columns: Any, name: str = "", **given: Any) -> StepCode:
    """Make a step; by default it is stored, single, without limits."""
    fields: dict[str, Any] = {
        **dict.fromkeys(StepCode._fields),
        "function": content(function),
        "name": name or function.__name__,
        "keywords": (),
        "context": False,
        "columns": columns,
        "keep": True,
        "site": "here.py:1",
        "retries": 0,
        "max_retries": 0,
    }
    return StepCode(**{**fields, **given})


def unit(
    name: str,
    n: int = 1,
    *inputs: Unit,
    steps: Sequence[StepCode] = (),
    **options: Any,
) -> Unit:
    """Make a unit of `n` elements that needs the outcomes of others."""
    retries = options.get("max_retries", 0)
    steps = [s._replace(max_retries=retries) for s in steps or [step(abs, name=name)]]
    program = Program(tuple(steps), n)
    outputs = Outputs(n, len(program.outputs))
    sources = tuple(source.outputs for source in inputs)
    return Unit(0, program, sources, outputs, TaskOptions(**options), name)


class Machine:
    """A scheduler whose executors are names in a test."""

    def __init__(
        self, executors: int = 1, handler: Callable[[Any], LocalSubtasks] = LocalSubtasks
    ) -> None:
        self.scheduler = Scheduler(handler)
        self.state = self.scheduler.state
        self.kills: list[int] = []
        self.due: list[Callback] = []
        for number in range(executors):
            self.tell(ExecutorStarted(number))

    def tell(self, event: Event) -> dict[int, list[UnitSlice]]:
        """Tell the scheduler of an event; give what is to be run where, keep its other wishes."""
        given: dict[int, list[UnitSlice]] = {}
        for instruction in self.scheduler.handle(event):
            if isinstance(instruction, GiveSlices):
                given[instruction.executor] = instruction.pieces
            elif isinstance(instruction, KillExecutor):
                self.kills.append(instruction.executor)
            else:
                self.due.append(instruction.callback)
        return given

    def add(self, *units: Unit) -> list[str]:
        return self.given(self.tell(UnitsAdded(units)))

    def given(self, before: dict[int, list[UnitSlice]] | None = None) -> list[str]:
        """Give what is to be run where now, and before: "executor: unit[start:stop]"."""
        given = {**(before or {}), **self.tell(RoundOver())}
        return [f"{number}: {label(piece)}" for number in sorted(given) for piece in given[number]]

    def ready(self) -> list[str]:
        """Give what waits for an executor."""
        return [label(piece) for piece in self.state.ready]

    def report(self, executor: int, of: Unit, start: int, stop: int, **given: Any) -> list[str]:
        """Let an executor report elements; give what is to be run now."""
        columns, errors = given.get("columns") or records(of, start, stop), given.get("errors", [])
        self.tell(ElementsReported(executor, of.number, start, stop, columns, errors))
        return self.given()

    def end(self, executor: int, of: Unit, start: int, stop: int, **given: Any) -> list[str]:
        """Let an executor end a piece; give what is to be run now."""
        columns, errors = given.get("columns") or records(of, start, stop), given.get("errors", [])
        seconds, plan = given.get("seconds", 1.0), given.get("plan")
        self.tell(SliceEnded(executor, of.number, start, stop, columns, errors, seconds, plan))
        self.call_back()
        return self.given()

    def call_back(self) -> None:
        while self.due or self.state.complete:
            due, self.due = self.due, []
            for callback in due:
                callback()
            self.tell(CallbacksMade())

    def cancel(self, of: Unit) -> bool:
        """Cancel a unit; tell whether it was open."""
        is_open = self.state.has_open(of.outputs)
        self.tell(UnitCancelled(of.outputs))
        return is_open

    def die(
        self,
        executor: int,
        of: Unit | None,
        element: int = 0,
        at: int = 0,
        reason: str = "signal 9",
    ) -> list[str]:
        """Let an executor die while it runs a step of an element; give what waits."""
        call = None if of is None else (of.number, element, at)
        self.tell(ExecutorLost(executor, call, reason))
        return self.ready()

    def start(self, executor: int) -> list[str]:
        """Let another executor start; give what is to be run now."""
        self.tell(ExecutorStarted(executor))
        return self.given()


def label(piece: UnitSlice) -> str:
    return f"{piece.running.unit.name}[{piece.start}:{piece.stop}]"


def records(of: Unit, start: int, stop: int) -> list[list[Any]]:
    """Give the records a unit makes for elements: "a0", "a1", …"""
    return [[f"{of.name}{i}" for i in range(start, stop)] for _ in of.outputs.columns]


def failure(name: str, kind: str = "error", **given: Any) -> Failure:
    return Failure(kind, "it failed", name, **given)
