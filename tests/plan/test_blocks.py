"""Blocks: small calls of several levels that are one unit, as units of a plan."""

from __future__ import annotations

from typing import Any

import pytest

from pymonik import Pymonik, task
from pymonik.graph.ir import Block
from pymonik.graph.passes import run_passes
from pymonik.graph.target import Target
from pymonik.plan.lower import lower
from pymonik.values.location import ScatteredLocation
from tests.graph.programs import EFFECTFUL, GRAIN, coarse, recorded, recording

add, blend, inc, total = (EFFECTFUL[name] for name in ("add", "blend", "inc", "total"))


@task
def cell(*neighbours: int) -> int:
    return sum(neighbours)


def stencil(levels: int = 10, width: int = 8) -> list[Any]:
    row = [cell.invoke(x) for x in range(width)]
    for _ in range(levels - 1):
        row = [cell.invoke(*row[max(0, x - 1) : x + 2]) for x in range(width)]
    return row


def cluster(slots: int) -> Target:
    return Target(slots=slots, isolates_delegating=True, grain=GRAIN)


def units(slots: int) -> list[Any]:
    with recording(slots) as client:
        row = stencil()
        made = lower(run_passes(recorded(client), cluster(slots))).units
        del row
    return [*made]


@pytest.mark.parametrize(("slots", "count"), [(1, 1), (2, 11)])
def test_several_levels_of_a_stencil_are_one_unit(slots: int, count: int) -> None:
    assert len(units(slots)) == count


def test_a_block_stores_what_others_use_and_what_is_wanted() -> None:
    made = units(2)
    used = {id(source) for unit in made for source in unit.needs}
    for unit in made:
        stored = len(unit.outputs.columns)
        assert 0 < stored < len(unit.program.steps) or id(unit.outputs) not in used


def test_a_block_needs_no_block_that_comes_after_it() -> None:
    seen: set[int] = set()
    for unit in units(2):
        assert seen.issuperset(id(source) for source in unit.needs)
        seen.add(id(unit.outputs))


def test_a_map_and_what_gathers_it_make_a_unit_a_slot_and_one() -> None:
    with recording() as client:
        end = total.invoke(inc.map_invoke(range(100)))
        plan = lower(run_passes(recorded(client), cluster(50)))
        assert len(plan.units) == 51
        del end


def test_elements_of_a_map_are_found_in_the_blocks_they_went_to() -> None:
    with coarse(), Pymonik(backend="inline", workers=2) as client:
        xs = inc.map_invoke(range(6), pymonik=client)
        ys = add.map_invoke([(xs[i], xs[i - 1]) for i in range(6)], pymonik=client)
        zs = blend.map_invoke([(ys[i], ys[i - 1], 1) for i in range(6)], pymonik=client)
        plan = client.plan()
        assert sum(type(node) is Block for node in plan.graph.nodes) == len(plan.units) < 6
        plain = [x + x_before for x, x_before in zip(range(1, 7), [6, 1, 2, 3, 4, 5])]
        assert ys[2:4].get() == plain[2:4]
        assert zs.get() == [plain[i] + 2 * plain[i - 1] + 3 for i in range(6)]
        assert xs.get() == [1, 2, 3, 4, 5, 6]
        assert all(type(m._node.location) is ScatteredLocation for m in (xs[0], ys[0], zs[0]))


def test_a_map_with_a_name_stays_a_map() -> None:
    with recording() as client:
        xs = inc.map_invoke(range(6), pmk_name="kept")
        ys = add.map_invoke([(xs[i], xs[i - 1]) for i in range(6)])
        zs = [total.invoke([ys[i], ys[i - 1]]) for i in range(6)]
        ends = [total.invoke(zs[i:]) for i in range(6)]
        graph = run_passes(recorded(client), cluster(1))
        assert [type(node) is Block for node in graph.nodes] == [False, True]
        del ends


def test_values_of_a_block_are_named_as_they_are_told() -> None:
    with coarse(), Pymonik(backend="inline", workers=1) as client:
        a = inc.invoke(1, pymonik=client)
        row = [add.invoke(a, k, pymonik=client).named(f"b{k}") for k in range(3)]
        ends = [total.invoke(row, pymonik=client) for _ in range(2)]
        plan = client.plan()
        assert len(plan.units) == 1
        places = plan.places()
        assert {places[f"b{k}"].output for k in range(3)} == {1, 2, 3}
        assert [end.get() for end in ends] == [9, 9]
