"""Activations: the graph that a call has recorded, as steps to run in order, and how far it came.

An `Activation` is the record of a call whose value its graph is to make. `lowering` makes them of
nodes, `lazy_tasks` runs them.

Arguments of a step: ("v", immediate), ("c", content), ("p", step), ("l", [argument, …]), a list,
("n", content with holes, [argument, …]): much as the columns of `wire.program`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pymonik.capture.definitions.arguments import load_argument
from pymonik.capture.definitions.versions import as_seen_by
from pymonik.graph.ir import CallSpec
from pymonik.runtime.executor.calls import SHORT, ExecutionServices, LoadedFunction, applied
from pymonik.runtime.executor.feed import value_for
from pymonik.system.structs import NamedTuple
from pymonik.values.content import IMMEDIATE
from pymonik.values.outcome import Failure
from pymonik.wire.program import StepCode

Argument = tuple[Any, ...]
_OPTIONS = StepCode._fields.index("options")


class Callee:
    """What all calls of a spec share in an executor. code: the shared part of a `StepCode`."""

    __slots__ = (
        "apply", "call_spec", "code", "function", "has_definitions", "is_bare", "is_large",
        "is_short", "name", "number", "options", "pure", "seconds",
    )  # fmt: skip

    def __init__(
        self,
        code: tuple[Any, ...],
        pure: bool,
        seconds: float | None,
        hosting: ExecutionServices,
        spec: CallSpec | None = None,
    ) -> None:
        self.code, self.pure, self.call_spec = code, pure, spec
        # How long a call takes, where the program has said it or it is known anyhow.
        self.seconds = seconds
        self.is_short = None if seconds is None else seconds <= SHORT
        content, self.name, keywords, context = code[:4]
        self.function = LoadedFunction(hosting, content)
        self.apply = applied(self.function, keywords, context)
        self.has_definitions, self.is_large = content.has_definitions, content.is_shared
        # Whether it takes its arguments by position, and nothing else, with no look at classes.
        self.is_bare = not (keywords or context or self.has_definitions)
        self.options = code[_OPTIONS]
        # Its place among those that the log names.
        self.number = -1


class RecordedCall(NamedTuple):
    """One call. base: its number in a map, if it has one. spawn_keys: where its seed is from.

    While it runs, it stands for the step of a program (`State.step`), which few calls ask for.
    """

    callee: Callee
    args: tuple[Argument, ...]
    spawn_keys: Any
    base: int | None
    site: str

    @property
    def options(self) -> Any:
        """The options of the step."""
        return self.callee.options

    def __getattr__(self, name: str) -> Any:
        return getattr(self.code(), name)

    def code(self) -> StepCode:
        """Return it as a step of a program."""
        return StepCode._make((*self.callee.code, (), True, self.site, self.base, self.spawn_keys))

    def call(self, values: Sequence[Any]) -> Any:
        """Call the function, given the records of earlier steps."""
        callee = self.callee
        if not callee.has_definitions:
            return callee.apply([value_of(argument, values) for argument in self.args])
        with as_seen_by(callee.function.classes()):
            arguments = [value_of(argument, values) for argument in self.args]
        return callee.apply(arguments)

    def failures(self, values: Sequence[Any]) -> Iterator[Failure]:
        """Return the failures among what it is given."""
        for argument in self.args:
            yield from failures_in(argument, values)


class Activation:
    """A graph under way. root: the step whose value is that of the call, None: `value` is.

    values: the records of steps that have ended, in order. unneeded: steps that need not run. died:
    how often the next step was tried in executors that are dead. mark: where its log began.
    """

    __slots__ = ("died", "logged", "mark", "root", "steps", "unneeded", "value", "values")

    def __init__(
        self,
        steps: list[RecordedCall],
        root: int | None,
        value: Any = None,
        unneeded: frozenset[int] | None = None,
    ) -> None:
        self.steps, self.root, self.value = steps, root, value
        self.values: list[Any] = []
        self.unneeded = _unneeded(steps, root) if unneeded is None else unneeded
        self.died = 0
        self.mark: Any = None
        self.logged = 0

    @property
    def result(self) -> Any:
        """The record of the call, once all steps have ended."""
        return self.value if self.root is None else self.values[self.root]

    @property
    def left(self) -> int:
        """How many steps have not ended."""
        return len(self.steps) - len(self.values)

    @property
    def is_tail(self) -> bool:
        """Return whether the step that runs makes the value of the call, and is the last one."""
        return self.root == len(self.values) == len(self.steps) - 1


def arguments_of(step: RecordedCall, values: Sequence[Any]) -> list[Any]:
    """Make the arguments of a call, given the records of earlier steps."""
    made = []
    for argument in step.args:
        kind, what = argument[0], argument[1]
        if kind == "v":
            made.append(what)
        elif kind == "p" and type(record := values[what]) in IMMEDIATE:
            made.append(record)
        else:
            made.append(value_of(argument, values))
    return made


def value_of(argument: Argument, values: Sequence[Any]) -> Any:
    """Make the value of an argument."""
    kind, what = argument[0], argument[1]
    if kind == "v":
        return what
    if kind == "p":
        return value_for(values[what])
    if kind == "c":
        return load_argument(what)
    if kind == "l":
        return [value_of(item, values) for item in what]
    return load_argument(what, [value_of(item, values) for item in argument[2]])


def failures_in(argument: Argument, values: Sequence[Any]) -> Iterator[Failure]:
    """Return the failures among the values that an argument is made of."""
    kind = argument[0]
    if kind == "p" and type(values[argument[1]]) is Failure:
        yield values[argument[1]]
    elif kind in "ln":
        for item in argument[-1]:
            yield from failures_in(item, values)


def sources(argument: Argument) -> Iterator[int]:
    """Return the steps whose values an argument is made of."""
    kind = argument[0]
    if kind == "p":
        yield argument[1]
    elif kind in "ln":
        for item in argument[-1]:
            yield from sources(item)


def _unneeded(steps: list[RecordedCall], root: int | None) -> frozenset[int]:
    """Return the pure steps whose values nobody needs."""
    if not any(step.callee.pure for step in steps):
        return frozenset()
    needed = {root}
    for number in range(len(steps) - 1, -1, -1):
        if number in needed or not steps[number].callee.pure:
            needed.update(source for arg in steps[number].args for source in sources(arg))
            needed.add(number)
    return frozenset(range(len(steps))) - needed
