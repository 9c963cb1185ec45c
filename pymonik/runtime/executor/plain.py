"""Plain steps, which most are: they take immediates, make immediates, and have no limits.

Enters: the steps of a unit that are plain. Leaves: their records, and what is not plain after all,
an error or a value of another kind, for `run` to go on with. All that is done around each call in
general is done here, too, in a tenth of the time: about 0.5 µs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice, repeat
from typing import TYPE_CHECKING, Any, Protocol

from pymonik.capture.definitions.shown import SHOWN
from pymonik.runtime.executor import state as running
from pymonik.runtime.executor.calls import Assignment, ExecutionServices, LoadedFunction
from pymonik.runtime.executor.feed import ArgumentReader
from pymonik.values.content import IMMEDIATE
from pymonik.wire.journal import ELEMENT, STEP

if TYPE_CHECKING:
    from pymonik.wire.program import StepCode

# Of a step that was not run here.
NOTHING = object()


def plain_columns(
    assignment: Assignment, steps: Sequence[StepCode], feed: ArgumentReader
) -> list[list[Any]] | None:
    """Return the columns of plain steps; None where some are not, or were tried before.

    Values of other units stand in them as they are: immediates, which is what most of them are.
    """
    if assignment.was_tried:
        return None
    taken: list[list[Any]] = []
    for step in steps:
        if step.limit or step.retries or step.context or step.keywords:
            return None
        columns = [_plain(column, feed) for column in step.columns]
        if None in columns:
            return None
        taken.append(columns)
    return taken


def _plain(column: Any, feed: ArgumentReader) -> Any:
    kind = column[0]
    if kind != "r":
        return column if kind in "vsp" else None
    records = feed.records(column[1])
    if not IMMEDIATE.issuperset(map(type, records)):
        return None
    return ("v", records[0]) if len(records) == 1 else ("s", records)


def plain_runners(
    assignment: Assignment,
    steps: Sequence[StepCode],
    hosting: ExecutionServices,
    functions: Callable[[Any], LoadedFunction],
    outputs: dict[int, int],
    columns: list[list[Any]] | None,
) -> tuple[ElementRunner | None, PlainSteps | None]:
    """Return what runs the elements of a unit, or the steps of each, None where they are not plain.

    columns: see `plain_columns`.
    """
    if columns is None:
        return None, None
    if len(steps) > 1:
        return None, PlainSteps(steps, hosting, functions, outputs, columns)
    step = steps[0]
    if step.keep is not True:
        return None, None
    return PlainElements(assignment, hosting, step, functions(step.function), columns[0]), None


class ElementRunner(Protocol):
    """What calls the only step of a unit for elements.

    began: when the last of them has begun, on time.monotonic.
    """

    began: float

    def __call__(
        self, number: int, column: list[Any], clock: Callable[[], float], until: float, /
    ) -> tuple[int, bool, Any, BaseException | None]:
        """Run elements from `number` on, until the time: append their values to the column.

        Return the number of the next one, whether the page has taken all of them, and what the
        last one has made where that is not plain: its value, or the error that it has raised.
        """


class PlainElements:
    """Calls the only step of a unit for element after element, each once and in order."""

    def __init__(
        self,
        assignment: Assignment,
        hosting: ExecutionServices,
        step: StepCode,
        function: LoadedFunction,
        columns: Sequence[Any],
    ) -> None:
        self._hosting = hosting
        self._load = function
        # When the last element has begun.
        self.began = 0.0
        # The function, once an element was run; and whether it calls nothing, once that was asked.
        self._function: Any = None
        self._is_closed: bool | None = None
        self._rows: Iterator[tuple[Any, ...]] = (
            zip(*[_values(column, assignment) for column in columns])
            if columns
            else repeat((), assignment.stop - assignment.start)
        )
        running.STATE.begin(step, assignment.start, 1)

    def __call__(
        self, number: int, column: list[Any], clock: Callable[[], float], until: float, /
    ) -> tuple[int, bool, Any, BaseException | None]:
        """Run elements, as `ElementRunner` says."""
        if self._function is not None:  # behind the first element: lone ones do not ask
            if self._is_closed is None:
                from pymonik.runtime.executor.closed_code import is_closed  # not before a value

                self._is_closed = is_closed(self._function)
            if self._is_closed:
                ran = self._run_closed(self._function, number, column, clock, until)
                if running.CHANGES or self._hosting.restore.is_changed():  # by a thread left behind
                    self._hosting.restore()
                    running.clean_up()
                return ran
        hosting, load, function = self._hosting, self._load, None
        page, numbers, state = hosting.page, hosting.page.numbers, running.STATE
        add_plain, append = page.add_plain, column.append
        changes, is_changed = running.CHANGES, hosting.restore.is_changed  # as `is_due` asks
        recorded, new_context = hosting.subtasks.recorded, hosting.contexts.maker()
        self.began = clock()
        for args in self._rows:
            numbers[ELEMENT] = state.index = number
            number += 1
            try:
                if function is None or SHOWN.function is not function:
                    function = load()
                value = new_context().run(function, *args)
            except BaseException as error:
                return number, False, NOTHING, error
            # What is noted as it is has to be immediate: one question for both, of most values.
            is_noted = not recorded and add_plain(value)
            if not is_noted:
                if recorded or type(value) not in IMMEDIATE:
                    return number, False, value, None
                is_noted = page.add(value)
            append(value)
            if changes or is_changed():
                hosting.restore()
                running.clean_up()
            self.began = now = clock()
            if not is_noted or now >= until:
                self._function = function
                return number, is_noted, NOTHING, None
        return number, True, NOTHING, None

    def _run_closed(
        self,
        function: Callable[..., Any],
        number: int,
        column: list[Any],
        clock: Callable[[], float],
        until: float,
    ) -> tuple[int, bool, Any, BaseException | None]:
        """Run elements of a function that calls nothing: there is nothing to put back behind it."""
        page, numbers = self._hosting.page, self._hosting.page.numbers
        add_plain, append, recorded = page.add_plain, column.append, self._hosting.subtasks.recorded
        self.began, state = clock(), running.STATE
        for args in self._rows:
            numbers[ELEMENT] = state.index = number
            number += 1
            try:
                value = function(*args)
            except BaseException as error:
                return number, False, NOTHING, error
            # As above, written out: to call a function here would take as long as all the rest.
            is_noted = not recorded and add_plain(value)
            if not is_noted:
                if recorded or type(value) not in IMMEDIATE:
                    return number, False, value, None
                is_noted = page.add(value)
            append(value)
            self.began = now = clock()
            if not is_noted or now >= until:
                return number, is_noted, NOTHING, None
        return number, True, NOTHING, None


def _values(column: Any, assignment: Assignment) -> Iterator[Any]:
    """Return what fills a parameter of the elements of an assignment, one after the other."""
    kind, what = column
    if kind == "v":
        return repeat(what, assignment.stop - assignment.start)
    return islice(what, assignment.start, assignment.stop)


class PlainSteps:
    """Calls the steps of a unit for one element, one after the other, as far as they are plain."""

    def __init__(
        self,
        steps: Sequence[StepCode],
        hosting: ExecutionServices,
        functions: Callable[[Any], LoadedFunction],
        outputs: dict[int, int],
        columns: Sequence[list[Any]],
    ) -> None:
        self._hosting = hosting
        self._steps = [
            (step, functions(step.function), columns[place], _source(step), outputs.get(place))
            for place, step in enumerate(steps)
        ]

    def __call__(
        self,
        number: int,
        made: list[Any],
        columns: Sequence[list[Any]],
        is_over: Callable[[int], bool] | None,
    ) -> tuple[int, bool, Any, BaseException | None]:
        """Run steps, which append what they make; return the place of the first that is left.

        is_over: tells whether the steps from a place on are left for others.

        Also: whether the page has taken what they made, and the value or the error of the first
        that is left, where it was run.
        """
        hosting, numbers = self._hosting, self._hosting.page.numbers
        state, recorded = running.STATE, hosting.subtasks.recorded
        note, is_due = hosting.page.note, hosting.restore.is_due
        new_context = hosting.contexts.maker()
        # What was recorded leaves with the last report: nothing may be reported before it.
        is_noted = not hosting.subtasks.has_work
        for place, (step, load, taken, source, output) in enumerate(self._steps):
            if is_over is not None and is_over(place):
                return place, is_noted, NOTHING, None
            numbers[STEP] = place
            state.begin(step, number, 1)
            try:
                if source is not None:
                    value = new_context().run(load(), made[source])
                else:
                    args = [_argument(column, number, made) for column in taken]
                    value = new_context().run(load(), *args)
            except BaseException as error:
                return place, is_noted, NOTHING, error
            if is_due():
                hosting.restore()
            if type(value) not in IMMEDIATE or recorded:
                return place, is_noted, value, None
            made.append(value)
            if output is not None:
                keep = step.keep
                is_stored = keep is True or bool(keep and keep[number])
                columns[output].append(value if is_stored else None)
            if running.CLEANUPS:
                running.clean_up()
            is_noted = is_noted and note((value,))
        return len(self._steps), is_noted, NOTHING, None


def _source(step: StepCode) -> int | None:
    """Return the step whose value is the only argument; None where there is another kind of it."""
    if len(step.columns) == 1 and step.columns[0][0] == "p":
        return int(step.columns[0][1])
    return None


def _argument(column: Any, number: int, made: Sequence[Any]) -> Any:
    kind, what = column
    return what if kind == "v" else what[number] if kind == "s" else made[what]
