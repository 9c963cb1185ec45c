"""Maps of large values, one element or all of them, and reductions over many units."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from pymonik import Pymonik, as_completed, task

N = 6
SIZE = 100_000


@task
def block(number: int) -> Any:
    """Give a large array, large bytes, large text, or something small."""
    kinds = (np.full(SIZE, number), bytes([number]) * SIZE, chr(65 + number) * SIZE, number)
    return kinds[number % 4]


def _first(value: Any) -> Any:
    return value if isinstance(value, int) else value[0]


@task
def first(value: Any) -> Any:
    return value if isinstance(value, int) else value[0]


@task
def firsts(values: Any) -> list[Any]:
    return [value if isinstance(value, int) else value[0] for value in values]


@task
def doubled(number: int) -> Any:
    return task(np.repeat).invoke(block.invoke(number), 2)


@task
def total(values: Any) -> Any:
    return sum(values)


@task
def square(number: int) -> int:
    return number * number


EXPECTED = [0, 1, "C", 3, 4, 5]


@pytest.mark.parametrize("chunk", [1, 4, N])
def test_elements_one_by_one_in_slices_and_together(client: Pymonik, chunk: int) -> None:
    blocks = block.map_invoke(range(N), pmk_chunk_size=chunk)
    assert blocks[2].get() == "C" * SIZE
    assert [_first(value) for value in blocks[5:2:-1].get()] == [5, 4, 3]
    assert [_first(value) for value in blocks.get()] == EXPECTED


@pytest.mark.parametrize("flush", [False, True])
def test_consumers_of_some_and_of_all(client: Pymonik, flush: bool) -> None:
    blocks = block.map_invoke(range(N), pmk_chunk_size=N)
    if flush:
        client.flush()
    assert first.invoke(blocks[1]).get() == 1
    assert first.map_invoke(blocks, pmk_chunk_size=2).get() == EXPECTED
    assert firsts.invoke([blocks[5], blocks[0]]).get() == [5, 0]
    assert firsts.invoke(blocks).get() == EXPECTED


def test_sub_tasks_with_large_values(client: Pymonik) -> None:
    values = doubled.map_invoke([0, 4], pmk_chunk_size=2)
    assert [value.shape for value in values.get()] == [(2 * SIZE,)] * 2
    assert first.invoke(values[1]).get() == 4


def test_awaited_and_as_completed(client: Pymonik) -> None:
    async def both(handles: Any) -> list[Any]:
        return [_first(value) for value in await asyncio.gather(*handles)]

    blocks = block.map_invoke(range(N), pmk_chunk_size=N)
    assert asyncio.run(both(blocks)) == EXPECTED
    again = block.map_invoke(range(N), pmk_chunk_size=N)
    assert {_first(handle.get()) for handle in as_completed(list(again))} == set(EXPECTED)


def test_a_large_value_is_a_new_object_each_time(client: Pymonik) -> None:
    blocks = block.map_invoke(range(N), pmk_chunk_size=N)
    one, other = blocks[4].get(), blocks[4].get()
    one[:] = -1
    assert (other == 4).all()
    assert (blocks[4].get() == 4).all()


def test_a_reduction_over_hundreds_of_units(client: Pymonik) -> None:
    squares = square.map_invoke(range(300), pmk_chunk_size=1)
    assert total.invoke(squares).get() == sum(i * i for i in range(300))
    assert squares[299].get() == 299**2
