"""The other formats: golden files of small graphs, and readers that accept them."""

from __future__ import annotations

import io
import json
import xml.etree.ElementTree as ET

import networkx
import pytest

from pymonik import Pymonik
from pymonik.draw.formats import FORMATS, as_json, dot, graphml, mermaid
from pymonik.draw.html import html
from pymonik.draw.model import EMPTY, Box, Drawing, drawing
from pymonik.draw.svg import svg
from pymonik.draw.terminal import terminal

from .graphs import prices

DOT = """\
digraph pymonik {
  node [shape=box style=rounded fontname="sans-serif"]
  n0 [label="load\\n1 unit" tooltip="SITE"]
  n1 [label="price\\ndiscount\\n×60\\n20 units of 3" tooltip="SITE" peripheries=2]
  n2 [label="total\\n1 unit" tooltip="SITE" style=bold]
  n0 -> n1
  n1 -> n2 [label="60"]
}"""
MERMAID = """\
flowchart TD
  n0("load<br>1 unit")
  n1[["price<br>discount<br>×60<br>20 units of 3"]]
  n2("total<br>1 unit")
  n0 --> n1
  n1 -->|60| n2"""


@pytest.fixture
def drawn(client: Pymonik) -> Drawing:
    handle = prices(client)
    made = drawing(client.plan().graph)
    del handle
    return made


def test_dot(drawn: Drawing) -> None:
    sites = [" ".join(box.sites) for box in drawn.boxes]
    text = dot(drawn)
    for site in sites:
        text = text.replace(f'"{site}"', '"SITE"')
    assert text == DOT


def test_mermaid(drawn: Drawing) -> None:
    assert mermaid(drawn) == MERMAID


def test_json(drawn: Drawing) -> None:
    made = json.loads(as_json(drawn))
    assert (made["format"], made["version"]) == ("pymonik-drawing", 1)
    assert made["layers"] == [[0], [1], [2]]
    assert made["links"][1] == {"source": 1, "target": 2, "values": 60, "kind": "values"}
    assert made["boxes"][1]["titles"] == ["price", "discount"]
    assert (made["boxes"][1]["count"], made["boxes"][1]["units"]) == (60, 20)


def test_graphml_is_read_back_by_networkx(drawn: Drawing) -> None:
    read = networkx.read_graphml(io.BytesIO(graphml(drawn).encode()), node_type=int)
    assert sorted(read.edges) == [(0, 1), (1, 2)]
    assert read.nodes[1]["name"] == "price; discount"
    assert read.nodes[1]["count"] == 60
    assert read.edges[1, 2]["values"] == 60


def test_svg_is_xml_that_names_every_task(drawn: Drawing) -> None:
    root = ET.fromstring(svg(drawn))
    texts = {text.text for text in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"load", "price", "discount", "total", "×60 · 20 units of 3"} <= texts
    assert "prefers-color-scheme:dark" in svg(drawn)


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_every_format_takes_awkward_names_and_an_empty_graph(form: str) -> None:
    awkward = Drawing((Box(('a "quoted" <name> & more\\',)),), ())
    assert FORMATS[form](awkward)
    assert isinstance(FORMATS[form](Drawing((), ())), str)
    if form in ("svg", "graphml"):
        ET.fromstring(FORMATS[form](awkward))


def test_where_there_is_nothing_to_draw_that_is_said() -> None:
    nothing = Drawing((), ())
    for text in (terminal(nothing), svg(nothing), html(nothing)):
        assert EMPTY in text
    ET.fromstring(svg(nothing))
