"""The drawing for terminals: boxes joined by lines, values flow down.

Enters: a drawing and the width of the terminal. Leaves: lines of text. A line that passes another
goes on behind it: only what comes from one box is ever joined.
"""

from __future__ import annotations

from collections import Counter

from pymonik.draw.canvas import Canvas
from pymonik.draw.layout import Layout, Place
from pymonik.draw.model import EMPTY, Box, Drawing, brief
from pymonik.draw.summary import components, summarized

# Columns between two boxes of a row.
_GAP = 3
# Columns that a box may take: the widest that makes the drawing fit.
_NARROW = (30, 22, 16, 12)
# Green, red, blue, grey, yellow.
_CODES = {"done": "32", "failed": "31", "running": "34", "waiting": "90", "cancelled": "33"}


def terminal(drawing: Drawing, width: int = 80, colour: bool = False) -> str:
    """Draw within `width` columns, part by part; list what cannot be drawn so, a line a box.

    colour: by the status of the boxes, in the codes of ANSI terminals.
    """
    if not drawing.boxes:
        return f"({EMPTY})"
    drawing = summarized(drawing)
    return "\n".join(_drawn(part, width, colour) for part in components(drawing))


def _drawn(drawing: Drawing, width: int, colour: bool) -> str:
    layout = drawing.layout() if drawing.links else _in_rows(drawing, width)
    for room in _NARROW:
        texts = [_text(box, room) for box in drawing.boxes]
        sizes = _sizes(layout, texts)
        widest = (sum(sizes[p] for p in layer) + _GAP * (len(layer) - 1) for layer in layout.layers)
        if max(widest, default=0) <= width:
            canvas = Canvas(layout, texts, sizes, width, _GAP)
            if colour:
                canvas.codes = [_CODES.get(box.status, "") for box in drawing.boxes]
            return canvas.text()
    return listing(drawing, width)


def _in_rows(drawing: Drawing, width: int) -> Layout:
    """Put boxes without links side by side, as many in a row as it takes."""
    rows: list[list[Place]] = [[]]
    used = 0
    for number, box in enumerate(drawing.boxes):
        size = (max(map(len, _text(box, _NARROW[0]))) + 4) | 1
        if rows[-1] and used + _GAP + size > width:
            rows.append([])
            used = 0
        used += size + (_GAP if rows[-1] else 0)
        rows[-1].append(number)
    return Layout(tuple(map(tuple, rows)), ((),) * (len(rows) - 1))


def listing(drawing: Drawing, width: int = 80) -> str:
    """Return one line for each box: its number, its name and what it uses."""
    used: dict[int, list[int]] = {}
    for link in drawing.links:
        used.setdefault(link.target, []).append(link.source)
    lines = []
    for number, box in enumerate(drawing.boxes):
        sources = "".join(f" {source}" for source in used.get(number, ()))
        line = f"{number:>4} {' · '.join(_text(box, width))}{' ←' if sources else ''}{sources}"
        lines.append(line if len(line) <= width else line[: width - 1] + "…")
    return "\n".join(lines)


def _text(box: Box, room: int) -> list[str]:
    """Return the lines inside a box."""
    lines = brief(box.titles, 4)
    mark = " *" if box.wanted else ""
    if box.count != 1:
        mark = f" ×{box.count:,}{mark}"
    if box.kind in ("earlier", "external"):
        lines = [f"({lines[0]})" if box.kind == "earlier" else f"@{lines[0]}"]
    lines = [_elided(line, room) for line in lines[:-1]] + [
        _elided(lines[-1], room - len(mark)) + mark
    ]
    if box.levels > 1:
        lines.append(f"{box.levels:,} levels")
    if box.units:
        lines.append(units_text(box))
    return lines + [_elided(note, room) for note in box.notes]


def units_text(box: Box) -> str:
    """Return how many units a box makes, in words."""
    units = f"{box.units:,} unit{'s' * (box.units != 1)}"
    each = -(-box.count // box.units)
    return f"{units} of {each:,}" if box.count > 1 else units


def _elided(text: str, room: int) -> str:
    return text if len(text) <= room else text[: max(1, room - 1)] + "…"


def _sizes(layout: Layout, texts: list[list[str]]) -> dict[Place, int]:
    """Return the width of each place: room for the text, and for the lines that arrive."""
    sizes: dict[Place, int] = {place: 1 for layer in layout.layers for place in layer}
    arriving = Counter(lower for wires in layout.wires for _, lower in wires)
    for box, lines in enumerate(texts):
        # Odd, so that every box has a middle and what stands below it hangs straight.
        sizes[box] = max(max(map(len, lines)) + 4, 2 * arriving[box] + 3) | 1
    return sizes
