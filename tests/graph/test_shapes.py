"""What programs of a known shape compile to, counted in maps, steps and units."""

from __future__ import annotations

from typing import Any

import pytest

from pymonik import Pymonik, task
from pymonik.graph.ir import Map, Put
from pymonik.graph.passes import PASSES, run_passes
from pymonik.graph.show import show
from pymonik.graph.target import Target

from .programs import TASKS, recorded, recording

inc, add, blend, root, total = (TASKS[name] for name in ("inc", "add", "blend", "root", "total"))


def maps_after(client: Pymonik, passes: Any = True, slots: int = 2) -> list[Map]:
    graph = run_passes(recorded(client), Target(slots=slots), passes)
    return [node for node in graph.nodes if isinstance(node, Map)]


def test_a_stencil_by_single_calls_is_a_map_a_row() -> None:
    with recording() as client:
        row = [inc.invoke(i) for i in range(50)]
        for _ in range(20):
            row = [blend.invoke(row[i - 1], row[i], row[(i + 1) % 50]) for i in range(50)]
        first, *rest = maps_after(client)
        assert len(rest) == 20
        assert all(node.n == 50 and node.name == "blend" for node in rest)
        assert [node.depth for node in (first, *rest)] == list(range(21))


def test_a_stencil_written_column_by_column_is_the_same_20_maps() -> None:
    """Calls fold by depth, whatever the order they were written in."""

    def recorded_in(order: Any) -> str:
        with recording() as client:
            cells = {(0, i): inc.invoke(i) for i in range(6)}
            for t, i in order:
                near = (cells[t - 1, (i + d) % 6] for d in (-1, 0, 1))
                cells[t, i] = blend.invoke(*near)
            return show(run_passes(recorded(client), Target(), ["vectorize"]))

    by_row = [(t, i) for t in range(1, 5) for i in range(6)]
    # Each cell as soon as its three neighbours are there: a wave front.
    by_wave = sorted(by_row, key=lambda cell: (2 * cell[0] + min(cell[1], 6 - cell[1]), cell[1]))
    by_wave = _ready(by_wave)
    assert by_wave != by_row
    assert len(recorded_in(by_row).splitlines()) == len(recorded_in(by_wave).splitlines()) == 5


