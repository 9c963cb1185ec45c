"""Making plans: one place for what turns a graph into a plan, loaded by the first flush.

Enters: graphs, and what they are compiled for. Leaves: plans, made by a template, or by passes and
lowering, which are loaded when they are needed: a single call needs none. What a client adds is the
business of its `compiler`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pymonik.graph.ir import Call, Graph
from pymonik.graph.slots import Ref
from pymonik.plan.plan import Plan, Source
from pymonik.plan.repeated import RepeatedPlan
from pymonik.plan.template import Templates
from pymonik.system.deferred_signals import Loading
from pymonik.system.garbage import collecting_later

if TYPE_CHECKING:
    from pymonik.graph.target import Target
    from pymonik.plan.graph_template import GraphTemplates


class PlanMaker:
    """Makes the plans of one client."""

    def __init__(self) -> None:
        # Of calls like those that were compiled before; and of graphs of them, where there was more
        # than one of these.
        self.templates = Templates()
        self.graph_templates: GraphTemplates | None = None
        self._has_made_graph = False

    def target(
        self,
        slots: int,
        isolates_delegating: bool,
        seconds: Mapping[str, float],
        grain: int,
        exchanges: bool,
    ) -> Target:
        """Return what graphs are compiled for: see `Target`."""
        with Loading():
            from pymonik.graph.target import Target
        return Target(
            slots,
            durations=seconds,
            isolates_delegating=isolates_delegating,
            grain=grain,
            exchanges=exchanges,
        )

    def repeated(self, graph: Graph, optimize: Any, target: Callable[[], Target]) -> Plan | None:
        """Return the plan of a graph like one before; None where there was none."""
        if len(graph.nodes) < 2:
            return self.templates.plan(graph, optimize)
        return collecting_later(lambda: self._repeated(graph, optimize, target))

    def _repeated(self, graph: Graph, optimize: Any, target: Callable[[], Target]) -> Plan | None:
        plan = None
        if may_be_chain(graph.nodes):
            with Loading():
                from pymonik.plan.chain_template import chain_plan
            plan = chain_plan(graph, optimize)
        if plan is not None:
            target()  # as of now, for who looks at the plan later: durations change
        elif self.graph_templates is not None:
            plan = self.graph_templates.plan(graph, optimize, target())
        return plan

    def make(self, graph: Graph, target: Target, optimize: Any) -> Plan:
        """Return the plan of a graph."""
        with Loading():
            from pymonik.graph.passes import run_passes
            from pymonik.plan.lower import lower
        plan = collecting_later(lambda: lower(run_passes(graph, target, optimize)))
        if len(graph.nodes) < 2:
            self.templates.note(graph, optimize, plan)
        elif self._has_made_graph:
            self._graph_templates().note(graph, optimize, target, plan)
        else:
            self._has_made_graph = True
        return plan

    def _graph_templates(self) -> GraphTemplates:
        """Return the templates of graphs; programs that compile a single one start without."""
        if self.graph_templates is None:
            with Loading():
                from pymonik.plan.graph_template import GraphTemplates
            self.graph_templates = GraphTemplates()
        return self.graph_templates

    def source(self, *fields: Any) -> Source:
        """Return what a plan is compiled of, and for what: see `Source`."""
        return Source(*fields)

    def bind(self, plan: Plan) -> None:
        """Let the nodes of a plan know where their values will be."""
        if type(plan) is RepeatedPlan:
            plan.of.bind()
        else:
            from pymonik.plan.lower import bind  # which has made it

            bind(plan.graph, plan)


def may_be_chain(nodes: Sequence[Any]) -> bool:
    """Return whether the second of some nodes takes the first, and the last the one before.

    What is no chain of calls is told by that at once, nearly always.
    """
    return _takes(nodes[1], nodes[0]) and _takes(nodes[-1], nodes[-2])


def _takes(node: Any, other: Any) -> bool:
    if type(node) is not Call or node.n is not None:
        return False
    return any(type(slot) is Ref and slot.node is other for slot in node.args)
