"""How graphs, plans and handles show themselves in a notebook.

Enters: one of them. Leaves: HTML. Nothing is sent and no value is waited for.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

from pymonik.graph.analysis import ancestors
from pymonik.graph.draw.model import drawing
from pymonik.graph.draw.svg import svg
from pymonik.graph.ir import Graph
from pymonik.plan.plan import Plan


def graph_html(graph: Graph) -> str:
    """Draw a graph."""
    return svg(drawing(graph))


def plan_html(plan: Plan) -> str:
    """Draw the units of a plan, and give its size in a line."""
    drawn = svg(drawing(plan.graph)) if plan.graph is not None else ""
    return f"<p>{escape(repr(plan)[1:-1])}</p>{drawn}"


def handle_html(text: str, nodes: Iterable[Any]) -> str:
    """Draw the calls that lead to a value."""
    return f"<p>{escape(text.strip('<>'))}</p>{svg(drawing(ancestors(nodes)))}"
