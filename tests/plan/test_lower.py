"""Lowering: maps are cut into units, and columns along with them."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pymonik.graph.passes import run_passes
from pymonik.graph.target import Target
from pymonik.plan.lower import lower
from pymonik.plan.unit import Unit
from pymonik.values.content import Content
from pymonik.values.outputs import Outputs
from tests.graph.programs import TASKS, recorded, recording

from .looking import columns, compiled, places, units_of

inc, add, root, total, note = (TASKS[name] for name in ("inc", "add", "root", "total", "note"))
LARGE = list(range(20_000))


def test_immediates_are_cut_along_the_units() -> None:
    with recording() as client:
        xs = add.map_invoke([(i, 5) for i in range(7)], pmk_chunk_size=3)
        found = [columns(unit) for unit in compiled(client).units]
        assert [column for column, _ in found] == [("s", [0, 1, 2]), ("s", [3, 4, 5]), ("s", [6])]
        assert [column for _, column in found] == [("s", [5, 5, 5])] * 2 + [("s", [5])]
        del xs


def test_what_is_the_same_for_all_stands_once() -> None:
    with recording() as client:
        base = inc.invoke(0)
        xs = [add.invoke(5, base, pmk_chunk_size=2) for _ in range(4)]
        for unit in units_of(compiled(client), "add"):
            assert columns(unit) == (("v", 5), ("r", [(0, 0, 0, 1, 1)]))
        del xs


def test_a_range_is_cut_where_the_units_of_its_source_end() -> None:
    with recording() as client:
        xs = inc.map_invoke(range(12), pmk_chunk_size=4)
        ys = root.map_invoke(xs, pmk_chunk_size=3)
        plan = compiled(client)
        assert [columns(unit)[0] for unit in units_of(plan, "root")] == [
            ("r", [(0, 0, 0, 1, 3)]),
            ("r", [(0, 0, 3, 1, 1), (1, 0, 0, 1, 2)]),
            ("r", [(0, 0, 2, 1, 2), (1, 0, 0, 1, 1)]),
            ("r", [(0, 0, 1, 1, 3)]),
        ]
        assert [len(unit.inputs) for unit in units_of(plan, "root")] == [1, 2, 2, 1]
        del ys


def test_a_whole_map_as_a_list_is_one_run_a_unit() -> None:
    with recording() as client:
        xs = inc.map_invoke(range(10), pmk_chunk_size=4)
        s = total.invoke(xs)
        plan = compiled(client)
        (unit,) = units_of(plan, "total")
        runs = [(0, 0, 0, 1, 4), (1, 0, 0, 1, 4), (2, 0, 0, 1, 2)]
        assert columns(unit) == (("b", runs),)
        assert list(unit.needs) == [u.outputs for u in units_of(plan, "inc")]
        del s


SLICES = st.slices(40)


@settings(max_examples=150, deadline=None)
@given(
    n=st.integers(1, 40),
    chunk=st.integers(1, 12),
    other=st.integers(1, 12),
    part=SLICES,
    way=st.sampled_from(["map", "loop", "list"]),
)
def test_any_slice_over_any_cut_names_the_right_values(
    n: int, chunk: int, other: int, part: slice, way: str
) -> None:
    with recording() as client:
        xs = inc.map_invoke(range(n), pmk_chunk_size=chunk)
        some = xs[part]
        if way == "map":
            ys: Any = root.map_invoke(some, pmk_chunk_size=other)
        elif way == "loop":
            ys = [root.invoke(h, pmk_chunk_size=other) for h in some]
        else:
            ys = total.invoke(some)
        plan = compiled(client)
        found = []
        for unit in units_of(plan, "total" if way == "list" else "root"):
            (column,) = columns(unit)
            got = places(unit, column, plan)
            # One value for all elements of a unit stands once.
            found += got * unit.n if len(got) == 1 and way != "list" else got
        size = min(chunk, n)
        assert found == [divmod(i, size) for i in range(n)[part]]
        del ys


def test_no_unit_names_an_input_twice() -> None:
    with recording() as client:
        xs = inc.map_invoke(range(6), pmk_chunk_size=3)
        pairs = add.map_invoke(list(zip(xs, xs[::-1])), pmk_chunk_size=6)
        deep = note.invoke(LARGE, {"again": [xs[0], xs[1]], "and": xs})
        plan = compiled(client)
        for unit in plan.units:
            assert len({id(source) for source in unit.inputs}) == len(unit.inputs)
        assert len(units_of(plan, "add")[0].inputs) == 2
        assert [type(source) for source in units_of(plan, "note")[0].inputs] == [
            Content,
            Outputs,
            Outputs,
        ]
        del pairs, deep


def test_a_unit_needs_only_units_before_it() -> None:
    with recording() as client:
        row = [inc.invoke(i, pmk_chunk_size=2) for i in range(6)]
        for _ in range(3):
            row = [add.invoke(row[i - 1], row[i], pmk_chunk_size=2) for i in range(6)]
        made: set[int] = set()
        for unit in compiled(client).units:
            assert all(id(outputs) in made for outputs in unit.needs)
            made.add(id(unit.outputs))


def test_wanted_bits_are_cut_along_the_units() -> None:
    with recording() as client:
        xs = [inc.invoke(i, pmk_chunk_size=4) for i in range(8)]
        xs = [xs[1], xs[2], xs[7]]
        keeps = [unit.program.steps[0].keep for unit in compiled(client).units]
        assert keeps == [b"\0\1\1\0", b"\0\0\0\1"]
        del xs


def test_values_nobody_asks_for_are_not_stored() -> None:
    with recording() as client:
        used = inc.invoke(2)
        ends = total.invoke([used, used]), note.invoke(used)
        del used
        plan = run_passes(recorded(client), Target(), True)
        units = lower(plan).units
        # A value that another unit uses is stored whole, with or without a handle.
        assert [(u.name, u.program.steps[0].keep) for u in units] == [
            ("inc", True),
            ("total", True),
            ("note", True),
        ]
        assert [len(unit.outputs.columns) for unit in units] == [1, 1, 1]
        del ends
    with recording() as client:
        note.invoke("effect")
        (unit,) = compiled(client).units
        assert (unit.program.outputs, unit.outputs.columns) == ([], [])


def test_the_elements_of_a_map_are_numbered_and_single_calls_are_not() -> None:
    with recording() as client:
        xs = inc.map_invoke(range(5), pmk_chunk_size=2)
        ys = [root.invoke(i, pmk_chunk_size=2) for i in range(3)]
        plan = compiled(client)
        assert [u.program.steps[0].base for u in units_of(plan, "inc")] == [0, 2, 4]
        assert [u.program.steps[0].base for u in units_of(plan, "root")] == [None, None]
        del xs, ys


def test_call_sites_are_one_text_or_one_for_each() -> None:
    with recording() as client:
        one = [inc.invoke(i) for i in range(4)]
        two = [root.invoke(1)]
        two += [root.invoke(2), root.invoke(3)]
        plan = lower(run_passes(recorded(client), Target(slots=1), ["batch"]))
        assert isinstance(units_of(plan, "inc")[0].program.steps[0].site, str)
        sites = [site for u in units_of(plan, "root") for site in _sites(u)]
        first = int(sites[0].rpartition(":")[2])
        assert [int(site.rpartition(":")[2]) for site in sites] == [first, first + 1, first + 1]
        assert all(site.startswith(__file__) for site in sites)
        del one, two


def _sites(unit: Unit) -> list[str]:
    site = unit.program.steps[0].site
    return [site] * unit.n if isinstance(site, str) else list(site)
