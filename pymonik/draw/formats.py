"""The formats of drawings: those that are a few lines each, and a table of all.

Enters: a drawing. Leaves: text that other programs draw: Graphviz, Mermaid, yEd, a script.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from pymonik.draw.html import html
from pymonik.draw.model import Box, Drawing, Link, brief
from pymonik.draw.svg import svg
from pymonik.draw.terminal import terminal, units_text

# Of the JSON: raised when a field changes its meaning.
_VERSION = 1
# What a status looks like: the colours of boxes, and of their edges.
_COLOURS = {
    "done": ("#e3f6e8", "#2f9e4f"),
    "failed": ("#fde7e7", "#d63939"),
    "running": ("#e5effd", "#2563eb"),
    "waiting": ("#f1f3f6", "#8b97a8"),
    "cancelled": ("#fdf3dc", "#c48a12"),
}


def lines_of(box: Box) -> list[str]:
    """Return the lines inside a box: names, count, units."""
    lines = brief(box.titles, 4)
    if box.count != 1:
        lines.append(f"×{box.count:,}")
    if box.units:
        lines.append(units_text(box))
    return [*lines, *box.notes]


def dot(drawing: Drawing) -> str:
    """Write the language of Graphviz."""
    lines = ["digraph pymonik {", '  node [shape=box style=rounded fontname="sans-serif"]']
    for number, box in enumerate(drawing.boxes):
        label = "\\n".join(map(_quoted, lines_of(box)))
        attributes = f' tooltip="{_quoted(" ".join(box.sites))}"' if box.sites else ""
        attributes += " peripheries=2" if box.count > 1 else ""
        attributes += _coloured(box) or (" style=bold" if box.wanted else "")
        lines.append(f'  n{number} [label="{label}"{attributes}]')
    lines += [f"  n{link.source} -> n{link.target}{_of_link(link)}" for link in drawing.links]
    return "\n".join([*lines, "}"])


def _coloured(box: Box) -> str:
    if box.status not in _COLOURS:
        return ""
    fill, edge = _COLOURS[box.status]
    return f' style="rounded,filled" fillcolor="{fill}" color="{edge}"'


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _of_link(link: Link) -> str:
    words = [f"{link.values:,}"] if link.values > 1 else []
    words += [link.kind] if link.kind != "values" else []
    style = " style=dashed" if link.kind == "made" else ""
    return f' [label="{" ".join(words)}"{style}]' if words else ""


def mermaid(drawing: Drawing) -> str:
    """Write a Mermaid flow chart."""
    lines = ["flowchart TD"]
    for number, box in enumerate(drawing.boxes):
        label = "<br>".join(map(_entities, lines_of(box)))
        left, right = ("[[", "]]") if box.count > 1 else ("(", ")")
        lines.append(f'  n{number}{left}"{label}"{right}')
    for link in drawing.links:
        values = f"|{link.values:,}|" if link.values > 1 else ""
        arrow = "-.->" if link.kind == "made" else "-->"
        lines.append(f"  n{link.source} {arrow}{values} n{link.target}")
    used = {box.status for box in drawing.boxes} & _COLOURS.keys()
    for status, (fill, edge) in _COLOURS.items():
        if status in used:
            lines.append(f"  classDef {status} fill:{fill},stroke:{edge},color:#1c2430")
            members = [f"n{n}" for n, box in enumerate(drawing.boxes) if box.status == status]
            lines.append(f"  class {','.join(members)} {status}")
    return "\n".join(lines)


# What means something inside a label of Mermaid: entities, mark-up, directives, the end of it.
_NAMED = {"&": "amp", '"': "quot", "<": "lt", ">": "gt"}
# The others go by their numbers.
_CODED = "#`%{}\\;*_~"


def _entities(text: str) -> str:
    return "".join(
        f"#{_NAMED[c]};" if c in _NAMED else f"#{ord(c)};" if c in _CODED else c for c in text
    )


def graphml(drawing: Drawing) -> str:
    """Write GraphML."""
    import networkx

    graph: networkx.DiGraph[int] = networkx.DiGraph()
    for number, box in enumerate(drawing.boxes):
        graph.add_node(
            number,
            name=box.name,
            count=box.count,
            units=box.units,
            kind=box.kind,
            wanted=box.wanted,
            site=" ".join(box.sites),
            reads=box.reads,
            status=box.status,
        )
    for link in drawing.links:
        before = graph.get_edge_data(link.source, link.target, {}).get("values", 0)
        graph.add_edge(link.source, link.target, values=before + link.values, kind=link.kind)
    file = io.BytesIO()
    networkx.write_graphml(graph, file)
    return file.getvalue().decode()


def as_json(drawing: Drawing) -> str:
    """Write JSON: boxes, links, and the layers from top to bottom, boxes from left to right."""
    return json.dumps(described(drawing), indent=2)


def described(drawing: Drawing) -> dict[str, Any]:
    """Return what `as_json` writes, as plain values."""
    layers = [[p for p in layer if isinstance(p, int)] for layer in drawing.layout().layers]
    return {"format": "pymonik-drawing", "version": _VERSION, **asdict(drawing), "layers": layers}


FORMATS: dict[str, Callable[[Drawing], str]] = {
    "terminal": terminal,
    "svg": svg,
    "html": html,
    "dot": dot,
    "mermaid": mermaid,
    "json": as_json,
    "graphml": graphml,
}
