"""The terminal drawing: golden pictures, and laws on random graphs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pymonik.graph.draw.model import Box, Drawing, Link
from pymonik.graph.draw.summary import summarized
from pymonik.graph.draw.terminal import listing, terminal

# Which sides of its cell a character reaches.
REACH = {
    "│": "ud", "─": "lr", "╭": "dr", "╮": "dl", "╰": "ur", "╯": "ul",
    "├": "udr", "┤": "udl", "┬": "dlr", "┴": "ulr", "┼": "udlr",
}  # fmt: skip

DIAMOND = """\
          ╭───────╮
          │ load  │
          ╰───┬───╯
      ╭───────┴───────╮
╭─────┴─────╮   ╭─────┴─────╮
│ left ×10  │   │ right ×10 │
╰─────┬─────╯   ╰─────┬─────╯
      ╰──────╮ ╭──────╯
          ╭──┴─┴──╮
          │ total │
          ╰───────╯"""
COMPLETE = """\
      ╭───╮   ╭───╮   ╭───╮
      │ a │   │ b │   │ c │
      ╰─┬─╯   ╰─┬─╯   ╰─┬─╯
   ╭────┴──────┬│───────│──╮
   │ ╭─────────│┴┬──────│──│─╮
   │ │ ╭───────│─│─┬────┴──│─│─╮
╭──┴─┴─┴╮   ╭──┴─┴─┴╮   ╭──┴─┴─┴╮
│ d     │   │ e     │   │ f     │
╰───────╯   ╰───────╯   ╰───────╯"""


def drawing_of(names: str, links: str) -> Drawing:
    boxes = tuple(
        Box((name.partition("×")[0],), int(name.partition("×")[2] or 1)) for name in names.split()
    )
    pairs = [tuple(map(int, pair.split(">"))) for pair in links.split()]
    return Drawing(boxes, tuple(Link(a, b, 1) for a, b in pairs))


@st.composite
def drawings(draw: st.DrawFn) -> Drawing:
    count = draw(st.integers(1, 9))
    counts = draw(st.lists(st.integers(1, 1000), min_size=count, max_size=count))
    pairs = [(a, b) for b in range(count) for a in range(b)]
    chosen = draw(st.lists(st.sampled_from(pairs), max_size=14, unique=True)) if pairs else []
    boxes = tuple(Box((f"task{number}",), n) for number, n in enumerate(counts))
    return Drawing(boxes, tuple(Link(a, b, 1) for a, b in sorted(chosen)))


def test_a_diamond() -> None:
    drawn = terminal(drawing_of("load left×10 right×10 total", "0>1 0>2 1>3 2>3"))
    assert drawn == DIAMOND


def test_a_line_that_passes_another_is_not_joined_to_it() -> None:
    links = "0>3 0>4 0>5 1>3 1>4 1>5 2>3 2>4 2>5"
    assert terminal(drawing_of("a b c d e f", links)) == COMPLETE


@given(drawings())
def test_every_line_ends_at_another(drawing: Drawing) -> None:
    rows = terminal(drawing).splitlines()
    grid = {(y, x): c for y, row in enumerate(rows) for x, c in enumerate(row)}
    for (y, x), char in grid.items():
        if grid.get((y, x - 1), " ").isalnum():
            continue
        for side, (dy, dx), back in (("u", (-1, 0), "d"), ("d", (1, 0), "u")):
            if side in REACH.get(char, ""):
                other = grid.get((y + dy, x + dx), " ")
                assert back in REACH.get(other, ""), (y, x, char, other, "\n".join(rows))


@given(drawings())
def test_it_fits_and_names_every_box(drawing: Drawing) -> None:
    drawn = terminal(drawing, 80)
    assert max(map(len, drawn.splitlines())) <= 80
    for number in range(len(drawing.boxes)):
        assert f"task{number}" in drawn


def test_what_is_too_wide_is_listed() -> None:
    names = " ".join(f"a_rather_long_name_{n}" for n in range(30)) + " total"
    wide = drawing_of(names, " ".join(f"{n}>30" for n in range(30)))
    assert terminal(wide, 60) == listing(wide, 60)
    assert max(map(len, listing(wide, 60).splitlines())) <= 60


def test_boxes_that_nothing_joins_stand_in_rows() -> None:
    drawn = terminal(drawing_of("load left×10 right×10 total", "0>1 2>3"), 80)
    assert drawn.index("left") < drawn.index("right")
    names = " ".join(f"task_{n}" for n in range(30))
    rows = terminal(drawing_of(names, ""), 60).splitlines()
    assert len(rows) == 3 * 8
    assert max(map(len, rows)) <= 60


def test_a_long_run_of_like_boxes_is_one() -> None:
    links = " ".join(f"{n}>{n + 1}" for n in range(19))
    folded = summarized(drawing_of("heat×50 " * 20, links))
    assert [(box.count, box.levels) for box in folded.boxes] == [(1000, 20)]


def test_boxes_side_by_side_share_a_level() -> None:
    names = "load " + "simulate×4 " * 50 + "total"
    links = " ".join(f"0>{n} {n}>51" for n in range(1, 51))
    folded = summarized(drawing_of(names, links))
    assert [(box.count, box.levels) for box in folded.boxes] == [(1, 1), (200, 1), (1, 1)]
    assert "levels" not in terminal(folded, 80)


def test_a_run_that_feeds_itself_through_another_box_stays_apart() -> None:
    names, links = "a a b a a a", "0>1 1>2 2>3 1>3 3>4 4>5"
    assert len(summarized(drawing_of(names, links)).boxes) == 6


def test_tasks_that_feed_each_other_in_turn_become_one_box() -> None:
    names = "load " + "left right " * 40
    links = " ".join(f"{n}>{n + 1}" for n in range(80))
    folded = summarized(drawing_of(names, links))
    assert [box.titles for box in folded.boxes] == [("load",), ("left", "right")]
    assert folded.links == (Link(0, 1, 1),)


@given(drawings(), st.integers(1, 9))
def test_a_summary_keeps_every_element(drawing: Drawing, most: int) -> None:
    folded = summarized(drawing, most)
    assert sum(box.count for box in folded.boxes) == sum(box.count for box in drawing.boxes)
    assert all(link.source < link.target for link in folded.links)
