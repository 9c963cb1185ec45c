"""What is wanted: values whose handle is alive, or that have a name."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pymonik import Pymonik
from pymonik.graph.compact import Moves
from pymonik.graph.passes.vectorize import vectorize
from pymonik.graph.target import Target

from .programs import TASKS, recorded, recording

root, note, total = (TASKS[name] for name in ("root", "note", "total"))


@pytest.fixture
def client() -> Iterator[Pymonik]:
    """Without garbage collection: a handle that goes out of use is gone at once, or it is not."""
    gc.collect()
    gc.disable()
    with recording() as opened:
        yield opened
    gc.enable()


def wanted(client: Pymonik) -> list[bool]:
    return [node.wanted for node in recorded(client).nodes]


def test_a_handle_keeps_its_value_wanted_and_lets_go_of_it(client: Pymonik) -> None:
    a = root.invoke(1)
    assert wanted(client) == [True]
    del a
    assert wanted(client) == [False]


USES: dict[str, Callable[[Any], Any]] = {
    "argument": note.invoke,
    "list": lambda h: total.invoke([h]),
    "list with others": lambda h: total.invoke([h, 1]),
    "dict": lambda h: note.invoke("x", {"value": h}),
    "row": lambda h: root.map_invoke([h, h]),
    "nested row": lambda h: total.map_invoke([[h, 1], [h, 2]]),
    "item": lambda h: h[0],
    "unpack": lambda h: h.unpack(2),
}


@pytest.mark.parametrize("use", USES)
def test_a_use_does_not_keep_a_value_wanted(client: Pymonik, use: str) -> None:
    a = root.invoke(1)
    kept = USES[use](a)
    del a
    assert wanted(client)[0] is False
    del kept


def test_an_object_that_was_captured_is_not_held(client: Pymonik) -> None:
    class Large:
        pass

    import weakref

    large = Large()
    gone = weakref.ref(large)
    note.invoke("x", {"large": large})
    del large
    assert gone() is None


def test_any_element_keeps_its_map(client: Pymonik) -> None:
    rows = root.map_invoke(range(4))
    one = rows[2]
    del rows
    assert wanted(client) == [True]
    del one
    assert wanted(client) == [False]


def test_a_slice_and_a_sum_keep_their_maps(client: Pymonik) -> None:
    a, b = root.map_invoke(range(4)), root.map_invoke(range(3))
    both = a[1:3] + b
    del a, b
    assert wanted(client) == [True, True]
    del both
    assert wanted(client) == [False, False]


def test_a_name_keeps_a_value_without_a_handle(client: Pymonik) -> None:
    root.invoke(1).named("one")
    root.invoke(2, pmk_name="two")
    assert wanted(client) == [True, True]


def test_a_call_site_is_the_users_own_line(client: Pymonik) -> None:
    a = note.invoke("x", (1, 2))
    item = a[0]
    both = a.unpack(2)
    here = __file__ + ":"
    assert [node.where.startswith(here) for node in recorded(client).nodes] == [True] * 4
    del item, both


def test_of_a_loop_those_values_are_wanted_whose_handles_are_held(client: Pymonik) -> None:
    below = [root.invoke(i) for i in range(4)]
    above = [note.invoke(one) for one in below]
    del above[1], below[2:]
    first, second = vectorize(recorded(client), Target()).nodes
    assert [first.steps[0].wanted, second.steps[0].wanted] == [b"\1\1\0\0", b"\1\0\1\1"]
    assert second.steps[0].columns[0].node is first


def test_where_its_calls_are_now_is_not_noted_of_a_map_that_none_uses(
    client: Pymonik, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[dict[int, Any]] = []

    class Seen(Moves):
        def __init__(self, moved: dict[int, Any]) -> None:
            super().__init__(moved)
            noted.append(moved)

    # By its name: the package has a function of the name of the module.
    monkeypatch.setattr(sys.modules["pymonik.graph.passes.vectorize"], "Moves", Seen)
    below = [root.invoke(i) for i in range(4)]
    above = [note.invoke(one) for one in below]
    made = vectorize(recorded(client), Target())
    assert [node.n for node in made.nodes] == [len(below), len(above)] == [4, 4]
    assert [sorted(moved) for moved in noted] == [sorted(id(one._node) for one in below)]