def _ready(order: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Move cells behind the cells that they need."""
    done: list[tuple[int, int]] = []
    waiting = list(order)
    while waiting:
        for cell in waiting:
            t, i = cell
            if t == 1 or all((t - 1, (i + d) % 6) in done for d in (-1, 0, 1)):
                done.append(cell)
                waiting.remove(cell)
                break
    return done


def test_a_loop_of_chains_is_a_map_a_stage_then_one() -> None:
    with recording() as client:
        ends = [add.invoke(root.invoke(inc.invoke(i)), 7) for i in range(300)]
        assert [node.name for node in maps_after(client, ["vectorize"])] == ["inc", "root", "add"]
        (fused,) = maps_after(client)
        assert (fused.n, len(fused.steps)) == (300, 3)
        del ends


def test_a_chain_of_a_thousand_is_one_unit() -> None:
    with recording() as client:
        end = inc.invoke(0)
        for _ in range(999):
            end = inc.invoke(end)
        plan = client.plan()
        assert (plan.calls, len(plan.units)) == (1000, 1)
        (unit,) = plan.units
        assert len(unit.program.steps) == 1000
        # Only the end is wanted: one value is stored, and none travels on the way.
        assert (len(unit.outputs.columns), unit.inputs) == (1, ())


@pytest.mark.parametrize("length", [2, 3, 50])
def test_a_diamond_stays_four_units_whatever_hangs_on_its_arms(length: int) -> None:
    with recording() as client:
        top = inc.invoke(0)
        arms = [root.invoke(top), inc.invoke(top)]
        for _ in range(length - 1):
            arms = [root.invoke(arms[0]), inc.invoke(arms[1])]
        end = add.invoke(*arms)
        del top, arms
        assert [len(node.steps) for node in maps_after(client)] == [1, length, length, 1]
        del end


def test_a_wanted_value_inside_a_chain_is_stored_and_the_others_are_not() -> None:
    with recording() as client:
        links = [inc.invoke(0)]
        for _ in range(9):
            links.append(inc.invoke(links[-1]))
        kept = links[3], links[9]
        del links
        (unit,) = client.plan().units
        assert [step.keep for step in unit.program.steps] == [n in (3, 9) for n in range(10)]
        client.flush()
        assert [h.get() for h in kept] == [4, 10]


def test_other_partitions_priorities_and_environments_do_not_share_a_unit() -> None:
    with recording() as client:
        plain = [inc.invoke(i) for i in range(4)]
        other = [inc.invoke(h, pmk_partition="gpu") for h in plain]
        first = [inc.invoke(h, pmk_priority=7) for h in plain]
        plan = client.plan()
        for unit in plan.units:
            assert len({step.name for step in unit.program.steps}) == len(unit.program.steps) == 1
        places = {(u.options.partition_id, u.options.priority) for u in plan.units}
        assert places == {(None, 1), ("gpu", 1), (None, 7)}
        del other, first


def test_as_written_is_exactly_one_unit_a_call() -> None:
    with recording(optimize=False) as client:
        xs = inc.map_invoke(range(10))
        ends = [root.invoke(h) for h in xs]
        sums = [total.invoke(xs), total.invoke(xs)]
        named = client.put([1, 2], name="two")
        plan = client.plan()
        assert (len(plan.units), plan.calls) == (22, 22)
        assert [unit.n for unit in plan.units] == [1] * 22
        del ends, sums, named


def test_pure_calls_stay_as_written_without_passes() -> None:
    with recording(optimize=False) as client:
        for _ in range(3):
            root.invoke(4)
        assert len(client.plan().units) == 3


@pytest.mark.parametrize("slots", [1, 2, 8])
def test_a_wide_map_is_cut_into_two_units_a_slot(slots: int) -> None:
    with recording(slots) as client:
        xs = inc.map_invoke(range(10_000))
        assert len(client.plan().units) == 2 * slots
        del xs


def test_units_of_known_calls_last_a_second() -> None:
    @task(cost=0.05)
    def slow(x: int) -> int:
        return x

    with recording(2) as client:
        xs = slow.map_invoke(range(1000))
        assert {unit.n for unit in client.plan().units} == {20}
        del xs


def test_a_chunk_size_is_kept_to_the_letter() -> None:
    with recording(2) as client:
        xs = inc.map_invoke(range(10), pmk_chunk_size=4)
        ys = [root.invoke(i, pmk_chunk_size=3) for i in range(7)]
        sizes = [unit.n for unit in client.plan().units]
        assert sorted(sizes) == sorted([4, 4, 2, 3, 3, 1])
        del xs, ys


def test_the_passes_can_be_chosen_by_name() -> None:
    with recording() as client:
        ends = [root.invoke(inc.invoke(i)) for i in range(4)]
        graph = recorded(client)
        names: list[str] = []
        run_passes(graph, Target(), ["fuse"], lambda name, made: names.append(name))
        assert names == ["vectorize", "fuse"]
        run_passes(graph, Target(), True, lambda name, made: names.append(name))
        assert names[2:] == list(PASSES)
        del ends


def test_compiling_leaves_the_recorded_graph_as_it_was() -> None:
    with recording() as client:
        a = root.invoke(1)
        same = root.invoke(1)
        rows = inc.map_invoke([a, same])
        client.put([1], name="one")
        before = recorded(client)
        text = show(before)
        client.plan()
        assert show(recorded(client)) == text
        assert all(node.location is None for node in before.nodes if type(node) is not Put)
        del rows


@pytest.mark.parametrize("n", [1, 6])
@pytest.mark.parametrize("kind", ["list", "dict", "nested"])
def test_a_chain_through_handles_in_arguments_is_fused(n: int, kind: str) -> None:
    def held(handle: Any) -> Any:
        return {"list": [handle], "dict": {"p": handle}, "nested": [1, [handle, 2]]}[kind]

    with recording() as client:
        row = [root.invoke(i) for i in range(n)]
        for _ in range(4):
            row = [total.invoke(held(handle)) for handle in row]
        (node,) = maps_after(client, slots=1)
        assert [node.n, len(node.steps)] == [n, 5]


def test_a_list_of_neighbours_is_not_fused() -> None:
    with recording() as client:
        row = [root.invoke(i) for i in range(6)]
        row = [total.invoke([row[i], row[i - 1]]) for i in range(6)]
        assert [len(node.steps) for node in maps_after(client)] == [1, 1]


def test_a_node_shows_itself_as_the_line_of_it_behind_its_inputs() -> None:
    with recording() as client:
        one = inc.invoke(1)
        many = inc.map_invoke(range(10))
        last = total.invoke([one, *many], pmk_name="all")
        put = client.put([1], name="object")
        graph = client.plan().source.graph  # type: ignore[union-attr]
        assert list(map(repr, graph.nodes)) == [
            "%0 = inc(1) *",
            "%0 = map[10] inc(0:10) *",
            "%2 = total([*%0, *%1[0:10]]) * named 'all'",
            f"%0 = put #{put._node.content.size}B named 'object'",
        ]
        assert show(graph).splitlines()[2] == repr(last._node)
        compiled = client.plan().graph.nodes
        assert "%0 = map[10/2] inc(0:10) *" in list(map(repr, compiled))
