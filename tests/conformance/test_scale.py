"""Width and depth: what a loop can record, a backend can run."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest

from pymonik import Pymonik, Task, task
from pymonik.errors import TaskFailed

from .conftest import HERE, Connect
from .programs import add, divide, identity, inc, square, total

# More than twice as deep as Python lets functions call each other.
DEEP = 2_500


@pytest.mark.deep
def test_a_chain_of_thousands(connect: Connect, optimize: bool, backend: str) -> None:
    # As written each link is a task, which costs a cluster some ms: a tenth shows as much there.
    length = DEEP if optimize or backend in HERE else DEEP // 10
    with connect(optimize=optimize):
        h = inc.invoke(0)
        for _ in range(length - 1):
            h = inc.invoke(h)
        assert h.get() == length


@pytest.mark.deep
def test_a_chain_whose_every_link_is_kept(client: Pymonik) -> None:
    links = [inc.invoke(0)]
    for _ in range(DEEP - 1):
        links.append(inc.invoke(links[-1]))
    assert [h.get() for h in links[:: DEEP // 10]] == [i + 1 for i in range(0, DEEP, DEEP // 10)]
    assert links[-1].get() == DEEP


def test_a_chain_dropped_at_once(connect: Connect) -> None:
    with connect():
        h = inc.invoke(0)
        for _ in range(DEEP):
            h = inc.invoke(h)
        del h
        gc.collect()
        assert square.invoke(2).get() == 4


def test_an_error_at_the_head_of_a_deep_chain_reaches_its_tail(client: Pymonik) -> None:
    h: Any = divide.invoke(1, 0)
    for _ in range(DEEP):
        h = inc.invoke(h)
    with pytest.raises(ZeroDivisionError) as caught:
        h.get()
    cause = caught.value.__cause__
    assert isinstance(cause, TaskFailed)
    assert cause.task == "divide"
    # The story stays readable however long the way was.
    assert len(str(cause)) < 20_000


def test_a_map_of_many_thousands(client: Pymonik) -> None:
    squares = square.map_invoke(range(50_000))
    assert squares.get() == [i * i for i in range(50_000)]


def test_a_loop_of_many_thousands(client: Pymonik) -> None:
    handles = [square.invoke(i) for i in range(10_000)]
    assert [h.get() for h in handles] == [i * i for i in range(10_000)]
    assert client.stats.submissions == 1


# More than one task takes (`fan_in`, 256), and more than one level of gathers could.
@pytest.mark.parametrize("size", [0, 1, 1_000])
def test_a_fan_in_of_any_size(connect: Connect, optimize: bool, size: int) -> None:
    with connect(optimize=optimize):
        squares = square.map_invoke(range(size))
        expected = sum(i * i for i in range(size))
        handles = [total.invoke(squares), total.invoke(list(squares)), total.invoke(squares)]
        assert [h.get() for h in handles] == [expected] * 3


def test_a_tree_of_reductions(client: Pymonik) -> None:
    level: list[Any] = [square.invoke(i) for i in range(256)]
    while len(level) > 1:
        level = [add.invoke(a, b) for a, b in zip(level[::2], level[1::2], strict=True)]
    assert level[0].get() == sum(i * i for i in range(256))


def test_empty_maps_anywhere(client: Pymonik) -> None:
    empty = square.map_invoke([])
    again = square.map_invoke(empty)
    assert (again.get(), total.invoke(again).get()) == ([], 0)
    assert client.stats.calls == 1


def stencil(width: int, depth: int, step: Any, start: Any) -> list[Any]:
    row = [start(i) for i in range(width)]
    for _ in range(depth):
        padded = [row[-1], *row, row[0]]
        row = [step(*padded[i : i + 3]) for i in range(width)]
    return row


def test_a_stencil_by_single_calls(connect: Connect, optimize: bool) -> None:
    def mean(a: int, b: int, c: int) -> int:
        return (a + b + 2 * c) % 1009

    with connect(optimize=optimize):
        row = stencil(50, 20, task(mean).invoke, square.invoke)
        assert [h.get() for h in row] == stencil(50, 20, mean, square)


def test_a_stencil_by_maps(client: Pymonik) -> None:
    def mean(a: int, b: int, c: int) -> int:
        return (a + b + 2 * c) % 1009

    mapped = task(mean)
    row: Any = square.map_invoke(range(50))
    for _ in range(20):
        left, right = row[-1:] + row[:-1], row[1:] + row[:1]
        row = mapped.map_invoke(zip(left, row, right, strict=True))
    assert row.get() == stencil(50, 20, mean, square)


def test_a_loop_of_chains(client: Pymonik) -> None:
    ends = [add.invoke(square.invoke(inc.invoke(i)), i) for i in range(300)]
    assert [h.get() for h in ends] == [(i + 1) ** 2 + i for i in range(300)]


def test_maps_of_maps(client: Pymonik) -> None:
    rows = [square.map_invoke(range(i)) for i in range(40)]
    sums = total.map_invoke([(row,) for row in rows])
    assert sums.get() == [sum(j * j for j in range(i)) for i in range(40)]


def test_large_values_of_a_batch_stay_apart(client: Pymonik) -> None:
    filled = Task(lambda i: np.full(200_000, i), func_name="filled").map_invoke(range(12))
    assert [int(v[0]) for v in filled.get()] == list(range(12))
    assert int(filled[7].get()[-1]) == 7
    sums = Task(lambda a: int(a.sum()), func_name="sums").map_invoke(filled)
    assert sums.get() == [200_000 * i for i in range(12)]


def test_many_submissions_one_after_another(client: Pymonik, backend: str) -> None:
    # Each is several requests to a cluster, and a wait for its answer.
    count = 200 if backend in HERE else 50
    value = 0
    for _ in range(count):
        value = inc.invoke(value).get()
    assert value == count


def test_one_value_used_by_thousands(client: Pymonik) -> None:
    base = identity.invoke(list(range(1000)))
    at = Task(lambda xs, i: xs[i], func_name="at")
    assert at.map_invoke([(base, i) for i in range(1000)]).get() == list(range(1000))
