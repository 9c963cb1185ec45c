"""`python docs/rooms.py`: draw the rooms of the package, and what imports what, by its own pen.

Writes docs/img/rooms.svg. An arrow leads from who imports to what is imported; those that follow
from others are left out. The imports are those that `tests/test_layers.py` reads.
"""

from __future__ import annotations

import sys
from pathlib import Path

import networkx

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from pymonik.draw.model import Box, Drawing, Link  # noqa: E402
from pymonik.draw.svg import svg  # noqa: E402
from tests.test_layers import FLOOR, imports, room_of  # noqa: E402

TARGET = REPOSITORY / "docs" / "img" / "rooms.svg"
_NAMES = {"": "__init__"}


def drawing() -> Drawing:
    """Return the rooms from the top down, and the arrows between them that no others imply."""
    # Each stands above all that it imports: boxes come in the order in which values would flow.
    rooms = sorted(FLOOR, key=lambda room: (-FLOOR[room], room))
    places = {room: place for place, room in enumerate(rooms)}
    arrows = networkx.DiGraph()
    arrows.add_nodes_from(rooms)
    for module, names in imports().items():
        ends = {(room_of(module), room_of(name)) for name in names}
        arrows.add_edges_from((a, b) for a, b in ends if a != b and {a, b} <= places.keys())
    boxes = [Box((_NAMES.get(room, room),)) for room in rooms]
    shown = networkx.transitive_reduction(arrows).edges
    links = sorted((places[a], places[b]) for a, b in shown)
    return Drawing(tuple(boxes), tuple(Link(a, b, 1) for a, b in links))


def picture() -> str:
    """Return the drawing as SVG."""
    return svg(drawing()).replace("task graph", "the rooms of pymonik, and what imports what", 1)


if __name__ == "__main__":
    TARGET.write_text(picture(), encoding="utf-8")
