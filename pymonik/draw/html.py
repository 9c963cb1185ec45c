"""The drawing as a page: one file that works offline, with the passes to play back.

Enters: the drawing of every stage of a compilation, and figures. Leaves: the text of an HTML file.
The page's own code is in `page/`; it gets boxes and their order from here, and places them itself,
since boxes open and close.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from pymonik.draw.layout import Place
from pymonik.draw.model import EMPTY, Box, Drawing, brief
from pymonik.draw.summary import summarized
from pymonik.draw.svg import fine_print, hues
from pymonik.values.foreign import harmless

_SCRIPTS = ("layout.js", "view.js", "main.js")
# Boxes find where they came from by their calls; of more calls the first has to do.
_MANY = 5_000
# A page is searched and zoomed: it may show more than a terminal before boxes become groups.
_CLEAR = 150


@dataclass(frozen=True)
class Stage:
    """What a pass made: its name, a sentence, the drawing, and the reasons it gave."""

    name: str
    title: str
    drawing: Drawing
    notes: tuple[str, ...] = ()


def page(
    title: str,
    stages: Sequence[Stage],
    figures: Sequence[tuple[str, str]] = (),
    start: int | None = None,
) -> str:
    """Write the page of a graph.

    stages: in the order of the passes. figures: names and values for the side. start: the stage
    shown first, the last one unless given.
    """
    colours = hues(title for s in stages for box in s.drawing.boxes for title in box.titles)
    data = {
        "title": harmless(title),
        "start": len(stages) - 1 if start is None else start,
        "figures": [list(row) for row in figures],
        "stages": [
            {
                "name": stage.name,
                "title": stage.title,
                "notes": list(stage.notes) if stage.drawing.boxes else [EMPTY],
                "drawing": _drawing(summarized(stage.drawing, _CLEAR), colours),
            }
            for stage in stages
        ],
    }
    folder = files("pymonik.draw") / "page"
    template = Template((folder / "page.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=escape(harmless(title)),
        style=(folder / "page.css").read_text(encoding="utf-8"),
        # Inside a script element nothing may look like the end of it.
        data=json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"),
        script="\n".join((folder / name).read_text(encoding="utf-8") for name in _SCRIPTS),
    )


def html(drawing: Drawing) -> str:
    """Write the page of one drawing."""
    return page("task graph", [Stage("graph", "", drawing)])


def _drawing(drawing: Drawing, colours: dict[str, int]) -> dict[str, Any]:
    layout = drawing.layout()
    return {
        "boxes": [_box(box, colours) for box in drawing.boxes],
        "layers": [[_place(place) for place in layer] for layer in layout.layers],
        # By the submitter of a task, no value flows.
        "made": [[k.source, k.target] for k in drawing.links if k.kind == "made"],
        "wires": [[[_place(a), _place(b)] for a, b in wires] for wires in layout.wires],
    }


def _place(place: Place) -> int | str:
    return f"{place[0]}@{place[1]}" if isinstance(place, tuple) else place


def _box(box: Box, colours: dict[str, int]) -> dict[str, Any]:
    details = [("calls", f"{box.count * len(box.titles):,}")] if box.kind == "calls" else []
    details += [("units", f"{box.units:,}")] if box.units else []
    details += [("levels", f"{box.levels:,}")] if box.levels > 1 else []
    details += [("reads", f"{box.reads:,} bytes")] if box.reads else []
    details += [("recorded at", "\n".join(box.sites[:8]))] if box.sites else []
    details += [("status", box.status)] if box.status else []
    return {
        "name": box.name,
        "lines": brief(box.titles, 6),
        "more": fine_print(box),
        "count": box.count,
        "units": box.units,
        "kind": box.kind,
        "status": box.status,
        "wanted": box.wanted,
        "hue": colours.get(box.titles[0], 0),
        "origins": box.origins if len(box.origins) <= _MANY else box.origins[:1],
        "details": [*details, *box.facts],
        "words": " ".join([*dict.fromkeys(box.titles), *box.sites]).lower(),
        "members": _drawing(box.members, colours) if box.members is not None else None,
    }
