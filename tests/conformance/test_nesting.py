"""Handles at any depth of an argument arrive as values; everything around them stays as it was."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict, defaultdict, namedtuple
from typing import Any

import numpy as np
import pytest

from pymonik import MultiResultHandle, Pymonik, ResultHandle, Task, task

from .programs import add, identity, inc, square, total


@dataclasses.dataclass
class Book:
    name: str
    prices: list[Any]
    best: Any = None


Leg = namedtuple("Leg", ["left", "right"])


def test_a_handle_is_an_argument(client: Pymonik) -> None:
    assert add.invoke(square.invoke(2), square.invoke(3)).get() == 13


def test_a_handle_is_a_keyword_argument(client: Pymonik) -> None:
    assert add.invoke(a=square.invoke(2), b=1).get() == 5


def test_handles_in_a_list_and_a_tuple(client: Pymonik) -> None:
    h = square.invoke(3)
    assert identity.invoke([h, 1, (h, [h])]).get() == [9, 1, (9, [9])]


def test_handles_in_a_dict_as_values_and_keys(client: Pymonik) -> None:
    h, k = square.invoke(3), square.invoke(4)
    assert identity.invoke({"a": h, "b": {"c": [k]}, k: "key"}).get() == {
        "a": 9,
        "b": {"c": [16]},
        16: "key",
    }


def test_handles_in_a_set(client: Pymonik) -> None:
    assert identity.invoke({square.invoke(3), square.invoke(4), 5}).get() == {9, 16, 5}
    assert identity.invoke(frozenset({square.invoke(3)})).get() == frozenset({9})


def test_handles_in_a_dataclass(client: Pymonik) -> None:
    h = square.invoke(3)
    assert identity.invoke(Book("x", [h, 1], best=h)).get() == Book("x", [9, 1], best=9)


def test_handles_in_named_tuples_and_special_dicts(client: Pymonik) -> None:
    h = square.invoke(3)
    value = identity.invoke((Leg(h, 1), OrderedDict(a=h), defaultdict(list, b=h))).get()
    assert value == (Leg(9, 1), OrderedDict(a=9), defaultdict(list, b=9))
    assert isinstance(value[0], Leg)
    assert value[2]["missing"] == []


def test_handles_in_an_object_array(client: Pymonik) -> None:
    cells = np.empty(2, dtype=object)
    cells[0], cells[1] = square.invoke(3), "plain"
    assert identity.invoke(cells).get().tolist() == [9, "plain"]


def test_a_handle_in_the_closure_of_a_task(client: Pymonik) -> None:
    offset = square.invoke(3)

    @task
    def shifted(x: int) -> Any:
        return x + offset  # type: ignore[operator]

    assert shifted.invoke(1).get() == 10
    assert shifted.map_invoke([1, 2]).get() == [10, 11]


def test_a_task_with_a_handle_in_its_closure_keeps_its_name_and_context(client: Pymonik) -> None:
    offset = square.invoke(3)

    @task(require_context=True)
    def shifted(ctx: Any, x: int) -> Any:
        return ctx.task_name, x + offset

    assert shifted.invoke(1).get() == ("shifted", 10)
    assert shifted.map_invoke([1]).get() == [("shifted", 10)]
    with pytest.raises(TypeError) as caught:
        shifted.invoke("text").get()
    assert caught.value.__cause__.task == "shifted"  # type: ignore[union-attr]


def test_a_handle_in_the_closure_of_an_argument(client: Pymonik) -> None:
    offset = square.invoke(3)
    apply = Task(lambda f, x: f(x), func_name="apply")
    assert apply.invoke(lambda x: x + offset, 1).get() == 10


def test_a_multi_handle_arrives_as_a_list(client: Pymonik) -> None:
    squares = square.map_invoke([1, 2, 3])
    kind = Task(lambda xs: (type(xs).__name__, xs), func_name="kind")
    assert kind.invoke(squares).get() == ("list", [1, 4, 9])
    assert kind.invoke(squares[1:]).get() == ("list", [4, 9])
    assert kind.invoke(squares[:0]).get() == ("list", [])


def test_a_multi_handle_at_depth_arrives_as_a_list(client: Pymonik) -> None:
    squares = square.map_invoke([1, 2, 3])
    assert identity.invoke({"all": squares, "some": [squares[::2]]}).get() == {
        "all": [1, 4, 9],
        "some": [[1, 9]],
    }


def test_one_handle_met_many_times_arrives_each_time(client: Pymonik) -> None:
    h = square.invoke(3)
    assert total.invoke([h] * 1000).get() == 9000


def test_the_same_handle_twice_in_one_call_is_one_value_each(client: Pymonik) -> None:
    assert add.invoke(*[square.invoke(3)] * 2).get() == 18


def test_handles_among_a_large_plain_argument(client: Pymonik) -> None:
    mixed: list[Any] = list(range(100_000))
    mixed[50_000] = square.invoke(7)
    value = identity.invoke(mixed).get()
    assert value[50_000] == 49
    assert value[:50_000] == list(range(50_000))


def test_handles_next_to_large_arrays(client: Pymonik) -> None:
    array = np.arange(100_000)
    value = identity.invoke({"array": array, "h": square.invoke(2)}).get()
    assert (value["array"] == array).all()
    assert value["h"] == 4


def test_an_earlier_submissions_handle_is_an_argument_of_a_later_one(client: Pymonik) -> None:
    first = square.invoke(3)
    assert first.get() == 9
    assert add.invoke(first, [first][0]).get() == 18
    assert client.stats.submissions == 2


def test_a_put_is_an_argument_at_depth(client: Pymonik) -> None:
    stored = client.put([1, 2])
    assert identity.invoke({"x": [stored, stored]}).get() == {"x": [[1, 2], [1, 2]]}


def test_nested_handles_in_every_element_of_a_map(client: Pymonik) -> None:
    base = [inc.invoke(i) for i in range(5)]
    rows = [([base[i], base[(i + 1) % 5]],) for i in range(5)]
    assert total.map_invoke(rows).get() == [3, 5, 7, 9, 6]


def test_ragged_handles_in_the_elements_of_a_map(client: Pymonik) -> None:
    base = inc.map_invoke(range(5))
    rows = [(list(base[:i]) + [{"n": i}][:0],) for i in range(5)]
    assert total.map_invoke(rows).get() == [0, 1, 3, 6, 10]


def test_a_handle_is_no_value_inside_the_users_process(client: Pymonik) -> None:
    h = square.invoke(3)
    box = [h]
    identity.invoke(box).get()
    assert box == [h]
    assert isinstance(box[0], ResultHandle)
    assert isinstance(MultiResultHandle([h])[0], ResultHandle)
