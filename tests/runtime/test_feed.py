"""Feeding calls: each kind of column gives each element its own objects."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pymonik.runtime.executor.feed import ArgumentReader, StepValue, UpstreamFailed, owned
from pymonik.values.content import Content
from pymonik.values.outcome import Failure

from .units import content

BROKEN = Failure("error", "no", "before")


def values(feed: ArgumentReader, column: Any, n: int, made: Any = ()) -> list[Any]:
    get = feed.getter(column)
    return [get(i, made) for i in range(n)]


def test_the_same_immediate_for_all() -> None:
    assert values(ArgumentReader([]), ("v", 5), 3) == [5, 5, 5]


def test_an_immediate_for_each() -> None:
    assert values(ArgumentReader([]), ("s", [1, "a", None]), 3) == [1, "a", None]


def test_a_content_is_loaded_anew_for_each_element() -> None:
    shared = content([1, 2])
    for feed, item in ((ArgumentReader([]), shared), (ArgumentReader([shared]), 0)):
        first, second = values(feed, ("c", item), 2)
        assert first == second == [1, 2]
        assert first is not second


def test_arrays_are_writable_and_private() -> None:
    array = content(np.arange(10_000))
    first, second = values(ArgumentReader([array]), ("c", 0), 2)
    first[:] = -1
    assert second[5] == 5
    assert values(ArgumentReader([array]), ("c", 0), 1)[0][5] == 5


def test_runs_over_columns_of_other_units() -> None:
    feed = ArgumentReader([[["a0", "a1", "a2"]], [["x0", "x1"], ["b0", "b1", "b2", "b3"]]])
    assert values(feed, ("r", [(0, 0, 1, 1, 2), (1, 1, 0, 1, 1)]), 3) == ["a1", "a2", "b0"]
    assert values(feed, ("r", [(1, 1, 0, 2, 2)]), 2) == ["b0", "b2"]
    assert values(feed, ("r", [(1, 1, 3, -1, 3), (0, 0, 2, -2, 2)]), 5) == [
        *["b3", "b2", "b1"],
        *["a2", "a0"],
    ]


def test_a_run_of_one_is_for_all_elements() -> None:
    assert values(ArgumentReader([[["a0", "a1"]]]), ("r", [(0, 0, 1, 1, 1)]), 3) == ["a1"] * 3


def test_records_that_are_contents_are_loaded_anew() -> None:
    feed = ArgumentReader([[[content([1]), 2]]])
    column = ("r", [(0, 0, 0, 1, 1)])
    first, second = values(feed, column, 2)
    assert (first, second) == ([1], [1])
    assert first is not second


def test_a_list_of_outputs_objects_put_among_them() -> None:
    feed = ArgumentReader([[["a0", "a1", "a2"]], content({"put": 1})])
    column = ("b", [(0, 0, 2, -2, 2), ("c", 1), (0, 0, 1, 1, 1)])
    first, second = values(feed, column, 2)
    assert first == second == ["a2", "a0", {"put": 1}, "a1"]
    assert first is not second
    assert first[2] is not second[2]


def test_a_content_with_holes() -> None:
    from pymonik import MultiResultHandle
    from pymonik.graph.slots import Template
    from tests.graph.programs import TASKS, recorded, recording

    with recording() as client:
        a, row = TASKS["inc"].invoke(1), TASKS["inc"].map_invoke(range(2))
        end = TASKS["note"].invoke("x", {"a": a, "row": MultiResultHandle(row), "again": [a]})
        (slot,) = [s for s in recorded(client).nodes[-1].args if isinstance(s, Template)]
        assert len(slot.slots) == 2
        del end
    column = ("n", slot.content, [("v", 7), ("b", [(0, 0, 0, 1, 2)])])
    first, second = values(ArgumentReader([[["r0", "r1"]]]), column, 2)
    assert first == second == {"a": 7, "row": ["r0", "r1"], "again": [7]}
    assert first["again"] is not second["again"]


def test_any_slot_for_each_element() -> None:
    feed = ArgumentReader([[["a0", "a1"]]])
    slots = [("v", 1), ("r", [(0, 0, 1, 1, 1)]), ("b", [(0, 0, 0, 1, 2)]), ("c", content([3]))]
    assert values(feed, ("m", slots), 4) == [1, "a1", ["a0", "a1"], [3]]


def test_a_value_of_an_earlier_step() -> None:
    made = [StepValue(None, 5, 1), StepValue(None, content([1]), 2)]
    assert values(ArgumentReader([]), ("p", 0), 2, made) == [5, 5]
    first, second = values(ArgumentReader([]), ("p", 1), 2, made)
    assert (first, second) == ([1], [1])
    assert first is not second


def test_a_held_object_is_handed_over_itself() -> None:
    value = [1, 2]
    assert owned(value).take() is value


FAILING = {
    "output": ("r", [(0, 0, 1, 1, 1)]),
    "list": ("b", [(0, 0, 0, 1, 2)]),
    "nested": ("n", 1, [("r", [(0, 0, 1, 1, 1)])]),
    "slot": ("m", [("b", [(0, 0, 0, 1, 2)])]),
    "cancelled": ("x", BROKEN),
}


@pytest.mark.parametrize("column", FAILING.values(), ids=FAILING)
def test_a_failure_among_the_inputs_keeps_the_call_from_running(column: Any) -> None:
    feed = ArgumentReader([[["fine", BROKEN]], Content(b"never loaded")])
    get = feed.getter(column)
    with pytest.raises(UpstreamFailed) as caught:
        get(0, ())
    assert caught.value.failure is BROKEN


def test_the_failure_of_one_element_is_not_that_of_its_neighbour() -> None:
    get = ArgumentReader([[["fine", BROKEN]]]).getter(("r", [(0, 0, 0, 1, 2)]))
    assert get(0, ()) == "fine"
    with pytest.raises(UpstreamFailed):
        get(1, ())
