"""What is asked of a run that somebody waits for: each record once, in whatever order they come."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest

from pymonik.client.waiter import OpenRecords
from pymonik.values.location import Location, ScatteredLocation
from pymonik.values.outcome import PENDING, Failure
from pymonik.values.outputs import Outputs

NODE = SimpleNamespace(offset=0)


class Counted(Location):
    """A location that counts the records it is asked for."""

    asked = 0

    def record(self, index: int) -> Any:
        self.asked += 1
        return super().record(index)

    def records(self, indexes: range) -> list[Any]:
        self.asked += len(indexes)
        return super().records(indexes)


def units(count: int, each: int) -> tuple[list[Outputs], Counted]:
    made = [Outputs(each, 1) for _ in range(count)]
    return made, Counted(made, each, 0)


def test_a_record_is_looked_at_a_few_times_however_often_somebody_asks() -> None:
    made, location = units(4, 5000)
    records = OpenRecords(NODE, location, range(20_000))
    asked = 0
    for start in range(0, 5000, 100):
        for outputs in made:
            outputs.fill(start, [list(range(100))])
            asked += 1
            records.is_none()
    assert records.is_none()
    assert location.asked < 3 * 20_000
    assert asked == 200, "else the count says nothing"


@pytest.mark.parametrize(
    "record", [1, None, "text", Failure("error", "", "task")], ids=["int", "None", "str", "failure"]
)
@pytest.mark.parametrize("seed", range(5))
def test_the_first_that_is_missing_is_told(seed: int, record: Any) -> None:
    made, location = units(3, 2000)
    places = range(100, 5900)
    records = OpenRecords(NODE, location, places)
    missing = list(range(6000))
    random.Random(seed).shuffle(missing)
    while missing:
        for place in missing[-97:]:
            made[place // 2000].put(0, place % 2000, record)
        del missing[-97:]
        first = min(filter(places.__contains__, missing), default=None)
        assert records.first() == (None if first is None else (NODE, first))
    assert records.is_none()


def test_every_second_one_backwards_and_one_here_and_there() -> None:
    made, location = units(2, 5)
    node = SimpleNamespace(offset=0, location=location)
    some = OpenRecords(NODE, location, range(8, -1, -2))
    scattered = OpenRecords(NODE, ScatteredLocation([(node, 7), (node, 1)]), range(2))
    assert (some.first(), scattered.first()) == ((NODE, 8), (NODE, 0))
    for place in (8, 6, 7):
        made[place // 5].put(0, place % 5, 0)
    assert (some.first(), scattered.first()) == ((NODE, 4), (NODE, 1))
    made[0].fill(0, [[0] * 5])
    assert some.is_none()
    assert scattered.is_none()


def test_records_told_early_are_taken_once() -> None:
    outputs = Outputs(6, 1)
    outputs.tell(0, 1, [1, 2])
    outputs.fill(0, [[0]])
    outputs.tell(0, 1, ["other", "other", 3])
    assert outputs.columns == [[0, 1, 2, 3, PENDING, PENDING]]
    assert outputs.plain == [True]
    outputs.tell(0, 4, [Failure("error", "", "task")])
    assert outputs.plain == [False]
    assert outputs.columns[0][5] is PENDING
