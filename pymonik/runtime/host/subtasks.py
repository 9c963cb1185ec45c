"""What becomes of the work that a unit leaves behind: calls its tasks made, elements it hands back.

A host runs it itself (`local_subtasks`); a worker of a cluster hands it to its agent
(`runtime.worker.subtasks`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from pymonik.system.structs import replace

if TYPE_CHECKING:
    from pymonik.plan.unit import Unit
    from pymonik.runtime.host.unit_slice import UnitSlice, UnitState


def inherit(units: Sequence[Unit], parent: Unit) -> None:
    """Let sub-tasks have the modules, the environment and the priority of their parent.

    Its environment under their own; its priority where they have none.
    """
    environment = parent.environment
    for unit in units:
        if unit.options.priority is None:
            unit.options = replace(unit.options, priority=parent.options.priority)
        unit.modules = unit.modules or parent.modules
        unit.surroundings = parent.surroundings
        if environment:
            own = unit.environment
            unit.environment = environment
            if own:
                from pymonik.environment.value import merge

                unit.environment = merge(environment, own)


class SubtaskHandler(Protocol):
    """Takes what a unit leaves behind."""

    def spawn(self, running: UnitState, plan: Any, start: int, columns: Sequence[Any]) -> int:
        """Take units and bindings; return the number of elements that have not ended yet."""

    def spawn_steps(self, running: UnitState, plan: Any, done: Callable[[], object]) -> None:
        """Take units that make the values of steps; say when these are among its completed ops."""

    def return_rest(self, rest: UnitSlice) -> None:
        """Take elements that were not run."""
