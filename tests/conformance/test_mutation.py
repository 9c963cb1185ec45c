"""No call sees another's mutation: the same programs, the same values, however they were run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pymonik import MultiResultHandle, Pymonik, Task, task

LARGE = 200_000
MAKERS: dict[str, Callable[[], Any]] = {
    "list": lambda: [1.0, 2.0],
    "nested": lambda: {"x": [[1.0, 2.0]]},
    "small array": lambda: np.arange(4.0),
    "large array": lambda: np.arange(float(LARGE)),
    "large F array": lambda: np.asfortranarray(np.arange(float(LARGE)).reshape(400, -1)),
    "frame": lambda: pd.DataFrame({"a": np.arange(5.0), "b": list("vwxyz")}),
    "large frame": lambda: pd.DataFrame({"a": np.arange(float(LARGE)), "b": np.zeros(LARGE)}),
    "bytearray": lambda: bytearray(b"ab"),
    "large bytearray": lambda: bytearray(LARGE),
}
Program = Callable[[Any, "Task[..., Any]", "Task[..., Any]"], list[Any]]


def spoil(value: Any) -> Any:
    """Change a value in place, deep inside, and return it."""
    if isinstance(value, dict):
        spoil(value["x"][0])
    elif isinstance(value, pd.DataFrame):
        value.loc[:, "a"] += 1.0
    elif isinstance(value, bytearray):
        value[0] += 1
    elif isinstance(value, np.ndarray):
        value += 1.0
    else:
        value.append(len(value))
    return value


def weigh(value: Any) -> float:
    """Reduce a value to one number that any change moves."""
    if isinstance(value, dict):
        return sum(weigh(x) for x in value["x"])
    if isinstance(value, pd.DataFrame):
        return float(value["a"].sum())
    if isinstance(value, np.ndarray):
        return float(value.sum()) + value.size
    return float(sum(value)) + len(value)


def weigh_spoilt(value: Any) -> float:
    return weigh(spoil(value))


def shared_by_calls(x: Any, spoilt: Any, weighed: Any) -> list[Any]:
    return [weighed.invoke(x), spoilt.invoke(x), weighed.invoke(x), spoilt.invoke(x)]


def shared_by_a_map(x: Any, spoilt: Any, weighed: Any) -> list[Any]:
    return [*spoilt.map_invoke([(x,)] * 4), *weighed.map_invoke([(x,)] * 2)]


def intermediate(x: Any, spoilt: Any, weighed: Any) -> list[Any]:
    made = Task(lambda v: v, func_name="made").invoke(x)
    return [spoilt.invoke(made), weighed.invoke(made), spoilt.invoke(made), weighed.invoke(made)]


def looked_at_and_consumed(x: Any, spoilt: Any, weighed: Any) -> list[Any]:
    changed = task(spoil).invoke(x)
    ends = [spoilt.invoke(changed), weighed.invoke(changed)]
    return [*ends, weighed.invoke(changed), spoilt.invoke(changed)]


def chained(x: Any, spoilt: Any, weighed: Any) -> list[Any]:
    changed = x
    seen = []
    for _ in range(3):
        changed = task(spoil).invoke(changed)
        seen.append(weighed.invoke(changed))
    return [*seen, spoilt.invoke(changed)]


def through_containers(x: Any, spoilt: Any, weighed: Any) -> list[Any]:
    made = Task(lambda v: v, func_name="made").invoke(x)
    first = Task(lambda box: weigh_spoilt(box[0]) + weigh(box[1]), func_name="first")
    return [first.invoke((made, x)), weighed.invoke(made), first.invoke({0: x, 1: made})]


def through_items(x: Any, spoilt: Any, weighed: Any) -> list[Any]:
    box = Task(lambda v: [v, v], func_name="box").invoke(x)
    a, b = box.unpack(2)
    return [spoilt.invoke(a), weighed.invoke(b), weighed.invoke(box[0]), spoilt.invoke(box[1])]


def element_wise(x: Any, spoilt: Any, weighed: Any) -> list[Any]:
    made = task(spoil).map_invoke([(x,)] * 3)
    again = task(spoil).map_invoke(made)
    both: MultiResultHandle[Any] = spoilt.map_invoke(again) + weighed.map_invoke(made)
    return list(both + weighed.map_invoke(again))


PROGRAMS = [shared_by_calls, shared_by_a_map, intermediate, looked_at_and_consumed, chained,
            through_containers, through_items, element_wise]  # fmt: skip


def reference(make: Callable[[], Any], program: Program) -> list[float]:
    """Say by hand what each program gives: spoiling once or twice moves a fresh value."""

    def weight(times: int) -> float:
        value = make()
        for _ in range(times):
            spoil(value)
        return weigh(value)

    w = [weight(n) for n in range(5)]
    return {
        "shared_by_calls": [w[0], w[1], w[0], w[1]],
        "shared_by_a_map": [w[1]] * 4 + [w[0]] * 2,
        "intermediate": [w[1], w[0], w[1], w[0]],
        "looked_at_and_consumed": [w[2], w[1], w[1], w[2]],
        "chained": [w[1], w[2], w[3], w[4]],
        "through_containers": [w[1] + w[0], w[0], w[1] + w[0]],
        "through_items": [w[1], w[0], w[0], w[1]],
        "element_wise": [w[3]] * 3 + [w[1]] * 3 + [w[2]] * 3,
    }[program.__name__]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
@pytest.mark.parametrize("kind", MAKERS)
def test_no_call_sees_the_mutation_of_another(shared: Pymonik, kind: str, program: Program) -> None:
    x = MAKERS[kind]()
    handles = program(x, task(weigh_spoilt), task(weigh))
    assert [h.get() for h in handles] == reference(MAKERS[kind], program)
    assert weigh(x) == weigh(MAKERS[kind]())


def test_a_class_that_changed_comes_along_as_it_is_now(client: Pymonik) -> None:
    class Rate:
        value = 0

    reading = Task(lambda rate: rate.value, func_name="reading")
    for value in (1, 3, 2):
        Rate.value = value
        assert reading.invoke(Rate()).get() == value
    assert Rate.value == 2
