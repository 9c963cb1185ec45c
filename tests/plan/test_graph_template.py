"""The law of templates, for graphs: they give exactly the plan that compiling gives."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pymonik import Pymonik, Task, TaskOptions
from pymonik.graph.ir import Graph, Map, taken
from pymonik.graph.show import show
from pymonik.graph.target import Target
from pymonik.plan.maker import PlanMaker
from pymonik.plan.plan import Plan
from pymonik.plan.unit import Unit
from pymonik.system.structs import replace
from pymonik.wire.program import Program
from tests.conformance.programs import identity


def give(*args: Any) -> Any:
    return args


TASKS = [
    Task(give, func_name="give"),
    Task(give, func_name="limited", task_options=TaskOptions(max_duration=60, retries=2)),
    Task(give, func_name="kept apart", task_options=TaskOptions(priority=2)),
    Task(give, func_name="pure", pure=True),
]
# Where executors hand values on, a graph of levels is one unit; a chain is everywhere.
TARGETS = [Target(slots=2, exchanges=True), Target(slots=2)]


@pytest.fixture(scope="module")
def client() -> Iterator[Pymonik]:
    with Pymonik(backend="inline") as opened:
        yield opened


def told(plan: Plan) -> Any:
    """Return all that a plan says, in plain values and objects that both plans share."""
    (node,) = plan.graph.nodes
    assert type(node) is type(plan.locations[0][0])
    assert isinstance(node, Map)
    ((bound, locations),) = plan.locations
    assert bound is node
    outputs = [unit.outputs for unit in plan.units]
    return (
        [told_of_unit(unit) for unit in plan.units],
        [(one.chunk, one.output, one.unit_outputs == outputs) for one in locations],
        ([id(blob) for blob in plan.blobs], plan.named, plan.calls, plan.names, plan.stored),
        (show(plan.graph), plan.graph.notes, plan.graph.aliases, plan.graph.scattered),
        (type(node), node.n, node.chunk, node.depth, getattr(node, "lanes", None)),
        [(id(s.spec), s.wanted, list(map(id, s.origins))) for s in node.steps],
        [[type(column) for column in s.columns] for s in node.steps],
    )


def told_of_program(program: Program) -> Any:
    stored = [program.is_stored(step, 0) for step in range(len(program.steps))]
    return program.steps, program.own, program.n, program.outputs, program.sources, stored


def told_of_unit(unit: Unit) -> Any:
    return (
        (unit.number, *told_of_program(unit.program), unit.inputs, unit.n),
        told_of_program(Program.load(unit.payload)),
        (unit.options, unit.environment, unit.wanted, unit.seconds, unit.limited, unit.path),
        (unit.name, id(unit.modules), id(unit.surroundings), unit.result_id, unit.lanes),
        (unit.outputs.n, unit.outputs.columns, unit.outputs.missing, unit.outputs.plain),
        {*unit.outputs.loose},
    )


# Of each call: its task, the distances to the calls whose values it takes, and whether it is kept.
shapes = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 0, 0, 1]), st.lists(st.integers(1, 9), max_size=3), st.booleans()
    ),
    min_size=2,
    max_size=9,
)
durations = st.dictionaries(
    st.sampled_from(["give", "limited", "give; give", "another"]), st.just(1.0), max_size=1
)
values = st.one_of(st.integers(0, 2), st.floats(0, 1), st.text(max_size=2), st.none())


def recorded(
    client: Pymonik, shape: Sequence[tuple[int, list[int], bool]], plain: Any, rows: int = 1
) -> tuple[Graph, list[Any]]:
    """Record a graph; plain: what each call takes beside values of others, or a list of them."""
    handles: list[Any] = []
    for number, (task, distances, _) in enumerate([*shape] * rows):
        sources = [handles[number - by] for by in distances if by <= number]
        value = plain[number % len(plain)] if type(plain) is list else plain
        handles.append(TASKS[task].invoke(*sources, value, pymonik=client))
    client.parts.recorder.number()
    kept = [handle for handle, (_, _, is_kept) in zip(handles, [*shape] * rows) if is_kept]
    del handles, sources
    graph = taken(client.parts.submitter.take())
    client.parts.recorder.pending.clear()
    return graph, kept


def hits(maker: PlanMaker) -> int:
    return maker.graph_templates.hits if maker.graph_templates is not None else 0


def check_template(
    client: Pymonik, shape: Any, plain: Any, target: Target, rows: int, seconds: Any = ()
) -> int:
    """Compile graphs that differ in plain values; return how many had the plan of a template.

    seconds: what is known of durations meanwhile, for one graph after the other.
    """
    maker = PlanMaker()
    for number, value in enumerate(plain):
        graph, _kept = recorded(client, shape, value, rows)
        known = seconds[number] if number < len(seconds) else {}
        target = replace(target, durations=known)
        made = maker.repeated(graph, True, lambda now=target: now)
        if made is None:
            maker.make(graph, target, True)
        else:
            assert told(made) == told(PlanMaker().make(graph, target, True))
    return hits(maker)


@pytest.mark.parametrize("target", TARGETS, ids=["gang", "no gang"])
@pytest.mark.parametrize(
    "most", [4, pytest.param(100, marks=pytest.mark.thorough)], ids=["few", "many"]
)
def test_a_template_gives_the_plan_that_compiling_gives(
    client: Pymonik, most: int, target: Target
) -> None:
    @settings(max_examples=most, deadline=None)
    @given(shapes, st.lists(values, min_size=6, max_size=6), st.lists(durations, max_size=6))
    def law(shape: Any, plain: Any, seconds: Any) -> None:
        # A ladder of the shape, whose calls use those of rungs below, and a chain if it is narrow.
        check_template(client, shape, plain, target, 9 if target.exchanges else 1, seconds)

    law()


def chain(task: int, count: int) -> list[tuple[int, list[int], bool]]:
    """Return a chain whose calls take the one before once, twice, once: others need no template."""
    return [(task, [1] * (1 + number % 2), number == count - 1) for number in range(count)]


@pytest.mark.parametrize(
    ("shape", "rows"),
    [
        (chain(0, 20), 1),
        ([(number % 8 // 7, [8, 9], number > 6) for number in range(8)], 9),
        ([(0, [], True)] * 20, 1),
        ([(0, [8], number > 6) for number in range(8)], 9),
    ],
    ids=["chain", "gang", "map", "map of chains"],
)
def test_a_graph_is_compiled_a_few_times_and_then_no_more(
    client: Pymonik, shape: Any, rows: int
) -> None:
    assert check_template(client, shape, range(5), TARGETS[0], rows) == 2


@pytest.mark.parametrize(
    ("shape", "rows"),
    [(chain(0, 20), 1), ([(0, [8, 9], number > 6) for number in range(8)], 9)],
    ids=["chain", "gang"],
)
def test_units_that_turn_out_to_be_long_let_no_graph_be_compiled_once_more(
    client: Pymonik, shape: Any, rows: int
) -> None:
    graph, _kept = recorded(client, shape, 0, rows)
    (node,) = PlanMaker().make(graph, TARGETS[0], True).graph.nodes
    known = {node.name: 1.0}
    seconds = [{}, known, known, {**known, "another": 1.0}, {**known, "another": 1.0}]
    assert check_template(client, shape, range(5), TARGETS[0], rows, seconds) == 2


@st.composite
def chains(draw: Any) -> tuple[list[list[int]], list[bool]]:
    """Return how many chains there are, of what tasks, and which calls are kept."""
    width, tasks = draw(st.integers(2, 5)), draw(st.lists(st.sampled_from([0, 1]), max_size=5))
    count = width * (1 + len(tasks))
    return [[0, *tasks]] * width, draw(st.lists(st.booleans(), min_size=count, max_size=count))


@pytest.mark.parametrize(
    "most", [5, pytest.param(200, marks=pytest.mark.thorough)], ids=["few", "many"]
)
def test_a_template_of_chains_side_by_side_gives_the_plan_that_compiling_gives(
    client: Pymonik, most: int
) -> None:
    """Whatever is known of durations, which decide how many of them make a unit."""

    @settings(max_examples=most, deadline=None)
    @given(
        chains(),
        st.lists(st.lists(values, min_size=5, max_size=5), min_size=3, max_size=4),
        st.sampled_from([1, 2, 3]),
        st.lists(st.sampled_from([None, 1e-6, 1e-3, 0.3, 10.0]), min_size=4, max_size=4),
    )
    def law(of: Any, plain: Any, slots: int, seconds: Any) -> None:
        (columns, kept), maker = of, PlanMaker()
        shape = [
            (tasks[level], [len(columns)] if level else [], kept[level * len(columns) + number])
            for level in range(len(columns[0]))
            for number, tasks in enumerate(columns)
        ]
        for row, each in zip((*plain, plain[-1]), seconds):
            graph, _kept = recorded(client, shape, row)
            (node,) = PlanMaker().make(graph, Target(slots=slots), True).graph.nodes
            known = {} if each is None else {node.name: each}
            target = Target(slots=slots, exchanges=True, durations=known)
            made = maker.repeated(graph, True, lambda target=target: target)
            if made is None:
                maker.make(graph, target, True)
            else:
                assert told(made) == told(PlanMaker().make(graph, target, True))

    law()


def test_values_that_are_the_same_for_all_calls_are_said_once(client: Pymonik) -> None:
    """Where they were the same, and are not any more, calls are not alike."""
    maker, found = PlanMaker(), []
    for row in ([6, 6], [7, 7], [8, 8], [9, 9], [1, 2], [3, 3], [4, 4]):
        graph, _kept = recorded(client, [(0, [], True)] * 2, row)
        made = maker.repeated(graph, True, lambda: TARGETS[0])
        found.append(made is not None)
        expected = PlanMaker().make(graph, TARGETS[0], True)
        assert made is None or told(made) == told(expected)
        if made is None:
            maker.make(graph, TARGETS[0], True)
    assert found[:5] == [False, False, False, True, False]


def test_calls_on_other_lines_are_not_alike(client: Pymonik) -> None:
    maker = PlanMaker()
    for number in range(5):
        first = TASKS[0].invoke(1, pymonik=client)
        if number < 4:
            second = TASKS[0].invoke(2, pymonik=client)
        else:
            second = TASKS[0].invoke(2, pymonik=client)
        last = TASKS[0].invoke(3, pymonik=client)
        client.parts.recorder.number()
        graph = taken(client.parts.submitter.take())
        client.parts.recorder.pending.clear()
        made = maker.repeated(graph, True, lambda: TARGETS[0])
        assert (made is not None) is (number == 3)
        expected = PlanMaker().make(graph, TARGETS[0], True)
        assert made is None or told(made) == told(expected)
        maker.make(graph, TARGETS[0], True)
        del first, second, last


def other_target(graph: Graph, kept: list[Any]) -> tuple[Graph, Target]:
    return graph, Target(slots=3, exchanges=True)


def known_to_be_long(graph: Graph, kept: list[Any]) -> tuple[Graph, Target]:
    return graph, Target(slots=2, exchanges=True, durations={"give": 1.0})


def one_is_dropped(graph: Graph, kept: list[Any]) -> tuple[Graph, Target]:
    kept.clear()
    return graph, TARGETS[0]


def one_has_a_name(graph: Graph, kept: list[Any]) -> tuple[Graph, Target]:
    kept[-1]._node.label = "name"
    return graph, TARGETS[0]


def one_has_an_id(graph: Graph, kept: list[Any]) -> tuple[Graph, Target]:
    kept[-1]._node.ids = {0: "id"}
    return graph, TARGETS[0]


def calls_were_taken_out(graph: Graph, kept: list[Any]) -> tuple[Graph, Target]:
    return replace(graph, notes=("reused 1 calls: their values are known",)), TARGETS[0]


@pytest.mark.parametrize(
    "change",
    [
        other_target,
        known_to_be_long,
        one_is_dropped,
        one_has_a_name,
        one_has_an_id,
        calls_were_taken_out,
    ],
)
def test_what_a_plan_depends_on_is_compared(client: Pymonik, change: Any) -> None:
    maker = PlanMaker()
    for value in range(4):
        graph, kept = recorded(client, [(0, [8, 9], number > 6) for number in range(8)], value, 9)
        if value < 3:
            maker.make(graph, TARGETS[0], True)
    graph, target = change(graph, kept)
    assert maker.repeated(graph, True, lambda: target) is None
    assert hits(maker) == 0


@pytest.mark.parametrize(
    "shape",
    [
        [*chain(0, 5), *chain(0, 6)],
        chain(1, 11),
        [*chain(0, 10), (0, [1, 2], True)],
        [*chain(0, 10), (1, [1], True)],
    ],
)
def test_graphs_of_as_many_calls_that_are_not_alike(client: Pymonik, shape: Any) -> None:
    maker = PlanMaker()
    for number, wired in enumerate((*[chain(0, 11)] * 3, shape)):
        graph, _kept = recorded(client, wired, number)
        assert maker.repeated(graph, True, lambda: TARGETS[1]) is None
        maker.make(graph, TARGETS[1], True)
    assert hits(maker) == 0


def test_what_is_compared_in_vain_is_kept_later_each_time(client: Pymonik) -> None:
    """A program whose graphs are almost alike is not slowed down by each of them."""
    maker, looks = PlanMaker(), 0
    for number in range(40):
        graph, _kept = recorded(client, [*chain(0, 9), (0, [1 + number % 7], True)], number)
        known = maker.graph_templates
        looks += known is not None and any(known._templates.values())
        assert maker.repeated(graph, True, lambda: TARGETS[1]) is None
        maker.make(graph, TARGETS[1], True)
    assert looks < 10


def test_a_template_makes_one_location_for_all_values_that_are_not_stored(client: Pymonik) -> None:
    maker = PlanMaker()
    for _ in range(3):
        graph, kept = recorded(client, [(0, [1], number in (4, 9)) for number in range(10)], 1)
        made = maker.repeated(graph, True, lambda: TARGETS[1])
        plan = made or maker.make(graph, TARGETS[1], True)
    assert made is not None
    ((_, locations),) = plan.locations
    nowhere = [one for one in locations if one.output is None]
    stored = [one for one in locations if one.output is not None]
    assert (len(nowhere), len({*map(id, nowhere)}), len({*map(id, stored)})) == (8, 1, len(kept))


def test_equal_pure_calls_are_shared_where_others_were_not(client: Pymonik) -> None:
    maker = PlanMaker()
    for _ in range(4):
        shape = [(3, distances, True) for _, distances, _ in chain(0, 5)]
        graph, _kept = recorded(client, shape, 1)
        assert maker.repeated(graph, True, lambda: TARGETS[1]) is None
        maker.make(graph, TARGETS[1], True)


def test_loops_of_graphs_have_their_own_values_and_lines() -> None:
    with Pymonik(backend="inline") as client:
        found = []
        for start in range(6):
            handles = [identity.invoke(start) for _ in range(10)]
            found.append(handles[-1].get())
        assert found == [*range(6)]
        assert hits(client.parts.compiler.maker) == 3
        assert client.stats.submissions == 6


def test_nothing_is_kept_alive_by_a_template() -> None:
    with Pymonik(backend="inline") as client:
        for start in range(5):
            handles = [identity.invoke(start) for _ in range(10)]
            assert handles[-1].get() == start
        node: Any = handles[-1]._node
        assert hits(client.parts.compiler.maker) == 2
        of_now = [weakref.ref(thing) for thing in (node.location.unit_outputs[0], node, node.spec)]
        # Those of before are forgotten.
        client.parts.recorder.specs.options = TaskOptions(priority=2)
        del handles, node
        gc.collect()
        assert [one() for one in of_now] == [None, None, None]
