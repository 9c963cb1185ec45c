"""Lowering within an executor: the graph that a call has recorded, as steps to be run at once.

Enters: nodes that a task has recorded. Leaves: an `Activation`; or None, where the graph is one for
passes and a host: large, or of calls with an environment, an id or a limit of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pymonik.graph.ir import Call, CallSpec, Put, line_of
from pymonik.graph.verbs import visit
from pymonik.graph.visitors import NodeRun
from pymonik.plan.rows import retried_types, shared_fields
from pymonik.runtime.executor.activations import Activation, Argument, Callee, RecordedCall
from pymonik.runtime.executor.calls import ExecutionServices
from pymonik.values.content import Content
from pymonik.values.options import TaskOptions
from pymonik.values.outcome import Failure

# Specs, and call sites, of which an executor keeps what it has worked out.
_KEPT = 512
# Calls that an activation may have: a larger map is cut into units, which costs little a call.
_MOST = 64


class _Elsewhere(Exception):
    """The graph uses what is not in it, or what is not to be noted."""


class Callees:
    """The callees of specs, each made once."""

    def __init__(self, hosting: ExecutionServices) -> None:
        self._hosting = hosting
        # By the ids of specs, which they hold.
        self._known: dict[int, Callee] = {}
        self._sites: dict[tuple[int, int], tuple[Any, str]] = {}

    def site(self, call: Call) -> str:
        """Return "file:line" of a call: worked out once for each place."""
        key = (id(call.site), call.lasti)
        cached = self._sites.get(key)
        if cached is None:
            if len(self._sites) > _KEPT:
                self._sites.clear()
            cached = self._sites[key] = (call.site, line_of(call.site, call.lasti))
        return cached[1]

    def of(self, spec: CallSpec) -> Callee:
        """Return the callee of a spec."""
        callee = self._known.get(id(spec))
        if callee is None:
            if len(self._known) > _KEPT:
                self._known.clear()
            code = shared_fields(spec, spec.code.content, retried_types(spec.options.retry_on))
            seconds = self._hosting.subtasks.made().specs.known_seconds(spec)
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
    key = None if callee.pure else node.spawn_key
    if node.n is None:
        args = tuple([visit(slot, arguments) for slot in node.args])
        yield RecordedCall(callee, args, key, None, site)
        return
    for index in range(node.n):
        row = tuple([visit(column.at(index), arguments) for column in node.args])
        yield RecordedCall(callee, row, key, index, site)


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
