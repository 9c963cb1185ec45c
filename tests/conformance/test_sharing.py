"""Arguments of one call keep what they share, as in a plain call."""

from __future__ import annotations

from typing import Any

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
