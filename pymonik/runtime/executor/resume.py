"""Going on with an element whose executor died: which of its steps need not run again.

Enters: what the dead executor had noted of the element's steps. Leaves: the steps that are over,
each with its record if there is one. A value that was only handed from step to step is gone with
its executor: the step runs again only for a consumer that does.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pymonik.system.structs import NamedTuple
from pymonik.wire.program import StepCode, steps_in

CompletedSteps = dict[tuple[int, int], tuple[Any, ...]]


class DeathRecord(NamedTuple):
    """What a dead executor has left of the graph that a call had recorded.

    log: see `wire.activation_log`. reason: how it died of a call of that graph; "" if of none.
    stack: where in Python it was.
    """

    log: bytes
    reason: str = ""
    stack: str = ""


Deaths = dict[tuple[int, int], DeathRecord]


def over(
    steps: Sequence[StepCode],
    element: int,
    completed_steps: Mapping[tuple[int, int], tuple[Any, ...]],
    failed_calls: Collection[tuple[int, int]],
) -> dict[int, tuple[Any, ...]]:
    """Return the steps of an element that are over, and their records."""
    ended: dict[int, tuple[Any, ...]] = {}
    needed: set[int] = set()
    for place in range(len(steps) - 1, -1, -1):
        step, record = steps[place], completed_steps.get((element, place))
        is_stored = step.keep is True or bool(step.keep and step.keep[element])
        if record is not None and (record or not (is_stored or place in needed)):
            ended[place] = record
        elif (element, place) not in failed_calls:
            needed.update(source for column in step.columns for source in steps_in(column))
    return ended


def uses_of(steps: Sequence[StepCode]) -> list[int]:
    """Return how often the value of each step is used by others of its element."""
    uses = [0] * len(steps)
    for step in steps if len(uses) > 1 else ():
        for column in step.columns:
            for source in steps_in(column):
                uses[source] += 1
    return uses
