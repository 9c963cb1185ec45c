"""The shape of a graph in numbers, and as a networkx graph."""

from __future__ import annotations

import networkx

from pymonik import Pymonik
from pymonik.analysis.shape import ancestors, depth_and_width, to_networkx

from .graphs import load, prices, total


def test_networkx_has_a_node_a_call_and_an_edge_a_use(client: Pymonik) -> None:
    handle = prices(client, days=4)
    plan = client.plan()
    graph = to_networkx(plan.source.graph)
    assert networkx.is_directed_acyclic_graph(graph)
    assert [graph.nodes[n]["name"] for n in graph] == ["load"] + ["price"] * 4 + [
        *["discount"] * 4,
        "total",
    ]
    assert graph.nodes[9]["wanted"]
    assert not graph.nodes[0]["wanted"]
    assert graph.in_degree(9) == 4
    assert graph.nodes[0]["site"].rpartition(":")[0] == load.func.__code__.co_filename
    del handle


def test_networkx_of_a_compiled_graph_has_maps(client: Pymonik) -> None:
    handle = prices(client)
    graph = client.plan().graph.to_networkx()
    assert graph.nodes[1] | {"site": ""} == {
        "kind": "calls",
        "name": "price; discount",
        "steps": ("price", "discount"),
        "count": 60,
        "units": 20,
        "wanted": False,
        "site": "",
    }
    assert dict(graph.edges) == {(0, 1): {"values": 1}, (1, 2): {"values": 60}}
    del handle


def test_depth_counts_calls_also_of_fused_steps(client: Pymonik) -> None:
    handle = prices(client)
    plan = client.plan()
    assert depth_and_width(plan.source.graph) == (4, 60)
    assert depth_and_width(plan.graph) == (4, 60)
    del handle


def test_values_of_an_earlier_submission_have_numbers_below_0() -> None:
    with Pymonik(backend="inline") as client:
        first = load.map_invoke(["a", "b"])
        first.wait()
        last = total.invoke(first)
        graph = client.plan().graph.to_networkx()
        assert last.get() == 2
    assert graph.nodes[-1]["kind"] == "earlier"
    assert graph.nodes[-1]["name"] == "load"
    assert dict(graph.edges) == {(-1, 0): {"values": 2}}


def test_ancestors_are_all_that_leads_to_a_value(client: Pymonik) -> None:
    handle = prices(client, days=3)
    load.invoke("of no use", pymonik=client)
    names = [node.spec.name for node in ancestors([handle._node]).nodes]
    assert names[0] == "load"
    assert sorted(names) == sorted(["load", "total"] + ["price", "discount"] * 3)
    assert names[-1] == "total"
