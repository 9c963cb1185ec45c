"""What the scheduler does for a piece that ends grows with those that wait like their logarithm."""

from __future__ import annotations

import gc
import sys
from collections import Counter
from math import log2
from typing import Any

from pymonik.runtime.host.events import RoundOver, SliceEnded, UnitsAdded
from pymonik.runtime.host.unit_slice import UnitSlice

from .units import Machine, records, unit

ENDS = 10


class Path(float):
    """The length of a path, which counts how often it is compared."""

    compared = 0

    def __neg__(self) -> Path:
        return Path(-float(self))

    def __eq__(self, other: object) -> bool:
        Path.compared += 1
        return float.__eq__(self, other)  # type: ignore[arg-type]

    __hash__ = float.__hash__


def waiting(count: int) -> Machine:
    """Give a scheduler of two executors with a piece each, and so many pieces that wait."""
    made, of = Machine(2), unit("u", count + 2)
    made.tell(UnitsAdded([of]))
    running = made.state.by_outputs[id(of.outputs)]
    made.state.ready.clear()
    of.path = Path(1.0)
    for element in range(count + 2):
        made.state.ready.append(UnitSlice(running, element, element + 1))
    made.tell(RoundOver())
    return made


def cost_of_ends(count: int) -> Counter[str]:
    """Count calls of functions, and comparisons, as some pieces end while so many wait."""
    made, seen = waiting(count), Counter[str]()
    before = sys.getprofile()
    Path.compared = 0
    for _ in range(ENDS):
        (piece,) = made.state.executors[0]
        of = piece.running.unit
        columns: list[list[Any]] = records(of, piece.start, piece.stop)
        end = SliceEnded(0, of.number, piece.start, piece.stop, columns, [], 1.0, None)
        is_collecting = gc.isenabled()
        gc.disable()  # what it calls, for other tests also, is no work of the scheduler
        sys.setprofile(lambda frame, event, arg: seen.update([event]))
        try:
            made.tell(end)
            made.tell(RoundOver())
        finally:
            sys.setprofile(before)
            if is_collecting:
                gc.enable()
    assert len(made.state.ready) == count - ENDS
    seen["compared"] = Path.compared
    seen["call"] -= Path.compared  # each is a call of a method, here alone
    return seen


def test_an_end_costs_a_logarithm_of_what_waits() -> None:
    few, many = cost_of_ends(100), cost_of_ends(20_000)
    for count, seen in ((100, few), (20_000, many)):
        assert 0 < seen.pop("compared") <= ENDS * 2 * log2(count)
    # Nothing else depends on how much waits.
    assert few["call"] == many["call"]
