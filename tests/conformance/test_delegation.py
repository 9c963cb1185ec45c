"""Delegation is returning a handle: sub-tasks, recursion, containers of handles."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest

from pymonik import Pymonik, Task, task
from pymonik.errors import OptionsError
from tests.conftest import Ledger

from .conftest import Connect
from .programs import add, attempt, identity, inc, note, square, total


@task
def sum_of_squares(n: int) -> Any:
    return total.invoke(square.map_invoke(range(n)), delegate=True)


@task
def fibonacci(n: int) -> Any:
    return n if n < 2 else add.invoke(fibonacci.invoke(n - 1), fibonacci.invoke(n - 2))


@task
def countdown(n: int) -> Any:
    return "done" if n == 0 else countdown.invoke(n - 1)


@task
def halves(xs: list[int]) -> Any:
    if len(xs) <= 4:
        return sum(xs)
    middle = len(xs) // 2
    return add.invoke(halves.invoke(xs[:middle]), halves.invoke(xs[middle:]), delegate=True)


@task
def shaped(n: int) -> Any:
    return {"squares": [square.invoke(i) for i in range(n)], "plain": (n, [inc.invoke(n)])}


@task
def keeps_what_it_delegates(n: int, many: bool) -> None:
    if many:
        delegated: Any = square.map_invoke(range(n), delegate=True)
        assert not delegated[0].cancel()
    else:
        assert not square.invoke(n, delegate=True).cancel()


def test_what_is_delegated_is_not_cancelled_and_spoils_no_later_call(client: Pymonik) -> None:
    for _ in range(3):
        assert keeps_what_it_delegates.invoke(3, False).get() == 9
        assert keeps_what_it_delegates.invoke(3, True).get() == [0, 1, 4]
        assert countdown.invoke(1).get() == "done"
        assert sum_of_squares.invoke(4).get() == 14


@task
def delegates_twice(path: str) -> None:
    square.invoke(3, delegate=True)
    for refused in (note, note):
        with contextlib.suppress(OptionsError):
            refused.invoke(path, "one", delegate=True)
    with contextlib.suppress(OptionsError):
        note.map_invoke([(path, "two"), (path, "three")], delegate=True)


def test_a_call_that_was_refused_does_not_run(client: Pymonik, ledger: Ledger) -> None:
    assert [delegates_twice.invoke(ledger.path).get() for _ in range(3)] == [9, 9, 9]
    assert ledger.lines() == []


def test_delegate_stands_for_the_tasks_own_value(client: Pymonik) -> None:
    assert sum_of_squares.invoke(4).get() == 14


def test_returning_a_handle_delegates(client: Pymonik) -> None:
    assert fibonacci.invoke(1).get() == 1
    assert fibonacci.invoke(2).get() == 1


def test_recursion_delegates_at_every_level(client: Pymonik) -> None:
    assert fibonacci.invoke(9).get() == 34
    assert halves.invoke(list(range(50))).get() == 1225
    assert countdown.invoke(30).get() == "done"


def test_recursion_gives_the_same_as_written(connect: Connect) -> None:
    with connect(optimize=False):
        assert fibonacci.invoke(6).get() == 8
        assert halves.invoke(list(range(20))).get() == 190


def test_containers_of_handles_arrive_with_their_values(client: Pymonik) -> None:
    assert shaped.invoke(3).get() == {"squares": [0, 1, 4], "plain": (3, [4])}


def test_a_returned_multi_handle_is_a_list(client: Pymonik) -> None:
    @task
    def fan_out(n: int) -> Any:
        return square.map_invoke(range(n))

    assert fan_out.invoke(4).get() == [0, 1, 4, 9]
    assert fan_out.invoke(0).get() == []


def test_vectors_are_split_as_in_the_guide(client: Pymonik) -> None:
    @task
    def concatenate(a: Any, b: Any) -> Any:
        return np.concatenate([a, b])

    @task
    def vec_add(a: Any, b: Any) -> Any:
        if a.size <= 256:
            return a + b
        (a1, a2), (b1, b2) = np.split(a, [a.size // 2]), np.split(b, [b.size // 2])
        parts = vec_add.invoke(a1, b1), vec_add.invoke(a2, b2)
        return concatenate.invoke(*parts, delegate=True)

    a, b = np.arange(1000), np.ones(1000)
    assert (vec_add.invoke(a, b).get() == a + b).all()


def test_a_delegated_value_is_an_argument(client: Pymonik) -> None:
    assert add.invoke(sum_of_squares.invoke(4), fibonacci.invoke(5)).get() == 19


def test_a_delegated_value_in_the_middle_of_a_chain(client: Pymonik) -> None:
    h = inc.invoke(sum_of_squares.invoke(inc.invoke(inc.invoke(1))))
    assert h.get() == 6


def test_delegating_elements_of_a_map_keep_their_places(client: Pymonik) -> None:
    handles = fibonacci.map_invoke(range(8))
    assert handles.get() == [0, 1, 1, 2, 3, 5, 8, 13]
    assert total.map_invoke([(handles[:4],), (handles,)]).get() == [4, 33]


def test_some_elements_delegate_and_others_do_not(client: Pymonik) -> None:
    @task
    def sometimes(n: int) -> Any:
        return square.invoke(n) if n % 2 else n

    chained = inc.map_invoke(sometimes.map_invoke(range(6)))
    assert chained.get() == [1, 2, 3, 10, 5, 26]


def test_a_task_may_return_one_of_its_arguments(client: Pymonik) -> None:
    @task
    def passed_on(x: Any) -> Any:
        h = inc.invoke(x)
        return [h, h, x]

    assert passed_on.invoke(square.invoke(2)).get() == [5, 5, 4]


def test_calls_made_and_not_returned_run_too(connect: Connect, ledger: Ledger) -> None:
    path = ledger.path

    @task
    def parent() -> int:
        note.invoke(path, "child")
        note.map_invoke([(path, "mapped"), (path, "mapped")])
        return 1

    with connect():
        assert parent.invoke().get() == 1
    assert sorted(ledger.lines()) == ["child", "mapped", "mapped"]


def test_the_block_waits_for_calls_made_by_dropped_tasks(connect: Connect, ledger: Ledger) -> None:
    path = ledger.path

    @task
    def grandparent(depth: int) -> None:
        note.invoke(path, depth)
        if depth:
            grandparent.invoke(depth - 1)

    with connect():
        grandparent.invoke(3)
    assert sorted(ledger.lines()) == ["0", "1", "2", "3"]


def test_an_item_of_a_sub_task_can_be_returned(client: Pymonik) -> None:
    @task
    def second(x: Any) -> Any:
        a, b = identity.invoke((x, x + 1)).unpack(2)
        return [b, identity.invoke({"k": x})["k"], a]

    assert second.invoke(5).get() == [6, 5, 5]


def test_a_large_value_is_shared_by_sub_tasks(client: Pymonik) -> None:
    @task
    def parent() -> Any:
        table = np.arange(50_000)
        return [total.invoke(table[:3]), identity.invoke(table)[10], identity.invoke(table)[-1]]

    assert parent.invoke().get() == [3, 10, 49_999]


def test_an_argument_changed_after_a_sub_call_is_that_of_the_call(client: Pymonik) -> None:
    @task
    def parent() -> Any:
        xs = [1, 2]
        before = total.invoke(xs)
        xs.append(10)
        return [before, total.invoke(xs)]

    assert parent.invoke().get() == [3, 13]


@task
def third_time(path: str) -> int:
    if attempt(path) % 3:
        raise OSError("not yet")
    return 7


@pytest.mark.parametrize("way", ["plain", "with a handle in its closure", "rows"])
def test_sub_tasks_inherit_options_however_their_task_is_called(
    client: Pymonik, ledger: Ledger, way: str
) -> None:
    kept = identity.invoke(1) if way == "with a handle in its closure" else 1

    @task(retries=3)
    def trying(path: str, more: int = 0) -> Any:
        return add.invoke(third_time.invoke(path), kept)

    paths = [ledger.path, f"{ledger.path}.2"]
    rows: list[Any] = [(paths[0],), (paths[1], 5)] if way == "rows" else [(path,) for path in paths]
    assert trying.map_invoke(rows).get() == [8, 8]


def test_a_chain_through_lists_goes_on_behind_a_call_that_delegates(client: Pymonik) -> None:
    def call(task_: Any, x: int) -> Any:  # nobody can see before that it may delegate
        return getattr(task_, "inv" + "oke")(x) if x % 2 else x

    def first(values: list[int], more: dict[str, list[int]]) -> int:
        return values[0] * 10 + more["x"][0]

    dynamic, row = Task(call), range(4)
    called = [dynamic.invoke(inc, x) for x in row]
    paired = [Task(first).invoke([c], {"x": [c]}) for c in called]
    assert [inc.invoke(p).get() for p in paired] == [1, 23, 23, 45]


@task
def urgent(x: int) -> Any:
    return inc.invoke(x, delegate=True, pmk_priority=7)


@task
def waiting(x: int) -> Any:
    return "odd" if x % 2 else urgent.invoke(x, delegate=True, pmk_max_duration=300)


@task
def gathered(n: int) -> Any:
    return identity.invoke(waiting.map_invoke(range(n)), delegate=True)


def test_what_delegates_to_a_call_that_is_placed_elsewhere_has_its_value(client: Pymonik) -> None:
    assert gathered.invoke(2).get() == [1, "odd"]
