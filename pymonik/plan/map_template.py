"""Execution templates of maps: calls that the passes have folded into one map before.

Enters: a graph of calls that has become one map of several elements: a loop of calls, or of chains
of them; and, later, calls that are wired alike. Leaves: the plan that compiling gives: the map is
made of these calls, cut by `batch`, which looks at durations, and lowered. What costs most is left
out: to find out what can be folded and fused.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

from pymonik.graph.columns import Const, FromStep, Immediates
from pymonik.graph.compact import Moves, column_of
from pymonik.graph.ir import Call, Graph, Map, Step
from pymonik.graph.passes import selected
from pymonik.graph.passes.batch import batch
from pymonik.graph.target import Target
from pymonik.graph.verbs import Column
from pymonik.plan.lower import lower
from pymonik.plan.plan import Plan
from pymonik.plan.wiring import Wiring
from pymonik.values.content import IMMEDIATE

_UNMOVED = Moves({})


class MapTemplate:
    """What the plans of graphs have in common that become maps alike. It keeps no call alive."""

    def __init__(self, graph: Graph, made: Graph, optimize: Any) -> None:
        (node,) = made.nodes
        calls = list(chain.from_iterable([step.origins for step in node.steps]))
        self._wiring = Wiring(graph, calls, list(chain.from_iterable(map(_wanted, node.steps))))
        self._n, self._chunk, self._depth = node.n, node.chunk, node.depth
        self._wanted = [step.wanted for step in node.steps]
        # Of each column, the step whose values it has, None where they are plain; and its kind.
        self._columns = [
            [(c if type(c) is FromStep else None, type(c)) for c in step.columns]
            for step in node.steps
        ]
        self._is_cut = "batch" in selected(optimize)
        # Drop the note of `batch` (the last pass, one note per map): it runs again for each plan
        # and adds its own.
        self._notes = made.notes[:-1] if self._is_cut else made.notes

    @property
    def is_closed(self) -> bool:
        """Whether its calls are single ones, and use no others: else it is of no use."""
        return self._wiring.is_closed

    @property
    def calls(self) -> int:
        """How many calls it is of."""
        return len(self._wiring.order)

    def plan_of(self, nodes: Sequence[Any], target: Target) -> Plan | None:
        """Return the plan of a graph of as many calls; None where they are not alike."""
        alike = self._wiring.slots_of(nodes)
        if alike is None:
            return None
        (calls, slots), n, first, steps = alike, self._n, 0, []
        for number, (columns, wanted) in enumerate(zip(self._columns, self._wanted)):
            members = calls[number * n : (number + 1) * n]
            arity = len(columns)
            made: list[Column] = []
            for place, (earlier, kind) in enumerate(columns, first):
                column = earlier or column_of(slots[place : place + n * arity : arity], _UNMOVED)
                if type(column) is not kind:  # all calls have the same value now, or not any more
                    return None
                made.append(column)
            first += n * arity
            steps.append(Step(members[0].spec, tuple(made), tuple(members), wanted))
        graph = Graph((Map(tuple(steps), n, self._chunk, self._depth),), {}, self._notes)
        return lower(batch(graph, target) if self._is_cut else graph)


def is_of_plain_calls(node: Map) -> bool:
    """Return whether a map is of single calls, which take plain values and those of its steps."""
    return all(
        len(step.origins) == node.n
        and set(map(type, step.origins)) == {Call}
        and all(map(_is_plain, step.columns))
        for step in node.steps
    )


def _is_plain(column: Column) -> bool:
    kind = type(column)
    return kind in (FromStep, Immediates) or (kind is Const and type(column.at(0)) in IMMEDIATE)


def _wanted(step: Step) -> list[bool]:
    count = len(step.origins)
    return [step.wanted] * count if isinstance(step.wanted, bool) else list(map(bool, step.wanted))
