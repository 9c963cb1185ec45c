"""Making plans: one place for what turns a graph into a plan, loaded by the first flush.

Enters: graphs, and what they are compiled for. Leaves: plans, made by a template of a call that was
compiled before, or by passes and lowering. What a client adds is the business of its `compiler`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pymonik.graph.ir import Graph
from pymonik.graph.passes import run_passes
from pymonik.graph.target import Target
from pymonik.plan.lower import bind, bind_call, lower
from pymonik.plan.plan import Plan, Source
from pymonik.plan.template import RepeatedPlan, Templates
from pymonik.system.garbage import go_on, put_off


class PlanMaker:
    """Makes the plans of one client."""

    def __init__(self) -> None:
        # Of calls like those that were compiled before.
        self.templates = Templates()

    def target(
        self,
        slots: int,
        isolates_delegating: bool,
        seconds: Mapping[str, float],
        grain: int,
        exchanges: bool,
    ) -> Target:
        """Return what graphs are compiled for: see `Target`."""
        return Target(
            slots,
            durations=seconds,
            isolates_delegating=isolates_delegating,
            grain=grain,
            exchanges=exchanges,
        )

    def repeated(self, graph: Graph, optimize: Any) -> Plan | None:
        """Return the plan of a graph like one before; None where there was none."""
        return self.templates.plan(graph, optimize)

    def make(self, graph: Graph, target: Target, optimize: Any) -> Plan:
        """Return the plan of a graph."""
        with _collecting_later():
            plan = lower(run_passes(graph, target, optimize))
        self.templates.note(graph, optimize, plan)
        return plan

    def source(self, *fields: Any) -> Source:
        """Return what a plan is compiled of, and for what: see `Source`."""
        return Source(*fields)

    def bind(self, plan: Plan) -> None:
        """Let the nodes of a plan know where their values will be."""
        if type(plan) is RepeatedPlan:
            bind_call(plan.of.call, plan.of.location)
        else:
            bind(plan.graph, plan)


@contextmanager
def _collecting_later() -> Iterator[None]:
    """Put garbage collection off: a compiler makes many objects at once, and none in a cycle."""
    block = object()
    try:
        put_off(block)
        yield
    finally:
        try:
            go_on(block)
        except BaseException:  # raised by a handler, as that of Ctrl-C
            go_on(block)
            raise
