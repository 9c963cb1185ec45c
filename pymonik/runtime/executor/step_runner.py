"""Running the steps of a unit, element by element: what calls user code, and keeps what it makes.

Enters: an assignment, and the element that is next. Leaves: records, by output, in order, and the
failures of steps that are not stored; what a call has recorded goes to `Subtasks`. When a unit is
to report, and when it is to stop, is the business of `run`, or of `lane`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import chain
from typing import Any

from pymonik.runtime.executor import state as running
from pymonik.runtime.executor.attempts import attempt
from pymonik.runtime.executor.calls import (
    Assignment,
    ExecutionServices,
    GraphRunner,
    LoadedFunction,
    Report,
    caller,
)
from pymonik.runtime.executor.feed import ArgumentReader, StepValue, owned
from pymonik.runtime.executor.plain import NOTHING, plain_columns, plain_runners
from pymonik.runtime.executor.residual import ResidualSteps, last_beside
from pymonik.runtime.executor.results import failure_of, frozen
from pymonik.runtime.executor.resume import over, uses_of
from pymonik.runtime.executor.sharing import is_uniquely_owned
from pymonik.values.content import IMMEDIATE, Content
from pymonik.values.outcome import Failure
from pymonik.wire.journal import ELEMENT, STEP
from pymonik.wire.program import StepCode


class StepRunner:
    """The state of one assignment: functions, getters, open records; of the thread of units."""

    def __init__(self, assignment: Assignment, hosting: ExecutionServices) -> None:
        self.assignment, self.hosting = assignment, hosting
        self.feed = ArgumentReader(assignment.sources)
        self._functions: dict[Any, LoadedFunction] = {}
        program, gang, wired = assignment.program, assignment.gang, None
        if program.wired is not None and gang is None:
            from pymonik.runtime.executor.plain_wired import wired_runner  # not before first value

            wired = wired_runner(assignment, hosting, self.loaded)
        # Those of lanes are made later: see `use_steps`.
        steps: Sequence[StepCode] = wired.steps if wired else () if gang else program.steps
        self.steps = steps
        # A step that is tried again needs its arguments again: then nothing is handed over.
        if len(steps) == 1:  # as below
            self.outputs = {} if steps[0].keep is False else {0: 0}
            self.retried = bool(steps[0].retries)
        else:
            self.outputs = {number: place for place, number in enumerate(program.outputs)}
            self.retried = wired is None and any(step.retries for step in steps)
        self.columns: list[list[Any]] = [[] for _ in self.outputs]
        self.errors: list[Failure] = []
        # When the element that runs has begun, and whether any has recorded calls.
        self.began, self.has_spread, self.noting = 0.0, False, False
        taken = None if gang or wired else plain_columns(assignment, steps, self.feed)
        # Made now: what is wrong with them is no fault of a call. Of lanes each is made alone.
        assert taken is not None or gang or wired or self.calls
        self.plain_elements, plain_steps = plain_runners(
            assignment, steps, hosting, self.loaded, self.outputs, taken
        )
        self._plain_steps = wired or plain_steps
        # A map is cut by its elements: its steps stay together. Lanes stop by themselves.
        is_cut = program.n == 1 and len(steps) > 1 and gang is None
        self._last_beside = wired.last_beside if wired else last_beside(steps) if is_cut else 0

    def use_steps(self, steps: Sequence[StepCode]) -> None:
        """Take the steps of lanes, of which most are never asked for."""
        self.steps = steps

    @cached_property
    def calls(self) -> list[Callable[[int, Sequence[Any]], Any]]:
        """What calls each step for an element."""
        return [self._caller(place) for place in range(len(self.steps))]

    def _caller(self, place: int) -> Callable[[int, Sequence[Any]], Any]:
        step = self.steps[place]
        return caller(step, self.feed, self.loaded(step.function))

    @cached_property
    def _residual(self) -> ResidualSteps:
        return ResidualSteps(
            self.assignment, self.hosting, self.feed, self.outputs, self._store, self._resume
        )

    @cached_property
    def uses(self) -> list[int]:
        """How often the value of each step is used by others of its element."""
        return uses_of(self.steps)

    def loaded(self, item: Any) -> LoadedFunction:
        """Return a function by what steps say of it: a content, or its place among the inputs."""
        if (loaded := self._functions.get(item)) is None:
            content = self.feed.content(item)
            loaded = self._functions[item] = LoadedFunction(self.hosting, content)
        return loaded

    def advance(self, number: int, until: float) -> tuple[int, bool]:
        """Run elements from `number` on, until the time, or one that the page has no room for.

        Return the number of the next one, and whether the page has taken all of them.
        """
        page, subtasks = self.hosting.page, self.hosting.subtasks
        plain = self.plain_elements
        while True:
            if plain is None:
                self.began = time.monotonic()
                self._element(number)
                number += 1
            else:
                number, is_noted, value, error = plain(
                    number, self.columns[0], time.monotonic, until
                )
                if error is None and value is NOTHING:
                    return number, is_noted
                self.began = plain.began
                self._element(number - 1, value, error)
            if number == self.assignment.stop:  # reported at once: a journal is for what goes on
                return number, True
            # What was recorded leaves with the last report: nothing may be reported before it.
            is_noted = subtasks.has_work or (not self.errors and page.add(self.last()))
            if not is_noted or time.monotonic() >= until:
                return number, is_noted

    def _element(
        self, number: int, given: Any = NOTHING, raised: BaseException | None = None
    ) -> None:
        """Run all steps for one element; the first may have given a value, or raised an error."""
        made: list[Any] = []
        # What the host attributes its death to if this process dies in the middle of it.
        self.hosting.page.numbers[ELEMENT] = number
        self.noting = len(self.steps) > 1
        completed = self.assignment.completed_steps
        ended = (
            over(self.steps, number, completed, self.assignment.failed_calls) if completed else {}
        )
        first = 0
        if self._plain_steps is not None:
            is_over = self._is_over if self._last_beside else None
            first, self.noting, given, raised = self._plain_steps(
                number, made, self.columns, is_over
            )
        for place in range(first, len(self.steps)):
            # An executor that died had got so far: the step does not run again.
            if ended and place in ended:
                made.append(self._resume(place, number, ended[place]))
                continue
            if given is NOTHING and raised is None and self._is_over(place):
                spent = time.monotonic() - self.began
                self._residual.return_rest(number, place, made, spent, ended)
                return
            if given is NOTHING:
                given = self.step(number, place, self.steps[place], made, raised)
            elif self.hosting.restore.is_due():
                self.hosting.restore()
            made.append(self._store(place, number, given, self.uses[place]))
            given, raised = NOTHING, None
            if running.CLEANUPS:
                running.clean_up()
            if self.hosting.subtasks.has_diverted():
                self._residual.divert(number, place, made, ended)
                return
            if self.noting:
                self._note(made[-1].records)

    def _note(self, records: tuple[Any, ...]) -> None:
        """Note a step that ended; none behind one that failed, or has calls to report yet."""
        failed = bool(records) and type(records[0]) is Failure
        lost = failed or self.hosting.subtasks.has_work
        self.noting = not lost and self.hosting.page.note(records)

    def _resume(self, place: int, number: int, records: tuple[Any, ...]) -> StepValue:
        """Take what a step has made in an executor that died since."""
        record = records[0] if records else None
        output, keep = self.outputs.get(place), self.steps[place].keep
        if output is not None:
            is_stored = keep is True or bool(keep and keep[number])
            self.columns[output].append(record if is_stored else None)
        if self.noting:  # what is noted stands in order: none behind one for which was no room
            self._note(records)
        return StepValue(None, record, self.uses[place])

    def step(
        self,
        number: int,
        place: int,
        step: StepCode,
        made: Sequence[Any],
        raised: BaseException | None,
    ) -> Any:
        """Return the value of a step, or its `Failure`."""
        key = (number, place)
        if (failed := self.assignment.failed_calls.get(key)) is not None:
            return failed
        self.hosting.page.numbers[STEP] = place
        if raised is None and (death := self.assignment.deaths.get(key)) is not None:
            lazy = self.hosting.lazy() if self.hosting.lazy is not None else None
            if lazy is not None and lazy.restore(key, death):
                return self._made_here(lazy, lazy.go_on(step, number))
        call = self.calls[place] if self.assignment.gang is None else self._caller(place)
        return attempt(
            step,
            number,
            self.assignment.attempts.get(key, 0),
            self.hosting,
            lambda: call(number, made),
            lambda: chain.from_iterable(self.feed.failures(c, number, made) for c in step.columns),
            raised,
        )

    def _store(self, place: int, number: int, value: Any, uses: int) -> StepValue:
        """Keep the value of a step: as a record where it is stored or used twice."""
        output = self.outputs.get(place)
        keep = self.steps[place].keep
        is_stored = output is not None and (keep is True or bool(keep and keep[number]))
        # The hot path of small calls: no look at roles, no pickle.
        if type(value) in IMMEDIATE and not self.hosting.subtasks.recorded:
            if output is not None:
                self.columns[output].append(value if is_stored else None)
            return StepValue(None, value, uses)
        record = value
        is_handle = getattr(type(value), "__pymonik_role__", "") == "handle"
        if (is_handle or self.hosting.subtasks.recorded) and type(value) is not Failure:
            record = value = self.diverted(value, place, number)
        if type(value) not in IMMEDIATE and type(value) is not Failure:
            if is_stored or uses > 1:
                record = self.frozen(value, place, number)
            elif (
                uses == 1
                and not self.retried
                and type(value) is not Content  # it stands for another, which a graph has made
                and is_uniquely_owned(value)
            ):
                if output is not None:  # stored for other elements: this one keeps its place
                    self.columns[output].append(None)
                return owned(value)
            elif uses:
                record = self.frozen(value, place, number)
            else:
                record = None
        if output is not None:
            self.columns[output].append(record if is_stored or type(record) is Failure else None)
        elif type(record) is Failure and not record.path:
            self.errors.append(record)
        return StepValue(None, record, uses)

    def frozen(self, value: Any, place: int, number: int) -> Any:
        """Make the record of a value, or the failure of its call when it cannot be pickled."""
        hosting = self.hosting
        return frozen(value, self.steps[place], number, hosting.worker, hosting.passed)

    def diverted(self, value: Any, place: int, number: int) -> Any:
        """Hand over what the call has recorded; its value may hold what cannot travel."""
        hosting, step = self.hosting, self.steps[place]
        subtasks, is_leaving = hosting.subtasks, hosting.subtasks.has_work
        try:
            value = subtasks.made().divert(value)
        except BaseException as error:
            if isinstance(error, hosting.passed):
                raise
            subtasks.drop_call()
            return failure_of(error, step, number, 1, hosting.worker, hosting.passed)
        self.has_spread = True
        if hosting.lazy is None or is_leaving or not subtasks.has_work:
            return value
        lazy, spent = hosting.lazy(), time.monotonic() - self.began
        rest = self.assignment.stop - number - 1
        return self._made_here(lazy, lazy.run(step, (number, place), value, rest, spent))

    def _made_here(self, lazy: GraphRunner, record: Any) -> Any:
        """Return the record that a graph has made; its other failures are told beside it."""
        self.errors += lazy.errors
        return record

    def _is_over(self, place: int) -> bool:
        """Return whether the steps from `place` on are for others."""
        if not 0 < place < self._last_beside:
            return False
        return self._residual.are_due(place, time.monotonic() - self.began)

    def last(self) -> Any:
        """Return the records of the element that has just ended: alone when there is one output."""
        columns = self.columns
        return columns[0][-1] if len(columns) == 1 else [column[-1] for column in columns]

    def report(self, start: int, stop: int, last: bool = False) -> Report:
        """Hand out the records made since the last report."""
        report = Report(start, stop, self.columns, self.errors, last)
        if last:
            return report
        self.columns, self.errors = [[] for _ in self.outputs], []
        return report
