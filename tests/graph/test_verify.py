"""Each law of the IR refuses the graph that breaks it, and shows where."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from pymonik.errors import GraphError
from pymonik.graph.columns import Const, FromStep, Gather, Immediates, Range, Values
from pymonik.graph.ir import CallSpec, Graph, Map, Step
from pymonik.graph.passes import run_passes
from pymonik.graph.slots import Ref
from pymonik.graph.target import Target
from pymonik.graph.verify import verify
from pymonik.values.options import TaskOptions

from .programs import TASKS, recorded, recording


@pytest.fixture
def graphs() -> Iterator[tuple[Graph, Graph]]:
    """Give a graph as recorded, and folded into maps:

    %0 = map[4] inc(0:4)
    %1 = total([*%0[0:4]]) *
    %2 = map[4] { %2.0 = add(%0[0:4], 7); root(%2.0) * }
    """
    with recording() as client:
        starts = [TASKS["inc"].invoke(i) for i in range(4)]
        ends = [TASKS["root"].invoke(TASKS["add"].invoke(h, 7)) for h in starts]
        graph = recorded(client)
        assert len(graph.nodes) == 12
        uses = [TASKS["total"].invoke(starts)]
        folded = run_passes(recorded(client), Target(), ["fuse"])
        del starts, ends, uses
        yield graph, folded


def test_what_the_passes_made_is_accepted(graphs: tuple[Graph, Graph]) -> None:
    for graph in graphs:
        verify(graph)


def with_step(graph: Graph, change: Callable[[Step], Step], number: int = -1) -> Graph:
    """Change one step of the fused map."""
    place = next(i for i, node in enumerate(graph.nodes) if len(node.steps) > 1)
    steps = list(graph.nodes[place].steps)
    steps[number] = change(steps[number])
    nodes = list(graph.nodes)
    nodes[place] = nodes[place].of_steps(tuple(steps))
    return replace(graph, nodes=tuple(nodes))


def altered(step: Step, **given: Any) -> Step:
    """Give a step in which some things are others."""
    return Step(**{name: getattr(step, name) for name in Step.__slots__} | given)


def with_column(graph: Graph, column: Any, number: int = 0) -> Graph:
    """Put another first column into a step of the fused map."""
    return with_step(graph, lambda s: altered(s, columns=(column, *s.columns[1:])), number)


def elsewhere(step: Step) -> Step:
    gpu = TaskOptions(partition_id="gpu", priority=1)
    return altered(step, spec=CallSpec("far", step.spec.code, step.spec.width, gpu))


def first(graph: Graph) -> Any:
    return graph.nodes[0]


RECORDED = {
    "stands twice in the graph": lambda g: replace(g, nodes=(*g.nodes, g.nodes[-1])),
    "uses a value that no earlier node makes": lambda g: replace(g, nodes=g.nodes[::-1]),
    "is a str, which is not a node": lambda g: replace(g, nodes=(*g.nodes, "a string")),
}
FOLDED = {
    "stands twice in the graph": lambda g: replace(g, nodes=(first(g), *g.nodes)),
    "uses a value that no earlier node makes": lambda g: replace(g, nodes=g.nodes[1:]),
    "step 1 has 0 columns, its task takes 1": lambda g: with_step(
        g, lambda step: altered(step, columns=())
    ),
    "step 1 stands for 3 calls, the map has 4 elements": lambda g: with_step(
        g, lambda step: altered(step, origins=step.origins[:3])
    ),
    "step 1 has 3 wanted bits for 4 elements": lambda g: with_step(
        g, lambda step: altered(step, wanted=b"\1\0\1")
    ),
    "step 1 runs elsewhere than the steps before it": lambda g: with_step(g, elsewhere),
    "step 0 has a column of 3, the map is 4 long": lambda g: with_column(g, Immediates([1, 2, 3])),
    "step 0 has a column of 5, the map is 4 long": lambda g: with_column(
        g, Values([1, 2, 3, 4, 5])
    ),
    "step 0 uses step 0, which is not before it": lambda g: with_column(g, FromStep(0)),
    "step 1 uses step 1, which is not before it": lambda g: with_column(g, FromStep(1), 1),
    "step 1 uses step -1, which is not before it": lambda g: with_column(g, FromStep(-1), 1),
    "step 0 uses element 4 of a map of 4": lambda g: with_column(g, Range(first(g), 1, 1)),
    "step 0 has a column of 2, the map is 4 long": lambda g: with_column(
        g, Gather(first(g), [1, 2])
    ),
    "step 0 uses element 7 of a map of 4": lambda g: with_column(g, Gather(first(g), [0, 7, 2, 2])),
    "step 0 uses element 3 of a map of 4": lambda g: with_column(g, Range(first(g), 3, -2)),
    "step 0 uses element 9 of a map of 4": lambda g: with_column(g, Const(Ref(first(g), 9))),
}


@pytest.mark.parametrize("complaint", RECORDED)
def test_a_recorded_graph_that_breaks_a_law_is_refused(
    graphs: tuple[Graph, Graph], complaint: str
) -> None:
    with pytest.raises(GraphError, match=complaint):
        verify(RECORDED[complaint](graphs[0]))


@pytest.mark.parametrize("complaint", FOLDED)
def test_a_folded_graph_that_breaks_a_law_is_refused(
    graphs: tuple[Graph, Graph], complaint: str
) -> None:
    with pytest.raises(GraphError, match=complaint):
        verify(FOLDED[complaint](graphs[1]))


def test_a_call_with_too_few_arguments_is_refused(graphs: tuple[Graph, Graph]) -> None:
    node = graphs[0].nodes[-1]
    node._args = ()
    with pytest.raises(GraphError, match=r"has 0 arguments where its task takes 1"):
        verify(graphs[0])


def test_a_nested_use_is_looked_at_too(graphs: tuple[Graph, Graph]) -> None:
    folded = graphs[1]
    far = Map(first(folded).steps, first(folded).n)
    with pytest.raises(GraphError, match="no earlier node makes"):
        verify(with_column(folded, Values([Ref(far, i) for i in range(4)])))


def test_the_report_names_the_pass_and_shows_the_lines_around(
    graphs: tuple[Graph, Graph],
) -> None:
    with pytest.raises(GraphError) as caught:
        verify(with_column(graphs[1], FromStep(0)), "fuse")
    report = str(caught.value).splitlines()
    assert report[0].startswith("after fuse: %2 step 0 uses step 0")
    assert any(line.startswith("%0 = map[4] inc(0:4)") for line in report)


def test_a_pass_that_breaks_a_law_is_caught_where_it_ran(monkeypatch: pytest.MonkeyPatch) -> None:
    from pymonik.graph.passes import PASSES

    monkeypatch.setitem(PASSES, "fuse", lambda graph, target: replace(graph, nodes=graph.nodes[1:]))
    with recording() as client:
        ends = TASKS["root"].invoke(TASKS["inc"].invoke(1))
        with pytest.raises(GraphError, match="after fuse: %0 uses a value"):
            run_passes(recorded(client), Target())
        del ends
