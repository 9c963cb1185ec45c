"""What `client.plan()` gives: a plan and its graph as their user sees them.

Enters: a plan. Leaves: the same, with what is asked of it by eye and for algorithms of one's own.
The plan and the graph themselves know nothing of prices and drawings, which are above them; what
these need is loaded when it is asked for.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from pymonik.graph.ir import Graph
from pymonik.plan.plan import Plan
from pymonik.system.structs import field_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    import networkx

    from pymonik.analysis.cost import Cost
    from pymonik.analysis.simulate import Overheads


class GraphView(Graph):
    """A graph that shows itself in a notebook, and can be handed to networkx."""

    @classmethod
    def of(cls, graph: Graph) -> GraphView:
        """Return the view of a graph."""
        return cls(graph.nodes, graph.aliases, graph.notes)

    def to_networkx(self) -> networkx.DiGraph[int]:
        """Return a `networkx.DiGraph`: a node for each node, an edge where a value flows.

        >>> client = Pymonik(workers=2)
        >>> total = Task(sum).invoke(Task(abs).map_invoke(range(4), pymonik=client), pymonik=client)
        >>> list(client.plan().graph.to_networkx().edges)
        [(0, 1)]
        >>> client.cancel()
        """
        from pymonik.analysis.shape import to_networkx

        return to_networkx(self)

    def _repr_html_(self) -> str:
        from pymonik.draw.model import drawing
        from pymonik.draw.svg import svg

        return svg(drawing(self))


class PlanView(Plan):
    """A plan that can be priced, and shows itself in a notebook."""

    @classmethod
    def of(cls, plan: Plan) -> PlanView:
        """Return the view of a plan."""
        fields = {name: getattr(plan, name) for name in field_names(Plan)}
        return cls(**{**fields, "graph": GraphView.of(plan.graph)})

    def cost(
        self,
        *,
        slots: int | Mapping[str, int] | None = None,
        seconds: Mapping[str, float] | None = None,
        assumed: float | None = None,
        price: float | None = None,
        overheads: Overheads | None = None,
    ) -> Cost:
        """Estimate what carrying it out on a cluster takes; nothing is sent.

        slots: calls at once, or by partition; those the plan was compiled for unless given.
        seconds: of one call, by the name of its task. assumed: seconds of a call of which nothing
        is known. price: of a pod-hour. overheads: of an engine, those of ArmoniK unless given.
        Raises ValueError when one of them cannot be, or names no task.

        >>> client = Pymonik(workers=2)
        >>> calls = Task(abs).map_invoke(range(4), pymonik=client)
        >>> client.plan().cost(seconds={"abs": 0.5}).work
        2.0
        >>> client.cancel()
        """
        from pymonik.analysis.estimate import estimate

        others = {"assumed": assumed, "overheads": overheads}
        given: Any = {name: value for name, value in others.items() if value is not None}
        made = estimate(self, slots=slots, seconds=seconds, price=price, **given)
        called = sorted({duration.task for duration in made.durations})
        for name in seconds or ():
            if name not in called:
                raise ValueError(f"no task {name!r} is called, these are: {', '.join(called)}")
        return made

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self)[1:-1])}</p>{self.graph._repr_html_()}"


def handle_html(text: str, nodes: list[Any]) -> str:
    """Return a drawing of the calls that lead to the values of a handle, under its `repr`."""
    from pymonik.analysis.shape import ancestors
    from pymonik.draw.model import drawing
    from pymonik.draw.svg import svg

    return f"<p>{escape(text.strip('<>'))}</p>{svg(drawing(ancestors(nodes)))}"
