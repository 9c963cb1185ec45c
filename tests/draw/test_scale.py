"""Drawing and pricing take work in proportion to the calls, and a drawing no more boxes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from pymonik import Pymonik
from pymonik.analysis.counts import figures
from pymonik.analysis.estimate import estimate
from pymonik.cli.tables import figures_text
from pymonik.draw.explain import stages
from pymonik.draw.html import page
from pymonik.draw.model import drawing
from pymonik.draw.svg import svg
from pymonik.draw.terminal import terminal
from pymonik.plan.plan import Plan
from tests.rows import shortened

from .graphs import price


@pytest.fixture(autouse=True)
def unverified(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the laws of the IR to other tests: checking them costs more than what is counted."""
    monkeypatch.setattr("pymonik.graph.passes.verify", lambda *_: None)


def stencil(client: Pymonik, steps: int, width: int) -> Any:
    row = [price.invoke(i, i, pymonik=client) for i in range(width)]
    for _ in range(steps - 1):
        row = [price.invoke(row[i], row[i - 1], pymonik=client) for i in range(width)]
    return row


def work(look: Callable[[Plan], object], steps: int) -> int:
    """Count the functions that are called to look at a stencil."""
    client = Pymonik(backend="dry-run")
    kept = stencil(client, steps, 80)
    plan = client.plan()
    calls = 0

    def count(_frame: Any, event: str, _arg: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        look(plan)
    finally:
        sys.setprofile(None)
    client.cancel()
    del kept
    return calls


@pytest.mark.parametrize(
    "look",
    shortened(
        [
            lambda plan: svg(drawing(plan.graph)),
            estimate,
            lambda plan: terminal(drawing(plan.source.graph)),
            lambda plan: page("stencil", stages(plan)),
            lambda plan: figures_text(figures(plan)),
        ],
        shown=2,
    ),
    ids=["svg", "cost", "terminal", "page", "figures"],
)
def test_twice_the_calls_are_twice_the_work(look: Callable[[Plan], object]) -> None:
    work(look, 20)  # loads what it needs
    assert work(look, 40) < 2.6 * work(look, 20)


def test_a_large_graph_is_a_small_drawing() -> None:
    client = Pymonik(backend="dry-run")
    kept = stencil(client, 100, 200)
    text = terminal(drawing(client.plan().source.graph))
    assert len(text.splitlines()) < 20
    assert "×20,000" in text
    client.cancel()
    del kept
