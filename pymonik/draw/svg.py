"""The drawing as SVG: for documents and notebooks, light and dark.

Enters: a drawing. Leaves: one `<svg>` element that needs nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from pymonik.draw.coordinates import positions
from pymonik.draw.layout import Layout, Place
from pymonik.draw.model import EMPTY, Box, Drawing, brief
from pymonik.draw.summary import summarized
from pymonik.draw.terminal import units_text

# Pixels: of a character, of a line, inside a box, between boxes, between layers, of a page's edge.
CHARACTER, LINE, PAD, GAP, FALL, EDGE = 7.4, 18.0, 12.0, 28.0, 46.0, 16.0
# Hues far from each other, so that tasks can be distinguished.
_HUES = (212, 152, 28, 268, 340, 184, 48, 300, 100, 0)
_STYLE = """
.pmk text{font:12.5px ui-sans-serif,system-ui,sans-serif;fill:#1c2430}
.pmk .name{font-weight:600}.pmk .more{font-size:11px;fill:#5b6675}
.pmk .box{stroke-width:1.3;fill:hsl(var(--h) 70% 97%);stroke:hsl(var(--h) 45% 55%)}
.pmk .wanted .box{stroke-width:2.4}.pmk .earlier .box{stroke-dasharray:4 3}
.pmk .wire{fill:none;stroke:#8b97a8;stroke-width:1.4}.pmk .made{stroke-dasharray:5 4}
.pmk .done .box{--h:140}.pmk .failed .box{--h:0;stroke-width:2.4}.pmk .running .box{--h:212}
.pmk .cancelled .box{--h:38}.pmk .waiting .box{fill:#f1f3f6;stroke:#9aa5b4}
@media(prefers-color-scheme:dark){.pmk text{fill:#e6ebf2}.pmk .more{fill:#9aa7b8}
.pmk .box{fill:hsl(var(--h) 30% 17%);stroke:hsl(var(--h) 45% 55%)}.pmk .wire{stroke:#6a7686}
.pmk .waiting .box{fill:#20262f;stroke:#5d6b7e}}
"""


def svg(drawing: Drawing) -> str:
    """Draw as SVG; values flow down, a fan-out is a stack of cards."""
    if not drawing.boxes:
        words = f'<text x="0" y="{LINE:.0f}">{EMPTY}</text>'
        return _element(CHARACTER * len(EMPTY), LINE, words)
    drawing = summarized(drawing)
    layout = drawing.layout()
    texts = [(brief(box.titles, 6), fine_print(box)) for box in drawing.boxes]
    at = positions(layout, lambda place: _width(place, texts), GAP)
    tops, height = _rows(layout, texts)
    colours = hues(title for box in drawing.boxes for title in box.titles)
    width = max((x + _width(place, texts) / 2 for place, x in at.items()), default=0.0)
    made = {(link.source, link.target) for link in drawing.links if link.kind == "made"}
    parts = [_wires(layout, at, tops, texts, made)]
    for number, box in enumerate(drawing.boxes):
        left = at[number] - _width(number, texts) / 2
        colour = colours[box.titles[0]]
        parts.append(_card(box, texts[number], left, tops[number], _width(number, texts), colour))
    return _element(width, height, "".join(parts))


def _element(width: float, height: float, parts: str) -> str:
    size = f"{width + 2 * EDGE:.0f} {height + 2 * EDGE:.0f}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="pmk" viewBox="-{EDGE:.0f} -{EDGE:.0f} '
        f'{size}" width="{size.split()[0]}" height="{size.split()[1]}" role="img">'
        f"<title>task graph</title><style>{_STYLE}</style>{parts}</svg>"
    )


def small_print(box: Box) -> str:
    """Return the line below the names: how many elements, levels and units."""
    parts = [f"×{box.count:,}"] if box.count != 1 else []
    parts += [f"{box.levels:,} levels"] if box.levels > 1 else []
    parts += [units_text(box)] if box.units else []
    parts += ["earlier"] if box.kind == "earlier" else []
    parts += ["another program"] if box.kind == "external" else []
    return " · ".join(parts)


def fine_print(box: Box) -> list[str]:
    """Return the lines below the names."""
    return [*filter(None, [small_print(box)]), *box.notes]


def hues(names: Iterable[str]) -> dict[str, int]:
    """Return the hue of each task, unlike those of its neighbours in the order of appearance."""
    return {name: _HUES[n % len(_HUES)] for n, name in enumerate(dict.fromkeys(names))}


Text = tuple[list[str], list[str]]


def _width(place: Place, texts: list[Text]) -> float:
    if isinstance(place, tuple):
        return 2.0
    names, details = texts[place]
    return 2 * PAD + CHARACTER * max(*(0.88 * len(line) for line in details), *map(len, names), 1)


def _height(text: Text) -> float:
    return PAD + LINE * (len(text[0]) + len(text[1]))


def _rows(layout: Layout, texts: list[Text]) -> tuple[dict[Place, float], float]:
    """Return the top of every place, and the height of all."""
    tops: dict[Place, float] = {}
    top = 0.0
    for layer in layout.layers:
        tops.update(dict.fromkeys(layer, top))
        heights = [_height(texts[place]) for place in layer if isinstance(place, int)]
        top += max(heights, default=0.0) + FALL
    return tops, max(0.0, top - FALL)


def _wires(
    layout: Layout,
    at: dict[Place, float],
    tops: dict[Place, float],
    texts: list[Text],
    made: set[tuple[int, int]],
) -> str:
    lines: dict[str, list[str]] = {"wire": [], "wire made": []}
    for layer, wires in enumerate(layout.wires):
        boxes = [place for place in layout.layers[layer] if isinstance(place, int)]
        floor = tops[layout.layers[layer][0]] + max(
            (_height(texts[box]) for box in boxes), default=0
        )
        for upper, lower in wires:
            start = tops[upper] if isinstance(upper, tuple) else tops[upper] + _height(texts[upper])
            x, y, to = at[upper], at[lower], tops[lower]
            middle = (floor + to) / 2
            # The bends of a line belong to the box it comes from.
            ends = (upper[0] if isinstance(upper, tuple) else upper, lower)
            lines["wire made" if ends in made else "wire"].append(
                f"M{x:.1f} {start:.1f}V{floor:.1f}C{x:.1f} {middle:.1f} {y:.1f} {middle:.1f} "
                f"{y:.1f} {to:.1f}"
            )
    paths = (
        f'<path class="{kind}" d="{"".join(parts)}"/>' for kind, parts in lines.items() if parts
    )
    return "".join(paths)


def _card(box: Box, text: Text, left: float, top: float, width: float, hue: int) -> str:
    names, details = text
    height = _height(text)
    # What another program makes looks like what was made before: it is not of this graph.
    kind = "earlier" if box.kind == "external" else box.kind
    kinds = " ".join(filter(None, [kind, box.status, "wanted" if box.wanted else ""]))
    cards = [(6, -6), (3, -3), (0, 0)] if box.count > 1 else [(0, 0)]
    rects = "".join(
        f'<rect class="box" x="{left + dx:.1f}" y="{top + dy:.1f}" width="{width:.1f}" '
        f'height="{height:.1f}" rx="7"/>'
        for dx, dy in cards
    )
    middle = left + width / 2
    lines = [(name, "name") for name in names] + [(line, "more") for line in details]
    rows = "".join(
        f'<text class="{kind}" x="{middle:.1f}" y="{top + PAD / 2 + LINE * (row + 0.72):.1f}" '
        f'text-anchor="middle">{escape(line)}</text>'
        for row, (line, kind) in enumerate(lines)
    )
    title = escape("\n".join([*box.sites, *(f"{name}: {value}" for name, value in box.facts)]))
    return f'<g class="{escape(kinds)}" style="--h:{hue}"><title>{title}</title>{rects}{rows}</g>'
