"""Where values are found: whoever asks whether one is there hears what its record says."""

from __future__ import annotations

import random
from types import SimpleNamespace

import pytest

from pymonik.values.location import Location, ScatteredLocation, StepLocations, known_at
from pymonik.values.outcome import PENDING, Failure
from pymonik.values.outputs import Outputs


@pytest.mark.parametrize("seed", range(20))
def test_a_look_found_once_says_what_the_record_says(seed: int) -> None:
    chance = random.Random(seed)
    each, count, outputs = chance.randint(1, 3), chance.randint(1, 3), chance.randint(1, 2)
    units = [Outputs(each, outputs) for _ in range(count)]
    kept = Location(units, each, chance.randrange(outputs))
    dropped = Location(units, each, None)
    known = known_at(chance.choice([None, 7]))
    nodes = [SimpleNamespace(location=kept, offset=0), SimpleNamespace(location=known, offset=0)]
    places = [(nodes[0], index) for index in range(each * count)]
    locations: list[tuple[Location, int]] = [
        (kept, each * count),
        (dropped, each * count),
        (known, 3),
        (ScatteredLocation([*chance.sample(places, len(places)), (nodes[1], 0)]), len(places) + 1),
        (StepLocations([kept, known]), 2),
    ]
    looks = [
        (of, index, of.looks_for(index)) for of, length in locations for index in range(length)
    ]

    def demand_same() -> None:
        for of, index, look in looks:
            assert look() == (of.record(index) is not PENDING) == of.looks_for(index)()

    demand_same()
    for unit in chance.sample(units, count):
        way = chance.choice(["whole", "parts", "early", "failed"])
        if way == "failed":
            unit.fail(Failure("error", "it failed", "f"))
        elif way == "whole":
            unit.fill(0, [[None] * each] * outputs)
            unit.settle(each)
        else:
            for start in range(each):
                if way == "early":
                    unit.tell(chance.randrange(outputs), start, [start])
                    demand_same()
                unit.fill(start, [[start]] * outputs)
                demand_same()
                unit.settle(1)
                demand_same()
        demand_same()
