"""Activations: the graph that a call has recorded, as steps to run in order, and how far it came.

Enters: nodes that a task has recorded. Leaves: an `Activation`, the record of a call whose value
its graph is to make. What runs them is the business of `lazy_tasks`.

Arguments of a step: ("v", immediate), ("c", content), ("p", step), ("l", [argument, …]), a list,
("n", content with holes, [argument, …]): much as the columns of `wire.program`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from pymonik.capture.definition_versions import as_seen_by
from pymonik.graph.ir import Call, CallSpec, Put, line_of
from pymonik.graph.verbs import visit
from pymonik.graph.visitors import NodeRun
from pymonik.plan.lower import retried_types, shared_fields
from pymonik.runtime.executor.calls import ExecutionServices, LoadedFunction, applied
from pymonik.runtime.executor.feed import value_for
from pymonik.values.content import Content
from pymonik.values.options import TaskOptions
from pymonik.values.outcome import Failure
from pymonik.wire.program import StepCode

Argument = tuple[Any, ...]

# Specs, and call sites, of which an executor keeps what it has worked out.
_KEPT = 512
# Calls that an activation may have: a larger map is cut into units, which costs little a call.
_MOST = 64


class Callee:
    """What all calls of a spec share in an executor. code: the shared part of a `StepCode`."""

    __slots__ = (
        "apply", "code", "function", "has_definitions", "is_large", "name", "number", "pure",
        "seconds", "spec",
    )  # fmt: skip

    def __init__(
        self,
        code: tuple[Any, ...],
        pure: bool,
        seconds: float | None,
        hosting: ExecutionServices,
        spec: CallSpec | None = None,
    ) -> None:
        self.code, self.pure, self.spec = code, pure, spec
        # How long a call takes, where the program has said it or it is known anyhow.
        self.seconds = seconds
        content, self.name, keywords, context = code[:4]
        self.function = LoadedFunction(hosting, content)
        self.apply = applied(self.function, keywords, context)
        self.has_definitions, self.is_large = content.has_definitions, content.is_shared
        # Its place among those that the log names.
        self.number = -1


class RecordedCall(NamedTuple):
    """One call. base: its number in a map, None for a single call. place: where seeds come from."""

    callee: Callee
    args: tuple[Argument, ...]
    place: Any
    base: int | None
    site: str

    def code(self) -> StepCode:
        """Return it as a step of a program."""
        return StepCode._make((*self.callee.code, (), True, self.site, self.base, self.place))

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

    __slots__ = ("died", "known", "mark", "root", "steps", "unneeded", "value", "values")

    def __init__(self, steps: list[RecordedCall], root: int | None, value: Any = None) -> None:
        self.steps, self.root, self.value = steps, root, value
        self.values: list[Any] = []
        self.unneeded = _unneeded(steps, root)
        self.died = 0
        self.mark: Any = None
        self.known = 0

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


def value_of(argument: Argument, values: Sequence[Any]) -> Any:
    """Make the value of an argument."""
    kind, what = argument[0], argument[1]
    if kind == "v":
        return what
    if kind == "p":
        return value_for(values[what])
    if kind == "c":
        return what.load()
    if kind == "l":
        return [value_of(item, values) for item in what]
    return what.load([value_of(item, values) for item in argument[2]])


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


class _Elsewhere(Exception):
    """The graph uses what is not in it, or what is not to be noted."""


class Callees:
    """The callees of specs, each made once."""

    def __init__(self, hosting: ExecutionServices) -> None:
        self._hosting = hosting
        self._known: dict[int, Callee] = {}
        self._sites: dict[tuple[int, int], tuple[Any, str]] = {}

    def site(self, call: Call) -> str:
        """Return "file:line" of a call: worked out once for each place."""
        key = (id(call.site), call.lasti)
        known = self._sites.get(key)
        if known is None:
            if len(self._sites) > _KEPT:
                self._sites.clear()
            known = self._sites[key] = (call.site, line_of(call.site, call.lasti))
        return known[1]

    def of(self, spec: CallSpec) -> Callee:
        """Return the callee of a spec."""
        callee = self._known.get(id(spec))
        if callee is None:
            if len(self._known) > _KEPT:
                self._known.clear()
            code = shared_fields(spec, spec.code.content, retried_types(spec.options.retry_on))
            seconds = self._hosting.subtasks.specs.known_seconds(spec)
            callee = Callee(code, spec.pure, seconds, self._hosting, spec)
            self._known[id(spec)] = callee
        return callee


def activation_of(
    nodes: Sequence[Any], root: Any, callees: Callees, own: TaskOptions
) -> Activation | None:
    """Return the activation of a graph; None where it is not one to be run here.

    root: the node and index of the value of the call, None where it has one of its own. own: the
    options of the call that has recorded it.
    """
    places: dict[int, int] = {}
    arguments = _StepArguments(places)
    steps: list[RecordedCall] = []
    pure: set[int] = set()
    try:
        for node in nodes:
            if type(node) is Put:
                continue
            if not _is_plain(node, own) or len(steps) + (node.n or 1) > _MOST:
                return None
            callee = callees.of(node.spec)
            if callee.is_large:
                return None
            if callee.pure and callee.seconds is None:
                if id(callee) in pure:  # equal calls are one, which passes see to
                    return None
                pure.add(id(callee))
            steps_of_node = list(_steps(node, callee, callees.site(node), arguments))
            places[id(node)] = len(steps)
            steps += steps_of_node
        place = None if root is None else arguments.output(*root)
    except _Elsewhere:
        return None
    if place is not None and place[0] != "p":
        return None
    return Activation(steps, None if place is None else place[1])


def _is_plain(node: Call, own: TaskOptions) -> bool:
    """Return whether a call may run where its parent does, under no id or limit of its own."""
    options = node.spec.options
    return (
        node.ids is None
        and node.spec.environment is None
        and options.seconds is None
        and options.priority == own.priority
        and options.partition_id == own.partition_id
    )


def _steps(
    node: Call, callee: Callee, site: str, arguments: _StepArguments
) -> Iterator[RecordedCall]:
    place = None if callee.pure else node.place
    if node.n is None:
        args = tuple([visit(slot, arguments) for slot in node.args])
        yield RecordedCall(callee, args, place, None, site)
        return
    for index in range(node.n):
        row = tuple([visit(column.at(index), arguments) for column in node.args])
        yield RecordedCall(callee, row, place, index, site)


class _StepArguments:
    """Writes slot values as arguments of steps: a visitor. places: first steps, by ids of nodes."""

    def __init__(self, places: dict[int, int]) -> None:
        self._places = places

    def immediate(self, value: Any) -> Argument:
        """Write a plain value."""
        if type(value) is Failure:
            raise _Elsewhere
        return ("v", value)

    def content(self, content: Content) -> Argument:
        """Write a captured value."""
        _demand_small(content)
        return ("c", content)

    def output(self, node: Any, index: int) -> Argument:
        """Write the step that makes an output."""
        if type(node) is Put:
            return self.content(node.content)
        first = self._places.get(id(node))
        if first is None:
            raise _Elsewhere
        return ("p", first + index)

    def outputs(self, runs: Sequence[NodeRun]) -> Argument:
        """Write the steps that make a list of outputs."""
        return ("l", [self.output(node, index) for node, run in runs for index in run])

    def template(self, content: Content, slots: Sequence[Any]) -> Argument:
        """Write a captured value, and what goes into its holes."""
        _demand_small(content)
        return ("n", content, [visit(slot, self) for slot in slots])

    def earlier(self, step: int) -> Argument:
        """Refuse: what is recorded has no steps."""
        raise _Elsewhere


def _demand_small(content: Content) -> None:
    """Leave graphs with large contents to the host: a log would copy them."""
    if content.is_shared:
        raise _Elsewhere
