"""What each pass did, and why; and what objects show in a notebook."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from pymonik import Pymonik
from pymonik.client.plan_view import GraphView
from pymonik.draw.explain import _shortened, explained, graphs, stages
from pymonik.graph.passes import PASSES

from .graphs import load, prices


def test_long_texts_are_shortened_in_the_middle() -> None:
    lines = [str(n) for n in range(50)]
    assert _shortened(lines[:20]) == lines[:20]
    short = _shortened(lines)
    assert len(short) == 20
    assert short[:10] == lines[:10]
    assert short[10] == "… 31 lines more"
    assert short[11:] == lines[-9:]


def test_there_is_a_stage_for_every_pass(client: Pymonik) -> None:
    handle = prices(client)
    made = stages(client.plan())
    assert [stage.name for stage in made] == ["recording", *PASSES]
    assert all(stage.title for stage in made)
    del handle


def test_the_last_stage_is_the_graph_of_the_plan(client: Pymonik) -> None:
    handle = prices(client)
    plan = client.plan()
    last = list(graphs(plan).values())[-1]
    assert [node.name for node in last.nodes] == [node.name for node in plan.graph.nodes]
    del handle


def test_every_stage_stands_for_every_call(client: Pymonik) -> None:
    handle = prices(client, days=5)
    for stage in stages(client.plan()):
        origins = sorted(origin for box in stage.drawing.boxes for origin in box.origins)
        assert origins == list(range(12))
    del handle


def test_the_text_has_purposes_reasons_and_graphs(client: Pymonik) -> None:
    handle = prices(client, days=3)
    text = explained(client.plan())
    assert "cse: let equal pure calls share one\n(as before)" in text
    assert "\nfuse: merge a map into" in text
    assert "\n  - fused price" in text
    assert "%1 = map[3] { %1.0 = price(%0, 0:3); discount(%1.0) }" in text
    del handle


def test_passes_that_did_not_run_are_not_told(client: Pymonik) -> None:
    client.optimize = False
    handle = prices(client, days=3)
    assert list(graphs(client.plan())) == ["recording", "vectorize"]
    del handle


def test_graphs_plans_and_handles_show_themselves(client: Pymonik) -> None:
    handle = prices(client)
    plan = client.plan()
    several = load.map_invoke(["a", "b"], pymonik=client)
    for thing, words in (
        (plan.graph, "20 units of 3"),
        (plan, "122 calls in 22 units"),
        (handle, "discount"),
        (several, "×2"),
        (GraphView((), {}), "svg"),
    ):
        shown = thing._repr_html_()
        assert words in shown
        ET.fromstring(f"<div>{shown}</div>")
    assert len(client.pending) == 123
