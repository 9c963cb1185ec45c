"""Assignments: what an executor is to run now, and how it makes one call of it.

Enters: a program, its inputs, a range of elements. Leaves: functions that call the user's code for
an element, and `Report`s. Which calls are made, and what becomes of their values, is the business
of `step_runner`, and of `plain` and `plain_lane` where less has to be kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from pymonik.capture.definitions.shown import SHOWN
from pymonik.runtime.executor.call_contexts import CallContexts
from pymonik.runtime.executor.context import context
from pymonik.runtime.executor.feed import ArgumentReader
from pymonik.runtime.executor.later_subtasks import RecordedCalls
from pymonik.runtime.executor.restorer import Restorer
from pymonik.runtime.executor.resume import DeathRecord
from pymonik.system.structs import Struct, field
from pymonik.values.content import Content
from pymonik.values.outcome import Failure
from pymonik.wire.program import Program, StepCode

if TYPE_CHECKING:
    from pymonik.wire.shared_cells import Gang

# One shared empty mapping: making several per unit slows small units measurably.
_NONE: Mapping[Any, Any] = MappingProxyType({})
# Durations kept per task: three is the fewest that has a median.
_LAST = 3
# Seconds up to which calls are short: those of a graph run where it was made, one after the other.
SHORT = 0.005


class GraphRunner(Protocol):
    """Runs what a call has recorded: see `lazy_tasks`.

    errors: failures of calls whose values nobody has asked for.
    """

    errors: list[Failure]

    def run(self, step: StepCode, at: tuple[int, int], value: Any, rest: int, spent: float) -> Any:
        """Run what a call has just recorded; return the record of its value."""

    def restore(self, at: tuple[int, int], death: DeathRecord) -> bool:
        """Take what an executor has left when it died; False when that is nothing."""

    def go_on(self, step: StepCode, number: int) -> Any:
        """Run what was taken; return the record of the call's value."""


class Durations:
    """Seconds of calls, by the names of tasks, as an executor has seen them: its own work only.

    The middle one of the last three counts, the shortest of fewer: one that was disturbed, or had
    to import what others use, changes nothing.
    """

    def __init__(self) -> None:
        self._last: dict[str, tuple[float, ...]] = {}
        # Tasks whose last calls were all short: who has made another one may leave it unnoted.
        self.short: set[str] = set()

    def observe_duration(self, name: str, seconds: float) -> None:
        """Note how long a call took."""
        self._last[name] = last = (*self._last.get(name, ())[1 - _LAST :], seconds)
        if len(last) == _LAST and max(last) <= SHORT:
            self.short.add(name)
        else:
            self.short.discard(name)

    def observe_element(self, names: Sequence[str], seconds: float) -> None:
        """Note how long an element took; its steps, given by name, are taken for alike."""
        each = seconds / len(names)
        if len(names) > _LAST:  # of a chain of thousands no more is kept
            names = [name for name, count in Counter(names).items() for _ in range(count)[:_LAST]]
        for name in names:
            self.observe_duration(name, each)

    def expected(self, name: str) -> float | None:
        """Return how long a call takes; None where nothing is known."""
        last = self._last.get(name)
        if last is None:
            return None
        return sorted(last)[1] if len(last) > 2 else min(last)


class ExecutionServices(Struct, frozen=False):
    """What differs between hosts.

    worker: its name, for errors. functions: gives the function of a content, cached. page:
    where the host reads element, step and deadline (see `wire.journal`). passed: what is not the
    failure of a call, but ends the run. subtasks: where calls recorded by tasks go. restore: undoes
    what a call did to the process. contexts: those that calls run in. lazy: gives what runs graphs
    that calls record, where that is done here. durations: of calls.
    """

    worker: str
    functions: Callable[[Content], Any]
    page: Any
    passed: tuple[type[BaseException], ...]
    subtasks: RecordedCalls
    restore: Restorer
    contexts: CallContexts = field(default_factory=CallContexts)
    lazy: Callable[[], GraphRunner] | None = None
    durations: Durations = field(default_factory=Durations)


