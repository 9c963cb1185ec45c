"""The page in a real browser: it searches, opens, zooms and plays back, without a network."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pymonik import Pymonik
from pymonik.graph.draw.explain import stages
from pymonik.graph.draw.html import Stage, page
from pymonik.graph.draw.model import Box, Drawing, Link
from tests.conftest import PATIENCE

from .graphs import prices as record_prices

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
# The page's own functions and variables are in sight of the script that follows them.
REPORT = """
<script>
const say = (value) => { document.title = "report:" + JSON.stringify(value); };
const box = (name) => placed.find((item) => item.box.name === name);
const node = (name) => document.querySelector(`[data-key="${box(name).key}"]`);
const click = (name) => node(name).querySelector(".card")
  .dispatchEvent(new MouseEvent("click", { bubbles: true }));
(() => {
%s
})();
</script></body>
"""

Browse = Callable[[str, str], Any]


@pytest.fixture
def browse(tmp_path: Path) -> Browse:
    """Open a page, run a script in it, and give what the script said at last."""

    def run(text: str, script: str) -> Any:
        file = tmp_path / "page.html"
        file.write_text(text.replace("</body>", REPORT % script), encoding="utf-8")
        flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/user"]
        clock = ["--virtual-time-budget=30000", "--window-size=1000,700", "--dump-dom"]
        done = subprocess.run(
            [str(CHROMIUM), *flags, *clock, file.as_uri()],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        said = re.search(r"<title>report:(.*?)</title>", done.stdout, re.DOTALL)
        assert said is not None, done.stderr[-2000:]
        return json.loads(said[1].replace("&quot;", '"').replace("&gt;", ">"))

    return run


@pytest.fixture
def prices(client: Pymonik) -> str:
    handle = record_prices(client)
    text = page("prices", stages(client.plan()), [("calls", "122")])
    del handle
    return text


@needs_browser
def test_it_shows_the_last_stage_and_the_figures(browse: Browse, prices: str) -> None:
    said = browse(
        prices,
        "say([placed.map((item) => item.box.name), $('figures').textContent, "
        "document.querySelectorAll('.wire').length]);",
    )
    assert said == [["load", "price; discount", "total"], "calls122", 2]


@needs_browser
def test_search_finds_marks_and_counts(browse: Browse, prices: str) -> None:
    script = """
    $("search").value = "Discount";
    $("search").dispatchEvent(new Event("input"));
    nextHit();
    say([$("hits").textContent, [...document.querySelectorAll(".box.hit")].length,
         $("chosen").textContent.includes("price; discount"), svg.classList.contains("searching")]);
    """
    assert browse(prices, script) == ["1 found", 1, True, True]


@needs_browser
def test_a_fan_out_opens_into_its_elements_and_closes(browse: Browse, prices: str) -> None:
    script = """
    const before = box("price; discount").h;
    click("price; discount");
    const cells = document.querySelectorAll(".cell").length, open = box("price; discount").h;
    const shades = document.querySelectorAll(".cell.odd").length;
    click("price; discount");
    const left = document.querySelectorAll(".cell").length;
    say([cells, shades > 0 && shades < cells, open > before, left]);
    """
    assert browse(prices, script) == [60, True, True, 0]


@needs_browser
def test_the_passes_are_played_back_to_the_last(browse: Browse, prices: str) -> None:
    script = """
    goTo(0);
    const seen = [placed.length];
    play();
    setTimeout(() => {
      const texts = [$("play").textContent, $("stage-name").textContent];
      say([seen[0], state.stage, placed.length, ...texts]);
    }, 20000);
    """
    seen, stage, boxes, button, title = browse(prices, script)
    assert (seen, stage, boxes, button) == (122, 5, 3, "▶")
    assert title.startswith("say how many elements of a map make a unit")


@needs_browser
def test_the_reasons_of_a_pass_stand_beside_it(browse: Browse, prices: str) -> None:
    said = browse(prices, "goTo(4); say($('notes').textContent);")
    assert "fused price" in said


@needs_browser
def test_wheel_and_drag_move_the_camera(browse: Browse, prices: str) -> None:
    script = """
    const start = { ...camera };
    svg.dispatchEvent(new WheelEvent("wheel", { deltaY: -300, clientX: 300, clientY: 300 }));
    const closer = camera.k > start.k, x = camera.x;
    const at = (type, clientX) => svg.dispatchEvent(
      new PointerEvent(type, { pointerId: 1, clientX, clientY: 300, bubbles: true }));
    svg.setPointerCapture = () => {};
    at("pointerdown", 300); at("pointermove", 340); at("pointerup", 340);
    say([closer, camera.x - x, world.getAttribute("transform").includes("scale")]);
    """
    assert browse(prices, script) == [True, 40, True]


@needs_browser
def test_hovering_tells_the_call_site(browse: Browse, prices: str) -> None:
    script = """
    const over = new PointerEvent("pointerover", { bubbles: true });
    node("load").querySelector(".card").dispatchEvent(over);
    say([$("tip").hidden, $("tip").textContent, document.querySelectorAll(".wire.near").length]);
    """
    hidden, text, near = browse(prices, script)
    assert (hidden, near) == (False, 1)
    assert "graphs.py:" in text


@needs_browser
def test_light_and_dark_are_different(browse: Browse, prices: str) -> None:
    script = """
    const paper = () => getComputedStyle(document.body).backgroundColor;
    setTheme(false); const light = paper();
    $("theme").click();
    say([light, paper()]);
    """
    light, dark = browse(prices, script)
    assert light != dark


@needs_browser
def test_a_large_graph_is_summarized_and_opens_level_by_level(browse: Browse) -> None:
    boxes = [Box(("load",)), *(Box((name,), 50) for _ in range(200) for name in ("left", "right"))]
    links = tuple(Link(n, n + 1, 50) for n in range(len(boxes) - 1))
    text = page("large", [Stage("graph", "", Drawing(tuple(boxes), links))])
    script = """
    const first = placed.length;
    click("left; right");
    const second = placed.length;
    expandAll();
    const all = placed.filter((item) => !item.inner).length;
    say([first, second > first, all]);
    """
    assert browse(text, script) == [2, True, 401]


def test_nothing_is_fetched_from_anywhere(prices: str) -> None:
    named = set(re.findall(r"https?://[^\"'\s)]+", prices))
    assert named == {"http://www.w3.org/2000/svg"}
    assert "src=" not in prices
    assert "@import" not in prices


def test_names_cannot_break_out_of_the_page() -> None:
    evil = Drawing((Box(("</script><script>alert(1)</script>",)),), ())
    text = page("<b>", [Stage("graph", "", evil)])
    assert "alert(1)</script>" not in text
    assert "<title>&lt;b&gt;</title>" in text
