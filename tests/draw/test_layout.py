"""Layers, orders and places: laws that hold for every graph."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from pymonik.draw.coordinates import positions
from pymonik.draw.layout import Place, layered

Graphs = tuple[int, list[tuple[int, int]]]


@st.composite
def graphs(draw: st.DrawFn) -> Graphs:
    count = draw(st.integers(0, 12))
    pairs = [(a, b) for b in range(count) for a in range(b)]
    chosen = draw(st.lists(st.sampled_from(pairs), max_size=20)) if pairs else []
    return count, chosen


def _width(place: Place) -> float:
    return 1.0 if isinstance(place, tuple) else 7.0 + place


@given(graphs())
def test_every_box_stands_once_and_every_link_is_a_path_down(graph: Graphs) -> None:
    count, links = graph
    layout = layered(count, links)
    boxes = [p for layer in layout.layers for p in layer if not isinstance(p, tuple)]
    assert sorted(boxes) == list(range(count))
    below: dict[Place, list[Place]] = {}
    for gap, wires in enumerate(layout.wires):
        for upper, lower in wires:
            assert upper in layout.layers[gap]
            assert lower in layout.layers[gap + 1]
            below.setdefault(upper, []).append(lower)
    assert {(box, end) for box in boxes for end in _ends(box, below)} == set(links)


def _ends(place: Place, below: dict[Place, list[Place]]) -> set[int]:
    ends: set[int] = set()
    for lower in below.get(place, []):
        ends |= _ends(lower, below) if isinstance(lower, tuple) else {lower}
    return ends


@given(graphs())
def test_places_keep_the_order_and_the_gap(graph: Graphs) -> None:
    layout = layered(*graph)
    at = positions(layout, _width, 3.0)
    for layer in layout.layers:
        for left, right in pairwise(layer):
            assert at[right] - at[left] >= (_width(left) + _width(right)) / 2 + 3.0 - 1e-6
    assert all(at[place] - _width(place) / 2 >= -1e-6 for place in at)


@given(graphs())
@settings(max_examples=50)
def test_a_limit_wide_enough_for_the_widest_layer_is_kept(graph: Graphs) -> None:
    layout = layered(*graph)
    rooms = [sum(map(_width, layer)) + 3.0 * (len(layer) - 1) for layer in layout.layers]
    limit = max(rooms, default=0.0)
    at = positions(layout, _width, 3.0, limit)
    assert all(at[place] + _width(place) / 2 <= limit + 1e-6 for place in at)


def test_a_crossing_that_can_be_avoided_is_avoided() -> None:
    twisted = [(0, 5), (1, 4), (2, 3)]
    assert layered(6, twisted).crossings == 0


def test_two_complete_layers_cross_as_often_as_they_must() -> None:
    complete = [(a, b) for a in range(3) for b in range(3, 6)]
    assert layered(6, complete).crossings == 9


def test_a_source_stands_right_above_its_first_user() -> None:
    layout = layered(4, [(0, 1), (1, 3), (2, 3)])
    assert layout.layers[1] in [(1, 2), (2, 1)]


def test_a_chain_is_straight() -> None:
    layout = layered(5, [(0, 1), (1, 2), (2, 3), (3, 4)])
    assert len({round(at, 6) for at in positions(layout, _width, 3.0).values()}) == 1