class Report(Struct, frozen=False):
    """Records of elements `start` to `stop`, a list a stored step; `errors` of values not stored.

    After the `last` report of a run, what is left is for the host to place anew. Of a unit that
    several run, see `lane`: held are records of steps that are nowhere else; is_late:
    others have run the part that was to be run here.
    """

    start: int
    stop: int
    columns: list[list[Any]]
    errors: list[Failure]
    last: bool = False
    held: Mapping[int, Any] = _NONE
    is_late: bool = False


class Assignment(Struct):
    """A range of elements of a program to run now.

    attempts, failed_calls, completed_steps, deaths: of earlier attempts, by (element, step). each:
    seconds that a step takes of a unit whose other steps are to run elsewhere. gang: the part of
    this executor, where several run the unit.
    """

    program: Program
    sources: Sequence[Any]
    start: int
    stop: int
    attempts: Mapping[tuple[int, int], int] = _NONE
    failed_calls: Mapping[tuple[int, int], Failure] = _NONE
    completed_steps: Mapping[tuple[int, int], tuple[Any, ...]] = _NONE
    deaths: Mapping[tuple[int, int], DeathRecord] = _NONE
    each: float | None = None
    gang: Gang | None = None

    @property
    def was_tried(self) -> bool:
        """Return whether executors have died of it, or with it."""
        return bool(self.attempts or self.failed_calls or self.completed_steps or self.deaths)


def caller(
    step: StepCode, feed: ArgumentReader, function: LoadedFunction
) -> Callable[[int, Sequence[Any]], Any]:
    """Return what calls one step for one element, given what the steps before it have made."""
    getters = [feed.getter(column) for column in step.columns]
    if function.content.has_definitions:
        getters = [_seeing(function, getter) for getter in getters]
    if len(getters) == 1 and not step.keywords and not step.context:
        new_context, only = function.hosting.contexts.new, getters[0]
        return lambda element, made: new_context().run(function(), only(element, made))
    apply = applied(function, step.keywords, step.context)
    return lambda element, made: apply([get(element, made) for get in getters])


def applied(
    function: LoadedFunction, names: Sequence[str], is_told: bool
) -> Callable[[list[Any]], Any]:
    """Return what calls a function with a list of values, the last ones under their names.

    is_told: whether it takes its context first.
    """
    new_context = function.hosting.contexts.new

    def apply(values: list[Any]) -> Any:
        if is_told:
            values = [context(), *values]
        plain = len(values) - len(names)
        named = dict(zip(names, values[plain:]))
        return new_context().run(function(), *values[:plain], **named)

    if is_told or names:
        return apply
    return lambda values: new_context().run(function(), *values)


def _seeing(function: LoadedFunction, getter: Any) -> Any:
    """Load an argument with classes as the function knows them, whoever made it and when."""
    from pymonik.capture.definitions.versions import as_seen_by  # not before the first value

    def get(element: int, made: Sequence[Any]) -> Any:
        with as_seen_by(function.classes()):
            return getter(element, made)

    return get


class LoadedFunction:
    """A function that is loaded when it is first called, so that failing to load fails the call."""

    __slots__ = ("_classes", "_value", "content", "hosting")

    def __init__(self, hosting: ExecutionServices, content: Content) -> None:
        self.hosting = hosting
        self.content = content
        self._value: Any = None
        self._classes: dict[str, Any] | None = None

    def classes(self) -> dict[str, Any]:
        """Return the classes that it was loaded with."""
        if self._classes is None:
            from pymonik.capture.definitions.versions import known_by  # not before the first value

            self()
            self._classes = known_by(self.content.buffers)
        return self._classes

    def __call__(self) -> Any:
        """Return it, loaded."""
        if self._value is None:
            self._value = self.hosting.functions(self.content)
        if SHOWN.function is not self._value:
            SHOWN.enter(self._value)
        return self._value
