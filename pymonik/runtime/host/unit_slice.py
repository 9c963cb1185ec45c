"""Units under way: what is left of them, and the pieces that executors were given.

Enters: units. Leaves: ranges of their elements, with what earlier attempts have cost, and the
failure of a call that has killed too often. Who runs which piece is left to `scheduler`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pymonik.plan.unit import Unit
from pymonik.runtime.executor.results import death_of
from pymonik.runtime.executor.resume import CompletedSteps, Deaths
from pymonik.system.structs import replace
from pymonik.values.outcome import Failure
from pymonik.values.outputs import Outputs

if TYPE_CHECKING:
    from pymonik.runtime.host.gang import GangState


# One is made for every unit, and every piece: slots make them cheaper.
class UnitState:
    """A unit that was not finished yet."""

    __slots__ = (
        "attempts", "awaited", "bound", "cancelled", "children", "completed_steps", "deaths",
        "each", "failed_calls", "gang", "is_alone", "unit", "waiting",
    )  # fmt: skip

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.waiting = 0
        self.attempts: dict[tuple[int, int], int] = {}
        self.failed_calls: dict[tuple[int, int], Failure] = {}
        # Steps of elements that ended in executors which died later: see `resume`.
        self.completed_steps: CompletedSteps = {}
        # What was left of graphs that calls had recorded, in executors which died: `lazy_tasks`.
        self.deaths: Deaths = {}
        self.cancelled = False
        # Elements whose values other units will make, and how many of their outputs are missing.
        self.bound: dict[int, int] = {}
        # The outputs of units that its calls have recorded.
        self.children: list[Outputs] = []
        # Those who run it together; whether it is not to be run so any more, and how many seconds
        # a step takes then; how many of its steps have values that other units will make.
        self.gang: GangState | None = None
        self.is_alone = False
        self.each: float | None = None
        self.awaited = 0

    def attribute_death(
        self, element: int, step: int, reason: str, stack: str = ""
    ) -> Failure | None:
        """Attribute the death of an executor to a call; it fails when it was tried often enough.

        Return its failure when it had failed before: then it was not to run, and an executor that
        dies with it all the same is killed by the unit itself.
        """
        unit = self.unit
        # What stands in the page of a dead executor is not to be trusted.
        step = step if 0 <= step < len(unit.program.steps) else 0
        key = (element, step)
        if key in self.failed_calls:
            return self.failed_calls[key]
        self.attempts[key] = tries = self.attempts.get(key, 0) + 1
        code = unit.program.steps[step]
        kind = "timeout" if reason == "timeout" and code.limit is not None else "died"
        if kind == "died" and tries <= code.max_retries:
            return None
        failure = death_of(code, element, tries, reason, stack)
        if kind == "timeout":
            text = f"it ran longer than its max_duration of {code.limit:g} s"
            failure = replace(failure, kind=kind, message=text)
        self.failed_calls[key] = failure
        return None


class UnitSlice:
    """Elements of a unit that were given to an executor, or wait for one."""

    __slots__ = ("first", "running", "start", "stop")

    def __init__(self, running: UnitState, start: int, stop: int) -> None:
        self.running = running
        self.start = self.first = start
        self.stop = stop

    @property
    def attempts_before(self) -> Any:
        """What the executor must know of earlier attempts, None when there were none."""
        running = self.running
        history = (running.attempts, running.failed_calls, running.completed_steps)
        if running.each is not None:
            return (*history, running.deaths, running.each)
        if running.deaths:
            return (*history, running.deaths)
        return history if any(history) else None
