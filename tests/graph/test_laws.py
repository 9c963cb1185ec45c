"""The laws of the passes, on random programs.

The same values and effects after every subset of passes; max(span, work / slots) no higher after
each; a pass run again changes nothing; the same program gives the same plan, to the byte.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pymonik import Pymonik
from pymonik.graph.ir import Graph
from pymonik.graph.passes import PASSES, run_passes
from pymonik.graph.show import show
from pymonik.graph.target import Target
from pymonik.graph.verify import verify

from .bounds import calls, has_costs, map_span, unit_span, work
from .programs import GRAIN, LEDGER, coarse, recorded, recording
from .random_programs import STEPS, TASKS, Failed, Lazy, Plain, Step, carry_out, keep

OPTIONAL = [name for name in PASSES if name != "vectorize"]
SUBSETS = [subset for n in range(len(OPTIONAL) + 1) for subset in combinations(OPTIONAL, n)]
MASKS = st.integers(0, (1 << 16) - 1)
SLOTS = st.integers(1, 5)
examples = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(autouse=True)
def without_collections() -> Iterator[None]:
    """Whether a value is wanted may change when garbage is collected: not while we compare."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def expected_of(steps: list[Step], mask: int) -> tuple[list[Any], Counter[Any]]:
    plain = Plain()
    return keep(*carry_out(steps, plain), mask), Counter(plain.effects)


def outcome(handle: Any) -> Any:
    error = handle.exception()
    assert error is None or type(error) is ValueError
    return handle.get() if error is None else Failed()


@pytest.mark.timeout(540)
@settings(examples, max_examples=2)
@given(steps=STEPS, mask=MASKS, slots=SLOTS)
def test_every_subset_of_passes_gives_the_same_values_and_effects(
    steps: list[Step], mask: int, slots: int
) -> None:
    assert_same(steps, mask, slots)


@pytest.mark.thorough
@pytest.mark.timeout(540)
@settings(examples, max_examples=80)
@given(steps=STEPS, mask=MASKS, slots=SLOTS)
def test_every_subset_of_passes_gives_the_same_in_many_programs(
    steps: list[Step], mask: int, slots: int
) -> None:
    assert_same(steps, mask, slots)


def assert_same(steps: list[Step], mask: int, slots: int) -> None:
    """Compare what the passes make of a program with what plain Python does, subset by subset."""
    values, effects = expected_of(steps, mask)
    for subset in SUBSETS:
        LEDGER.clear()
        client = Pymonik(backend="inline", workers=slots, optimize=subset)
        try:
            kept = keep(*carry_out(steps, Lazy(client)), mask)
            with coarse():
                client.flush()
            assert repr([outcome(handle) for handle in kept]) == repr(values), subset
            assert Counter(LEDGER) == effects, subset
        finally:
            client.cancel()


@pytest.fixture(scope="module")
def local() -> Iterator[Pymonik]:
    client = Pymonik(backend="local", workers=2)
    client.create()
    yield client
    client.cancel()


@settings(examples, max_examples=25)
@given(steps=STEPS, mask=MASKS)
def test_the_local_engine_gives_the_same_values(
    local: Pymonik, steps: list[Step], mask: int
) -> None:
    values, _ = expected_of(steps, mask)
    kept = keep(*carry_out(steps, Lazy(local)), mask)
    assert repr([outcome(handle) for handle in kept]) == repr(values)


def stages(graph: Graph, slots: int) -> Iterator[tuple[str, Graph, Graph]]:
    """Give each pass with the graph before it and after."""
    for name, run in PASSES.items():
        after = run(graph, Target(slots=slots, grain=GRAIN))
        yield name, graph, after
        graph = after


def assert_bound_never_rises(graph: Graph, slots: int) -> None:
    for name, before, after in stages(graph, slots):
        assert work(after) <= work(before) + 1e-9, name
        if name in ("cull", "cse", "vectorize"):  # exact: values flow between elements
            assert unit_span(after) <= unit_span(before) + 1e-9, name
        elif name == "fuse":
            assert map_span(after) <= map_span(before) + 1e-9
        elif name == "cluster":
            share = work(before) / slots
            # Where nothing is known of durations, a unit of calls that were meant to run side by
            # side costs at most what a greedy schedule may cost anyway (Brent 1974).
            longest = unit_span(before)
            bound = max(longest, share) if has_costs(before) else longest + share
            assert unit_span(after) <= bound * (1 + 1e-9)
        else:
            bound = max(map_span(before), work(before) / slots)
            assert map_span(after) <= bound * (1 + 1e-9)
            assert unit_span(after) <= bound * (1 + 1e-9)


