"""The order of calls in lanes: what other lanes wait for is made first."""

from __future__ import annotations

from pymonik import Pymonik, task
from pymonik.graph.ir import Block
from pymonik.graph.passes import run_passes
from pymonik.graph.target import Target
from tests.graph.programs import recorded

WIDTH, ROWS, SLOTS = 12, 8, 3


@task
def blend(left: int, here: int, right: int) -> int:
    return left + here + right


def test_of_each_row_a_lane_makes_first_what_other_lanes_use() -> None:
    """So each has calls left to run while its neighbour is late: here the inner half of a row."""
    with Pymonik(backend="inline") as client:
        row = [*range(WIDTH)]
        for _ in range(ROWS):
            row = [blend.invoke(row[i - 1], row[i], row[(i + 1) % WIDTH]) for i in range(WIDTH)]
        made = run_passes(recorded(client), Target(slots=SLOTS, exchanges=True))
        (block,) = made.nodes
        assert isinstance(block, Block)
        assert block.lanes is not None
        lanes, part = block.lanes, WIDTH // SLOTS
        used = {
            source
            for place, step in enumerate(block.steps)
            for column in step.columns
            for source in column.steps()
            if lanes[source] != lanes[place]
        }
        for lane in range(SLOTS):
            own = [place for place, of in enumerate(lanes) if of == lane]
            # The last row is used by nobody.
            for begin in range(0, len(own) - part, part):
                assert [place in used for place in own[begin : begin + part]] == [
                    True, True, False, False,
                ]  # fmt: skip
        assert [handle.get() for handle in row] == plain()


def plain() -> list[int]:
    row = [*range(WIDTH)]
    for _ in range(ROWS):
        row = [row[i - 1] + row[i] + row[(i + 1) % WIDTH] for i in range(WIDTH)]
    return row
