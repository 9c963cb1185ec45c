"""Values are told of while the rest of their unit runs: here there is no pack to wait for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pymonik import Pymonik, as_completed
from tests.conformance.programs import inc, pass_gate, square
from tests.conftest import Gate


@pytest.fixture
def client() -> Iterator[Pymonik]:
    with Pymonik(backend="local", workers=1) as opened:
        yield opened


def test_a_wanted_intermediate_of_a_chain_is_told_before_the_end(
    client: Pymonik, gate: Gate
) -> None:
    first = inc.invoke(1)
    last = pass_gate.invoke(gate.path, first)
    assert first.get() == 2  # the gate is closed: only an early word can bring it
    assert not last.done()
    assert client.stats.units == 1
    gate.open()
    assert last.get() == 2


def test_an_element_is_told_before_a_long_one_behind_it(client: Pymonik, gate: Gate) -> None:
    rows = [("/dev/null", "quick"), (gate.path, "slow")]
    quick, slow = pass_gate.map_invoke(rows, task_options=None, pmk_chunk_size=2)
    called = []
    quick.add_done_callback(called.append)
    order = as_completed([slow, quick])
    assert next(order) is quick
    assert client.stats.units == 1
    gate.open()
    assert [h.get() for h in (next(order), quick)] == ["slow", "quick"]


def test_what_was_told_early_is_not_counted_twice(client: Pymonik, gate: Gate) -> None:
    starts = [square.invoke(i, pmk_chunk_size=3) for i in range(3)]
    ends = [pass_gate.invoke(gate.path if i == 1 else "/dev/null", h) for i, h in enumerate(starts)]
    assert [starts[0].get(), ends[0].get(), starts[1].get()] == [0, 0, 1]
    gate.open()
    assert [h.get() for h in starts + ends] == [0, 1, 4, 0, 1, 4]
