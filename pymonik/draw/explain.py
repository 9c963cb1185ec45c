"""The passes one by one: what each made of a graph, and why.

Enters: a plan that knows what it was compiled of. Leaves: a `Stage` a pass, or their text.
"""

from __future__ import annotations

import sys

from pymonik.draw.html import Stage
from pymonik.draw.model import Drawing, drawing
from pymonik.graph.ir import Graph
from pymonik.graph.passes import PASSES, run_passes
from pymonik.graph.show import show
from pymonik.plan.plan import Plan

# A loop of so few calls is shown call by call, until `vectorize` folds it.
_CALL_BY_CALL = 150
# Of a longer text the beginning and the end are printed.
_LINES = 20


def graphs(plan: Plan) -> dict[str, Graph]:
    """Compile once more: the graph as recorded, and after each pass, by its name."""
    if plan.source is None:
        return {"units": plan.graph}
    made = {"recording": plan.source.graph}
    run_passes(plan.source.graph, plan.source.target, plan.source.optimize, made.__setitem__)
    return made


def stages(plan: Plan) -> list[Stage]:
    """Draw the graph as recorded, and after each pass."""
    made = graphs(plan)
    recorded = next(iter(made.values()))
    numbers = {id(node): place for place, node in enumerate(recorded.nodes)}
    result: list[Stage] = []
    shown = 0
    before, drawn = None, Drawing((), ())
    for name, graph in made.items():
        fold = len(graph.nodes) > _CALL_BY_CALL
        notes = graph.notes[shown:]
        shown = len(graph.notes)
        if before is None or [*map(id, graph.nodes)] != before:
            drawn, before = drawing(graph, fold, numbers), [*map(id, graph.nodes)]
        result.append(Stage(name, purpose(name), drawn, notes))
    return result


def explained(plan: Plan) -> str:
    """Return what each pass did: its purpose, its reasons, and the graph if it changed."""
    parts = []
    before, shown = "", 0
    for name, graph in graphs(plan).items():
        text = show(graph)
        reasons = _shortened([f"  - {note}" for note in graph.notes[shown:]])
        shown = len(graph.notes)
        body = "\n".join(_shortened(text.splitlines())) if text != before else "(as before)"
        parts.append("\n".join([f"{name}: {purpose(name)}", *reasons, body]))
        before = text
    return "\n\n".join(parts)


def _shortened(lines: list[str]) -> list[str]:
    """Leave lines in the middle out, if they are many."""
    if len(lines) <= _LINES:
        return lines
    left = len(lines) - _LINES + 1
    return [*lines[: _LINES // 2], f"… {left:,} lines more", *lines[_LINES // 2 + 1 - _LINES :]]


def purpose(name: str) -> str:
    """Return in a sentence what a pass is for, in the words of its own module."""
    if name not in PASSES:
        return "the calls as they were written"
    document = sys.modules[PASSES[name].__module__].__doc__ or ""
    return document.partition("\n\n")[0].partition(": ")[2].replace("\n", " ").rstrip(".")
