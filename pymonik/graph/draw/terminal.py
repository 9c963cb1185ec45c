"""The drawing for terminals: boxes joined by lines, values flow down.

Enters: a drawing and the width of the terminal. Leaves: lines of text. A line that passes another
goes on behind it: only what comes from one box is ever joined.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

from pymonik.graph.draw.layout import Layout, Place
from pymonik.graph.draw.model import Box, Drawing, brief
from pymonik.graph.draw.summary import components, summarized
from pymonik.graph.draw.tracks import Net, tracks_of

_UP, _DOWN, _LEFT, _RIGHT = 1, 2, 4, 8
_LINES = {
    _UP: "│",
    _DOWN: "│",
    _UP | _DOWN: "│",
    _LEFT: "─",
    _RIGHT: "─",
    _LEFT | _RIGHT: "─",
    _DOWN | _RIGHT: "╭",
    _DOWN | _LEFT: "╮",
    _UP | _RIGHT: "╰",
    _UP | _LEFT: "╯",
    _UP | _DOWN | _RIGHT: "├",
    _UP | _DOWN | _LEFT: "┤",
    _DOWN | _LEFT | _RIGHT: "┬",
    _UP | _LEFT | _RIGHT: "┴",
    _UP | _DOWN | _LEFT | _RIGHT: "┼",
}
_GAP = 3
_NARROW = (30, 22, 16, 12)


def terminal(drawing: Drawing, width: int = 80) -> str:
    """Draw within `width` columns, part by part; list what cannot be drawn so, a line a box."""
    drawing = summarized(drawing)
    return "\n".join(_drawn(part, width) for part in components(drawing))


def _drawn(drawing: Drawing, width: int) -> str:
    layout = drawing.layout() if drawing.links else _in_rows(drawing, width)
    for room in _NARROW:
        texts = [_text(box, room) for box in drawing.boxes]
        sizes = _sizes(layout, texts)
        widest = (sum(sizes[p] for p in layer) + _GAP * (len(layer) - 1) for layer in layout.layers)
        if max(widest, default=0) <= width:
            return _Canvas(layout, texts, sizes, width).text()
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
    """Give a line a box: its number, its name and what it uses."""
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
    """Give the lines inside a box."""
    lines = brief(box.titles, 4)
    mark = " *" if box.wanted else ""
    if box.count != 1:
        mark = f" ×{box.count:,}{mark}"
    if box.kind == "earlier":
        lines, mark = [f"({lines[0]})"], mark
    lines = [_elided(line, room) for line in lines[:-1]] + [
        _elided(lines[-1], room - len(mark)) + mark
    ]
    if box.levels > 1:
        lines.append(f"{box.levels:,} levels")
    if box.units:
        lines.append(units_text(box))
    return lines


def units_text(box: Box) -> str:
    """Say how many units a box makes."""
    units = f"{box.units:,} unit{'s' * (box.units != 1)}"
    each = -(-box.count // box.units)
    return f"{units} of {each:,}" if box.count > 1 else units


def _elided(text: str, room: int) -> str:
    return text if len(text) <= room else text[: max(1, room - 1)] + "…"


def _sizes(layout: Layout, texts: list[list[str]]) -> dict[Place, int]:
    """Give every place its width: room for the text, and for the lines that arrive."""
    sizes: dict[Place, int] = {place: 1 for layer in layout.layers for place in layer}
    arriving = Counter(lower for wires in layout.wires for _, lower in wires)
    for box, lines in enumerate(texts):
        # Odd, so that every box has a middle and what stands below it hangs straight.
        sizes[box] = max(max(map(len, lines)) + 4, 2 * arriving[box] + 3) | 1
    return sizes


class _Canvas:
    """Rows of characters, filled layer by layer."""

    def __init__(
        self, layout: Layout, texts: list[list[str]], sizes: dict[Place, int], width: int
    ) -> None:
        self.layout = layout
        self.texts = texts
        self.sizes = sizes
        at = layout.positions(lambda place: sizes[place], _GAP, width)
        self.left = {place: round(middle - sizes[place] / 2) for place, middle in at.items()}
        for layer in layout.layers:  # rounding must not let neighbours touch
            for before, after in pairwise(layer):
                self.left[after] = max(self.left[after], self.left[before] + sizes[before] + 1)
        self.tops: dict[Place, list[int]] = {}
        self.bottoms: dict[Place, int] = {}
        self.rows: list[dict[int, str]] = []

    def text(self) -> str:
        nets = [self._nets(gap) for gap in range(len(self.layout.wires))]
        for number, layer in enumerate(self.layout.layers):
            self._draw_layer(layer)
            if number < len(nets):
                self._draw_nets(nets[number])
        return "\n".join(
            "".join(row.get(column, " ") for column in range(max(row, default=-1) + 1))
            for row in self.rows
        )

    # ----- ports

    def _middle(self, place: Place) -> int:
        return self.left[place] + (self.sizes[place] - 1) // 2

    def _inside(self, place: Place, column: int) -> bool:
        margin = 0 if isinstance(place, tuple) else 1
        left = self.left[place]
        return left + margin <= column < left + self.sizes[place] - margin

    def _nets(self, gap: int) -> list[Net]:
        """Choose the columns where the wires below a layer leave and arrive."""
        ends: dict[Place, list[Place]] = {}
        sources: dict[Place, list[Place]] = {}
        for upper, lower in self.layout.wires[gap]:
            ends.setdefault(upper, []).append(lower)
            sources.setdefault(lower, []).append(upper)
        stems = {upper: self._stem(upper, lowers, sources) for upper, lowers in ends.items()}
        nets = {upper: Net(stem, []) for upper, stem in stems.items()}
        for lower, uppers in sources.items():
            uppers.sort(key=lambda upper: stems[upper])
            ports = self._ports(lower, [stems[upper] for upper in uppers], set(stems.values()))
            for upper, port in zip(uppers, ports):
                nets[upper].ends.append(port)
            self.tops[lower] = ports
        self.bottoms.update(stems)
        return list(nets.values())

    def _stem(self, place: Place, lowers: list[Place], sources: dict[Place, list[Place]]) -> int:
        """Leave in the middle, or right above the only end if that is below the box."""
        if len(lowers) == 1 and len(sources[lowers[0]]) == 1:
            end = self._middle(lowers[0])
            if self._inside(place, end):
                return end
        return self._middle(place)

    def _ports(self, place: Place, stems: list[int], taken: set[int]) -> list[int]:
        """Arrive right below the stems where the box allows, else spread over its top.

        Where another line leaves, in `taken`, none arrives: upright parts would fall into one.
        """
        if isinstance(place, tuple):
            at, own = self.left[place], stems[0]
            near = (column for column in (at, at + 1, at - 1, at + 2))
            self.left[place] = next(c for c in near if c == own or c not in taken)
            return [self.left[place]]
        first, last = self.left[place] + 1, self.left[place] + self.sizes[place] - 2
        free = [column for column in range(first, last + 1) if column not in taken]
        ports: list[int] = []
        for rank, stem in enumerate(stems):
            spread = first + round((last - first) * (rank + 1) / (len(stems) + 1))
            wish = stem if first <= stem <= last else spread
            before, limit = (ports[-1] if ports else -1), free[rank - len(stems)]
            room = [column for column in (*free, stem) if before < column <= limit]
            apart = [column for column in room if column > before + 1]
            ports.append(min(apart or room, key=lambda column: abs(column - wish)))
        return ports

    # ----- ink

    def _draw_layer(self, layer: Iterable[Place]) -> None:
        boxes = [place for place in layer if not isinstance(place, tuple)]
        height = max((len(self.texts[box]) for box in boxes), default=0) + 2
        rows: list[dict[int, str]] = [{} for _ in range(height)]
        for place in layer:
            if isinstance(place, tuple):
                for row in rows:
                    row[self.left[place]] = "│"
                continue
            used = self._draw_box(place, rows)
            if place in self.bottoms:
                rows[used - 1][self.bottoms[place]] = "┬"
                for row in rows[used:]:
                    row[self.bottoms[place]] = "│"
        self.rows += rows

    def _draw_box(self, box: int, rows: list[dict[int, str]]) -> int:
        left, inner = self.left[box], self.sizes[box] - 2
        texts = self.texts[box]
        lines = [f"╭{'─' * inner}╮", *(f"│ {text:<{inner - 1}}│" for text in texts)]
        lines.append(f"╰{'─' * inner}╯")
        for row, line in zip(rows, lines):
            row.update(enumerate(line, left))
        for port in self.tops.get(box, ()):
            rows[0][port] = "┴"
        return len(lines)

    def _draw_nets(self, nets: list[Net]) -> None:
        tracks = tracks_of([net for net in nets if not net.is_straight])
        height = max((track for _, track in tracks), default=0) + 1 if nets else 0
        crooked = {id(net): track for net, track in tracks}
        rows: list[dict[int, str]] = [{} for _ in range(height)]
        # Horizontal parts first: what stands upright passes in front of them.
        for net, track in tracks:
            for column in range(net.low, net.high + 1):
                rows[track].setdefault(column, "─")
        for net in nets:
            track = crooked.get(id(net), height)
            for row in rows[:track]:
                row[net.stem] = "│"
            for end in net.ends:
                for row in rows[track + 1 :]:
                    row[end] = "│"
        for net, track in tracks:
            for column in {net.stem, *net.ends}:
                bits = _LEFT * (column > net.low) | _RIGHT * (column < net.high)
                bits |= _UP * (column == net.stem) | _DOWN * (column in net.ends)
                rows[track][column] = _LINES[bits]
        self.rows += rows
