"""The law of templates, for chains: they give exactly the plan that compiling gives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pymonik import Pymonik, Task, TaskOptions
from pymonik.graph.ir import Graph, taken
from pymonik.graph.target import Target
from pymonik.plan.chain_template import chain_plan
from pymonik.plan.maker import PlanMaker, may_be_chain
from pymonik.system.structs import replace
from tests.conformance.programs import identity
from tests.plan.test_graph_template import TASKS, give, told, values

TARGETS = [
    Target(slots=2, exchanges=True),
    Target(slots=2),
    Target(slots=4, isolates_delegating=True, grain=64),
    Target(slots=2, chunk_size=3, durations={"give": 0.001}),
]


def give_all(x: Any, y: Any = None, z: Any = None) -> Any:
    return x, y, z


@pytest.fixture(scope="module")
def client() -> Iterator[Pymonik]:
    with Pymonik(backend="inline") as opened:
        yield opened


def flushed(client: Pymonik) -> Graph:
    client.parts.recorder.number()
    graph = taken(client.parts.submitter.take())
    client.parts.recorder.pending.clear()
    return graph


def check(graph: Graph, target: Target = TARGETS[0]) -> bool:
    """Hold a plan to the one that compiling gives; return whether there is one."""
    made = chain_plan(graph, True) if may_be_chain(graph.nodes) else None
    if made is not None:
        compiled = PlanMaker().make(graph, target, True)
        assert made.outlines == compiled.outlines
        assert told(made) == told(compiled)
    return made is not None


# Of each call: its task, and whether it is kept.
links = st.lists(
    st.tuples(st.sampled_from([0, 0, 0, 1, 2, 3]), st.booleans()), min_size=2, max_size=12
)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    "most", [10, pytest.param(200, marks=pytest.mark.thorough)], ids=["few", "many"]
)
def test_a_chain_has_the_plan_that_compiling_gives(
    client: Pymonik, most: int, target: Target
) -> None:
    @settings(max_examples=most, deadline=None)
    @given(links, st.lists(values, max_size=2), st.integers(0, 2), st.integers(1, 2))
    def law(shape: Any, plain: list[Any], place: int, times: int) -> None:
        handle: Any = None
        kept: list[Any] = []
        for number, (task, is_kept) in enumerate(shape):
            args = [*plain[:place], *[handle] * times, *plain[place:]]
            if number == 0:
                handle = TASKS[task].invoke(*plain, pymonik=client)
            elif number % 2:
                handle = TASKS[task].invoke(*args, pymonik=client)
            else:
                handle = TASKS[task].invoke(*args, pymonik=client)
            kept += [handle] if is_kept else []
        del handle, args
        tasks = {task for task, _ in shape}
        is_one = (2 not in tasks or tasks == {2}) and shape[-1] != (3, False)
        assert check(flushed(client), target) is is_one

    law()


@pytest.mark.parametrize("count", [2, 200, 201, 202, 500])
def test_of_long_chains_the_last_have_notes(client: Pymonik, count: int) -> None:
    handle: Any = TASKS[0].invoke(1, pymonik=client)
    for number in range(count - 1):
        handle = TASKS[number % 2].invoke(handle, pymonik=client)
    assert check(flushed(client))


def test_costs_are_added_up(client: Pymonik) -> None:
    costly = Task(give, func_name="costly", task_options=TaskOptions(cost=0.1))
    for first in (costly, TASKS[0]):
        handle: Any = first.invoke(1, pymonik=client)
        for _ in range(5):
            handle = costly.invoke(handle, pymonik=client)
        assert check(flushed(client))


def test_what_was_said_of_a_graph_before_stays(client: Pymonik) -> None:
    last: Any = TASKS[0].invoke(TASKS[0].invoke(1, pymonik=client), pymonik=client)
    graph = replace(flushed(client), notes=("reused 1 calls: their values are known",))
    assert check(graph)
    del last


def given_a_list(handle: Any) -> Any:
    return TASKS[0].invoke(handle, [1, 2])


def with_the_first(handle: Any) -> Any:
    first = TASKS[0].invoke(1)
    return TASKS[0].invoke(TASKS[0].invoke(first), first)


def in_a_list(handle: Any) -> Any:
    return TASKS[0].invoke([handle, 1])


def with_a_name(handle: Any) -> Any:
    return TASKS[0].invoke(handle, pmk_name="named")


def of_a_map(handle: Any) -> Any:
    return TASKS[0].invoke(Task(give, func_name="map").map_invoke([1, 2])[0])


def of_a_delegating_task(handle: Any) -> Any:
    return Task(_delegating, func_name="delegating").invoke(handle)


def _delegating(x: Any) -> Any:
    return TASKS[0].invoke(x)


@pytest.mark.parametrize(
    "last",
    [given_a_list, with_the_first, in_a_list, with_a_name, of_a_map, of_a_delegating_task],
)
def test_other_graphs_are_compiled(last: Any) -> None:
    with Pymonik(backend="inline") as client:
        handle: Any = TASKS[0].invoke(TASKS[0].invoke(TASKS[0].invoke(1)))
        handle = last(handle)
        assert not check(flushed(client))


def test_functions_that_are_blobs_are_inputs(client: Pymonik, set_settings: Any) -> None:
    handle: Any = TASKS[0].invoke(TASKS[0].invoke(1, pymonik=client), pymonik=client)
    graph = flushed(client)
    assert chain_plan(graph, False) is None
    assert chain_plan(graph, True) is not None
    set_settings(blob_size=1)
    assert chain_plan(graph, True) is None
    del handle


def test_a_program_waits_for_chains_without_passes() -> None:
    with Pymonik(backend="inline") as client:
        for count in (2, 10, 300):
            handle: Any = count
            handles = [handle := identity.invoke(handle) for _ in range(count)]
            assert [one.get() for one in handles] == [count] * count
        maker = client.parts.compiler.maker
        assert not maker._has_made_graph
        assert client.stats.submissions == 3
