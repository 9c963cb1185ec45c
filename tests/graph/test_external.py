"""Values of other programs in a graph: a node kind of its own, which stands in no graph."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pymonik import Pymonik, task
from pymonik.analysis.file import compiled, load, save
from pymonik.analysis.shape import to_networkx
from pymonik.client.lookup import handle_of
from pymonik.draw.model import drawing
from pymonik.draw.svg import svg
from pymonik.draw.terminal import terminal
from pymonik.errors import GraphError
from pymonik.graph.ir import External, Graph, externals
from pymonik.graph.show import show
from pymonik.graph.verify import verify
from pymonik.plan.unit import ValueLocation
from pymonik.record.handles import MultiResultHandle
from pymonik.values.outputs import Outputs


@task
def add(a: Any, b: Any) -> Any:
    return a + b


def elsewhere(name: str, length: int | None, client: Pymonik) -> Any:
    """Give the handle of what another program has named."""
    count = 1 if length is None else length
    return handle_of(ValueLocation((Outputs(count, 1),), count, length=length), name, client)


@pytest.fixture
def client() -> Iterator[Pymonik]:
    client = Pymonik(backend="dry-run")
    yield client
    client.cancel()


def using(client: Pymonik) -> tuple[Any, Any]:
    model, days = elsewhere("model", None, client), elsewhere("days", 3, client)
    return add.invoke(model, {"last": days[2]}), add.map_invoke(zip(days, range(3)))


def test_it_is_a_node_of_its_own_and_only_named(client: Pymonik) -> None:
    with client:
        kept = using(client)
        graph = client.plan().source.graph
        assert {node.name for node in externals(graph)} == {"model", "days"}
        assert not any(isinstance(node, External) for node in graph.nodes)
        assert re.sub("#[0-9]+B", "#B", show(graph)).splitlines() == [
            "%0 = add(@model, #B(@days[2])) *",
            "%1 = map[3] add(@days[0:3], 0:3) *",
        ]
        verify(graph)
        del kept
        client.cancel()


def test_a_graph_in_which_one_stands_is_refused(client: Pymonik) -> None:
    model = elsewhere("model", None, client)._node
    with pytest.raises(GraphError, match="another program, which a graph must not compute"):
        verify(Graph((model,), {}))


def test_more_of_one_than_there_is_cannot_be_used(client: Pymonik) -> None:
    with client:
        days = elsewhere("days", 3, client)
        wrong = MultiResultHandle.of_run(days._runs[0][0], range(1, 4), client, None)
        kept = add.map_invoke(zip(wrong, range(3)))
        [node] = client.plan().graph.nodes
        failure = node.steps[0].columns[0].value
        assert "step 0 uses element 3 of a map of 3" in failure.message
        del kept
        client.cancel()


def test_it_is_drawn_as_what_another_program_makes(client: Pymonik) -> None:
    with client:
        kept = using(client)
        graph = client.plan().source.graph
        boxes = {box.name: box for box in drawing(graph).boxes}
        assert (boxes["model"].kind, boxes["days"].count) == ("external", 3)
        text = terminal(drawing(graph), 80)
        assert "@model" in text
        assert "@days ×3" in text
        assert "another program" in svg(drawing(graph))
        kinds = {data["name"]: data["kind"] for _, data in to_networkx(graph).nodes(data=True)}
        assert (kinds["model"], kinds["days"]) == ("external", "external")
        del kept
        client.cancel()


def test_a_file_names_it_and_compiles(client: Pymonik, tmp_path: Path) -> None:
    with client:
        kept = using(client)
        plan = client.plan()
        save(plan, tmp_path / "g.pmk")
        loaded = load(tmp_path / "g.pmk")
        assert show(loaded.graph) == show(plan.source.graph)
        assert len(compiled(loaded).units) == len(plan.units)
        del kept
        client.cancel()
