"""Arguments of one call keep what they share, as in a plain call."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from pymonik import Pymonik, Task, task


class Model:
    def __init__(self) -> None:
        self.weights = [0.0]


class Optimizer:
    def __init__(self, model: Model) -> None:
        self.weights = model.weights

    def step(self) -> None:
        self.weights[0] += 1.0


@task
def train(model: Any, optimizer: Any, times: int = 1) -> Any:
    for _ in range(times):
        optimizer.step()
    return model.weights


def pair() -> tuple[Model, Optimizer]:
    model = Model()
    return model, Optimizer(model)


def test_two_arguments_share_an_object(client: Pymonik) -> None:
    assert train.invoke(*pair()).get() == [1.0]
    assert train.invoke(*pair(), 2).get() == [2.0]
    model, optimizer = pair()
    assert train.invoke(model, optimizer=optimizer, times=3).get() == [3.0]
    assert train.invoke(model=model, optimizer=optimizer).get() == [1.0]
    assert model.weights == [0.0]


def test_rows_of_a_map_share_objects(client: Pymonik) -> None:
    lone = (Model(), Optimizer(Model()))
    rows = [pair(), lone, pair()]
    assert train.map_invoke(rows).get() == [[1.0], [0.0], [1.0]]
    assert train.map_invoke(iter(rows)).get() == [[1.0], [0.0], [1.0]]
    assert train.map_invoke([(*row, n) for n, row in enumerate(rows)]).get() == [
        [0.0],
        [0.0],
        [2.0],
    ]


def test_an_object_given_twice_is_one(client: Pymonik) -> None:
    same = Task(lambda a, b, c: [a is b, a is c], func_name="same")
    one: list[int] = [1]
    assert same.invoke(one, one, [1]).get() == [True, False]
    assert same.map_invoke([(one, one, [1]), ([1], one, one)]).get() == [
        [True, False],
        [False, False],
    ]


def test_what_cannot_change_shares_nothing(client: Pymonik) -> None:
    same = Task(lambda a, b: (a, b), func_name="same")
    text, key = "a" * 40_000, ("x", 1)
    first, second = {text: [1]}, {text: key}
    assert same.invoke(first, second).get() == (first, second)
    # Two calls that have an argument in common send it once: it stays a content of its own.
    big = [text, 1]
    same.invoke(big, [2]), same.invoke(big, [3])
    plan = client.plan()
    assert plan.size < 1.5 * len(text)


def test_handles_inside_shared_arguments(client: Pymonik) -> None:
    made = Task(lambda: 5, func_name="made").invoke()
    held = [made]
    look = Task(lambda a, b: (a is b["held"], a), func_name="look")
    assert look.invoke(held, {"held": held}).get() == (True, [5])


def test_closures_and_contexts_take_shared_arguments(client: Pymonik) -> None:
    offset = Task(lambda: 2, func_name="offset").invoke()

    def work(a: list[int], b: dict[str, Any]) -> Any:
        b["a"].append(offset)
        return a

    shared = [1]
    assert Task(work).invoke(shared, {"a": shared}).get() == [1, 2]
    within = Task(lambda c, a, b: a is b[0], require_context=True, func_name="within")
    assert within.invoke(shared, [shared]).get() is True


class Net:
    """Keeps all its parameters in one array, as optimizers like them."""

    def __init__(self) -> None:
        self.flat = np.zeros(2_000)
        self.weights, self.bias = self.flat[:4].reshape(2, 2), self.flat[4:6]


def write_first(a: Any, b: Any) -> tuple[float, bool]:
    a.flat[0] = 9
    return float(b.flat[0]), bool(np.shares_memory(a, b))


def layouts(array: Any) -> list[tuple[Any, Any]]:
    return [
        (array, array[:2]),
        (array[:2], array),
        (array[:3], array[1:]),
        (array[::-1], array),
        (array.reshape(2, -1).T, array),
        (array, array.view("i8")),
        (array[:2], array[2:]),
        (array[::2], array[1::2]),
    ]


@pytest.mark.parametrize("size", [10, 4_000], ids=["within-the-pickle", "beside-it"])
def test_arrays_of_one_call_share_memory_as_at_home(client: Pymonik, size: int) -> None:
    far = Task(write_first, func_name="write_first")
    given = np.arange(size, dtype=float)
    expected = [write_first(*layouts(given.copy())[n]) for n in range(len(layouts(given)))]
    handles = [far.invoke(*pair) for pair in layouts(given)]
    assert [handle.get() for handle in handles] == expected
    assert far.map_invoke(layouts(given)).get() == expected
    assert given[0] == 0


def test_views_inside_an_argument_and_a_value_share_memory(client: Pymonik) -> None:
    def step(net: Any) -> Any:
        net.weights += 1
        net.bias += 2
        return net

    back = Task(step, func_name="step").invoke(Net()).get()
    assert back.flat[:7].tolist() == [1, 1, 1, 1, 2, 2, 0]
    back.flat[0] = 5
    assert back.weights[0, 0] == 5
    assert back.flat.flags.writeable


def test_a_view_that_is_read_only_stays_so(client: Pymonik) -> None:
    array = np.arange(10.0)
    view = array[:3]
    view.flags.writeable = False
    look = Task(lambda a, b: (write_first(a, b), b.flags.writeable), func_name="look")
    assert look.invoke(array, view).get() == ((9.0, True), False)


def test_arrays_beside_each_other_travel_apart(client: Pymonik) -> None:
    table = np.arange(300_000.0).reshape(1000, 300)
    Task(lambda a, b: 1, func_name="two").invoke(table[:10], table[10:20])
    Task(lambda columns: 1, func_name="one").invoke([table[:, 0], table[:, 5]])
    Task(lambda a, b: 1, func_name="far").invoke(table[:, 0], table[:1, 0])
    assert client.plan().size < 2 * 10 * 300 * 8 + 4 * 1000 * 8 + 20_000
    client.cancel()


def test_data_frames_and_their_columns_are_copies(client: Pymonik) -> None:
    def write(frame: Any, column: Any) -> list[float]:
        frame.iloc[0, 0] = 9
        return list(column)

    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    assert Task(write, func_name="write").invoke(frame, frame["a"]).get() == [1, 2]
