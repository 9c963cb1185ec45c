"""Residual steps: those of an element that its unit leaves to others, recorded as calls.

Enters: how far an element came. Leaves: calls among the sub-tasks of the unit, bound to the outputs
that they stand for. They are left behind where a step has delegated, since they belong to the graph
that it returned, and where they would take too long one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pymonik.runtime.executor import state as running
from pymonik.runtime.executor.calls import Assignment, ExecutionServices
from pymonik.runtime.executor.feed import ArgumentReader, StepValue, UpstreamFailed
from pymonik.settings import settings
from pymonik.values import seeds
from pymonik.wire.program import StepCode, element_of, site_of, steps_in

# Steps after which the others are estimated from them; elements of a unit are sampled alike. Fewer
# are believed once they have taken all of `unit_seconds`.
SAMPLE = 4
# The part of `unit_seconds` that they must have taken: a shorter time says little of the rest.
SAMPLE_PART = 0.25
# A run of steps that is expected to end within so many times `unit_seconds` hands none of them
# back: others would have to fetch their inputs, and put the outcome together.
_BEATS = 2


class ResidualSteps:
    """The steps of an assignment's elements that are left to others.

    outputs: places of columns, by the steps that make them. store: what keeps the record of a step;
    resume: what takes that of one which is over.
    """

    def __init__(
        self,
        assignment: Assignment,
        hosting: ExecutionServices,
        feed: ArgumentReader,
        outputs: dict[int, int],
        store: Callable[[int, int, Any, int], StepValue],
        resume: Callable[[int, int, tuple[Any, ...]], StepValue],
    ) -> None:
        self._assignment, self._hosting, self._feed = assignment, hosting, feed
        self._outputs, self._store, self._resume = outputs, store, resume
        self._steps = assignment.program.steps
        # The last step that was tried before: calls recorded anew have no attempts behind them.
        tried = (*assignment.attempts, *assignment.failed_calls, *assignment.deaths)
        self._tried = max((place for _, place in tried), default=0)

    def are_due(self, place: int, elapsed: float) -> bool:
        """Return whether the steps from `place` on are for others: else it takes too many beats.

        elapsed: seconds that those before have taken. Not where it is known here only what earlier
        attempts have cost: not those up to the last that was tried, where the others are to leave.
        """
        assignment, beat = self._assignment, settings().unit_seconds
        if assignment.each is not None:
            return place > self._tried
        if assignment.attempts or assignment.failed_calls or assignment.completed_steps:
            return False
        if elapsed < (SAMPLE_PART if place >= SAMPLE else 1.0) * beat:
            return False
        return elapsed / place * len(self._steps) > _BEATS * beat

    def return_rest(
        self, number: int, place: int, made: list[Any], elapsed: float, ended: Mapping[int, Any]
    ) -> None:
        """Record the steps from `place` on as calls, which others can run at the same time.

        ended: the records of steps that are over, as some behind it may be.
        """
        each = self._assignment.each
        self._hosting.subtasks.made().each = elapsed / place if each is None else each
        self._record(number, place, made, [None] * place, ended)

    def divert(self, number: int, place: int, made: list[Any], ended: Mapping[int, Any]) -> None:
        """Record the steps behind a delegated one: they belong to the graph it returned.

        ended: as above.
        """
        handle = self._hosting.subtasks.made().take_diverted()
        self._bind(place, number, handle)
        self._record(number, place + 1, made, [None] * place + [handle], ended)

    def _record(
        self,
        number: int,
        first: int,
        made: list[Any],
        handles: list[Any],
        ended: Mapping[int, Any],
    ) -> None:
        """Record the steps from `first` on; handles: of those before it that were recorded."""
        from pymonik.runtime.executor.left_over import record_step  # not before a first call

        subtasks = self._hosting.subtasks.made()
        for place in range(first, len(self._steps)):
            if place in ended:
                made.append(self._resume(place, number, ended[place]))
                handles.append(None)
                continue
            step = self._steps[place]
            try:
                args = [self._argument(c, number, made, handles) for c in step.columns]
            except UpstreamFailed as upstream:
                made.append(self._store(place, number, upstream.failure_of(step.name), 0))
                handles.append(None)
                continue
            content = self._feed.content(step.function)
            element = element_of(step, number)
            seed = seeds.seed_at(step.spawn_keys, number, element)
            site = site_of(step, number)
            handles.append(record_step(subtasks, step, content, args, site, seed, element))
            made.append(self._store(place, number, None, 0))
            self._bind(place, number, handles[place])
        if running.CHANGES:  # values at hand may have been files, put in place to be recorded again
            self._hosting.restore()

    def _bind(self, place: int, number: int, handle: Any) -> None:
        self._hosting.subtasks.made().bind(self._outputs.get(place), number, handle)

    def _argument(self, column: Any, number: int, made: list[Any], handles: list[Any]) -> Any:
        """Return the argument of a step that runs later: a handle, or the value at hand."""
        if column[0] == "p" and handles[column[1]] is not None:
            return handles[column[1]]
        if column[0] == "m":
            return self._argument(column[1][number], number, made, handles)
        if column[0] == "n" and any(slot[0] == "p" for slot in column[-1]):
            slots = [self._argument(slot, number, made, handles) for slot in column[-1]]
            return self._hosting.subtasks.made().nested(self._feed.content(column[1]), slots)
        return self._feed.getter(column)(number, made)


def last_beside(steps: Sequence[StepCode]) -> int:
    """Return the last step that can run beside the one before it; 0 where they are a chain."""
    for place in range(len(steps) - 1, 1, -1):
        columns = steps[place].columns
        if ("p", place - 1) in columns:  # as in most chains
            continue
        if place - 1 not in [used for column in columns for used in steps_in(column)]:
            return place
    return 0