@examples
@given(steps=STEPS, mask=MASKS, slots=SLOTS)
def test_no_pass_raises_the_bound(steps: list[Step], mask: int, slots: int) -> None:
    with recording(slots) as client:
        kept = keep(*carry_out(steps, Lazy(client)), mask)
        assert_bound_never_rises(recorded(client), slots)
        del kept


COSTS = st.sampled_from([None, 0.001, 0.02, 0.3, 2.0, 30.0])
LAYERS = st.lists(
    st.tuples(st.integers(1, 80), COSTS, st.sampled_from(["all", "each", "some", "none"])),
    min_size=1,
    max_size=6,
)


@examples
@given(layers=LAYERS, slots=st.integers(1, 12))
def test_wide_maps_of_any_cost_keep_the_bound(layers: Any, slots: int) -> None:
    """Layers of maps: each call uses all of the layer above, one element, a few, or nothing."""
    with recording(slots) as client:
        row: Any = TASKS["inc"].map_invoke(range(3))
        for n, cost, use in layers:
            above = {"all": row, "each": None, "some": row[:2], "none": []}[use]
            rows = [row[i % len(row)] if above is None else [*above] for i in range(n)]
            row = TASKS["deep"].map_invoke(rows, **({} if cost is None else {"pmk_cost": cost}))
        assert_bound_never_rises(recorded(client), slots)


@examples
@given(steps=STEPS, mask=MASKS, slots=SLOTS)
def test_a_pass_run_again_changes_nothing(steps: list[Step], mask: int, slots: int) -> None:
    with recording(slots) as client:
        kept = keep(*carry_out(steps, Lazy(client)), mask)
        for name, _, after in stages(recorded(client), slots):
            again = PASSES[name](after, Target(slots=slots, grain=GRAIN))
            assert show(again) == show(after), name
        del kept


@examples
@given(steps=STEPS, mask=MASKS)
def test_what_passes_make_obeys_the_laws_of_the_ir(steps: list[Step], mask: int) -> None:
    with recording() as client:
        kept = keep(*carry_out(steps, Lazy(client)), mask)
        graph = recorded(client)
        verify(graph)
        for subset in SUBSETS:
            run_passes(graph, Target(grain=GRAIN), subset, lambda name, made: verify(made, name))
        del kept


@examples
@given(steps=STEPS, mask=MASKS)
def test_without_passes_each_call_is_one_unit(steps: list[Step], mask: int) -> None:
    with recording(optimize=False) as client:
        kept = keep(*carry_out(steps, Lazy(client)), mask)
        plan = client.plan()
        assert len(plan.units) == recorded(client).calls == plan.calls
        assert all(unit.n == 1 and len(unit.program.steps) == 1 for unit in plan.units)
        del kept


def canonical(client: Pymonik) -> list[Any]:
    """Give the plan of a client with units, blobs and external cells numbered as they come."""
    plan = client.plan()
    numbers: dict[int, Any] = {id(unit.outputs): place for place, unit in enumerate(plan.units)}

    def name(source: Any) -> Any:
        digest = getattr(source, "digest", None)
        return digest or numbers.setdefault(id(source), ("external", len(numbers)))

    units = [
        (unit.payload, [name(source) for source in unit.inputs], unit.n, unit.name, unit.options)
        for unit in plan.units
    ]
    return [units, [blob.digest for blob in plan.blobs], [*plan.named], plan.requests]


@examples
@given(steps=STEPS, mask=MASKS)
def test_the_same_program_gives_the_same_plan(steps: list[Step], mask: int) -> None:
    plans = []
    for _ in range(2):
        with recording(seed=1) as client:
            kept = keep(*carry_out(steps, Lazy(client)), mask)
            plans.append(canonical(client))
            assert canonical(client) == plans[-1], "asked twice"
            del kept
    assert plans[0] == plans[1]


@pytest.mark.thorough
def test_random_programs_reach_every_kind_of_node() -> None:
    """The laws would hold for no program at all: look at what the programs are made of."""
    seen: Counter[str] = Counter()

    @settings(examples, max_examples=150, database=None, derandomize=True)
    @given(steps=STEPS)
    def look(steps: list[Step]) -> None:
        with recording() as client:
            kept = carry_out(steps, Lazy(client))
            text = str(client.plan())
            seen.update(
                mark for mark in ("%ext", "; ", "[*%", "put", "#", "::-1", "‹") if mark in text
            )
            seen.update(["wide"] if any(node.n > 3 for node in calls(client.plan().graph)) else [])
            del kept

    look()
    assert len(seen) == 8, seen
