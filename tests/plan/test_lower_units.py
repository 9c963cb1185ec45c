"""Lowering: what a unit carries, and what it needs from elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pymonik import Task
from pymonik.graph.passes import run_passes
from pymonik.graph.target import Target
from pymonik.plan.lower import lower
from pymonik.values.content import Content
from tests.graph.programs import TASKS, recorded, recording

from .looking import columns, compiled, units_of

inc, add, root, total, note = (TASKS[name] for name in ("inc", "add", "root", "total", "note"))
LARGE = list(range(20_000))


def test_options_of_a_call_reach_its_step() -> None:
    with recording() as client:
        a = inc.invoke(1, pmk_max_duration=5, pmk_retries=2, pmk_retry_on=(KeyError, OSError))
        b = inc.invoke(2, pmk_retries=1, pmk_retry_on=(KeyError, OSError))
        c = inc.invoke(3)
        first, second, third = (unit.program.steps[0] for unit in compiled(client).units)
        assert (first.limit, first.retries) == (5.0, 2)
        assert first.retry_on.load() == (KeyError, OSError)
        assert second.retry_on is first.retry_on, "equal types are pickled once"
        assert (third.limit, third.retries, third.retry_on) == (None, 0, None)
        del a, b, c


def test_only_a_unit_whose_calls_have_a_limit_is_watched() -> None:
    with recording() as client:
        ends = inc.invoke(1), inc.invoke(2, pmk_max_duration=5)
        assert [unit.limited for unit in compiled(client).units] == [False, True]
        del ends


def test_a_limit_of_any_fused_call_makes_its_unit_watched() -> None:
    with recording() as client:
        end = inc.invoke(inc.invoke(1), pmk_max_duration=5)
        (unit,) = client.plan().units
        assert (len(unit.program.steps), unit.limited) == (2, True)
        del end


def test_only_a_task_that_may_make_calls_carries_the_options_they_inherit() -> None:
    def splits(x: int) -> Any:
        return inc.invoke(x)

    with recording() as client:
        ends = Task(splits).invoke(1, pmk_priority=3), inc.invoke(1, pmk_priority=3)
        inherited, plain = (unit.program.steps[0].options for unit in compiled(client).units)
        assert (inherited.priority, plain) == (3, None)
        del ends


def test_large_contents_are_inputs_and_small_ones_travel_in_the_payload() -> None:
    with recording() as client:
        large, small = total.invoke(LARGE), root.invoke([1, 2, 3])
        first, second = compiled(client).units
        assert columns(first) == (("c", 0),)
        assert isinstance(first.inputs[0], Content)
        kind, item = columns(second)[0]
        assert (kind, item.load(), second.inputs) == ("c", [1, 2, 3], ())
        del large, small


def test_an_object_put_is_its_content_wherever_it_stands() -> None:
    with recording() as client:
        handle, row = client.put(LARGE), inc.map_invoke(range(2), pmk_chunk_size=2)
        ends = [total.invoke(handle), note.invoke("x", [handle, row[0]]), total.invoke([row[1]])]
        plan = compiled(client)
        assert len(plan.blobs) == 1
        for unit in (*units_of(plan, "total")[:1], *units_of(plan, "note")):
            assert plan.blobs[0] in unit.inputs
        del ends


def test_a_large_function_is_a_blob_of_its_own() -> None:
    table = np.arange(10_000)

    def look_up(i: int) -> int:
        return int(table[i])

    with recording() as client:
        xs = [Task(look_up).invoke(i, pmk_chunk_size=1) for i in range(3)]
        ys = Task(look_up, func_name="again").map_invoke(range(3), pmk_chunk_size=1)
        plan = compiled(client)
        assert [blob.size > table.nbytes for blob in plan.blobs] == [True]
        assert all(unit.program.steps[0].function == 0 for unit in plan.units)
        del xs, ys


def test_values_of_an_earlier_submission_are_inputs_like_any_other() -> None:
    with recording() as client:
        xs = inc.map_invoke(range(6), pmk_chunk_size=3)
        client.flush()
        ys = root.map_invoke(xs[1:5], pmk_chunk_size=4)
        s = total.invoke([xs[0], *ys, xs[5]])
        plan = compiled(client)
        own = {id(unit.outputs) for unit in plan.units}
        first, last = plan.units
        assert columns(first) == (("r", [(0, 0, 1, 1, 2), (1, 0, 0, 1, 2)]),)
        assert [id(outputs) in own for outputs in first.needs] == [False, False]
        assert [id(outputs) in own for outputs in last.needs] == [False, True, False]
        client.flush()
        assert s.get() == 1 + 6 + sum(i * i for i in range(2, 6))


@pytest.mark.parametrize("optimize", [True, False])
def test_a_plan_is_bound_to_its_values_only_when_it_is_sent(optimize: bool) -> None:
    with recording(optimize=optimize) as client:
        xs = inc.map_invoke(range(4))
        node = xs[0]._node
        client.plan()
        assert node.location is None
        client.flush()
        assert node.location is not None
        assert xs.get() == [1, 2, 3, 4]


def test_calls_that_were_short_before_make_one_unit_a_slot() -> None:
    with recording() as client:
        ends = inc.map_invoke(range(40))
        graph = recorded(client)
        sizes = {
            seconds: run_passes(graph, Target(2, durations={"inc": seconds})).nodes[0].chunk
            for seconds in (1e-6, 0.04, 0.06, 5.0)
        }
        # Two slots have two seconds of work in hand before a unit would be overlong.
        assert sizes == {1e-6: 20, 0.04: 20, 0.06: 10, 5.0: 10}
        assert run_passes(graph, Target(2)).nodes[0].chunk == 10
        del ends


def test_on_a_cluster_a_level_of_a_stencil_is_one_unit_a_slot() -> None:
    with recording() as client:
        row = [add.invoke(x, 1) for x in range(10)]
        for _ in range(7):
            row = [add.invoke(row[x - 1], row[x]) for x in range(10)]
        graph = run_passes(recorded(client), Target(slots=2, isolates_delegating=True))
        assert len(lower(graph).units) == 16


@pytest.mark.parametrize(("n", "slots", "sizes"), [(101, 2, [50, 50, 1]), (100, 2, [50, 50])])
def test_on_a_cluster_what_remains_of_a_map_is_a_unit_of_its_own(
    n: int, slots: int, sizes: list[int]
) -> None:
    with recording() as client:
        values = inc.map_invoke([(x,) for x in range(n)])
        units = lower(
            run_passes(recorded(client), Target(slots=slots, isolates_delegating=True))
        ).units
        assert [unit.n for unit in units] == sizes
        del values
