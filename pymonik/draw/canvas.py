"""The canvas of terminal drawings: boxes and lines on rows of characters.

Enters: a layout, the lines inside each box, and widths. Leaves: text. What stands in a box, and how
wide it may be, is the business of `terminal`.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from pymonik.draw.coordinates import positions
from pymonik.draw.layout import Layout, Place
from pymonik.draw.tracks import Net, tracks_of

# Sides of a cell, as bits.
_UP, _DOWN, _LEFT, _RIGHT = 1, 2, 4, 8
# What is drawn where lines leave a cell to these sides.
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


class Canvas:
    """Rows of characters, filled layer by layer."""

    def __init__(
        self, layout: Layout, texts: list[list[str]], sizes: dict[Place, int], width: int, gap: int
    ) -> None:
        self.layout = layout
        self.texts = texts
        self.sizes = sizes
        at = positions(layout, lambda place: sizes[place], gap, width)
        self.left = {place: round(middle - sizes[place] / 2) for place, middle in at.items()}
        for layer in layout.layers:  # rounding must not let neighbours touch
            for before, after in pairwise(layer):
                self.left[after] = max(self.left[after], self.left[before] + sizes[before] + 1)
        self.tops: dict[Place, list[int]] = {}
        self.bottoms: dict[Place, int] = {}
        self.rows: list[dict[int, str]] = []
        self.codes = [""] * len(texts)

    def text(self) -> str:
        """Return the drawing, line by line."""
        nets = [self._nets(gap) for gap in range(len(self.layout.wires))]
        for number, layer in enumerate(self.layout.layers):
            self._draw_layer(layer)
            if number < len(nets):
                self._draw_nets(nets[number])
        return "\n".join(
            "".join(row.get(column, " ") for column in range(max(row, default=-1) + 1))
            for row in self.rows
        )

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
        if self.codes[box]:
            for row in rows[: len(lines)]:
                row[left] = f"\x1b[{self.codes[box]}m{row[left]}"
                row[left + inner + 1] += "\x1b[0m"
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
