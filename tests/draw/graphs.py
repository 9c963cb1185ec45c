"""Small recorded graphs that several tests draw."""

from __future__ import annotations

from typing import Any

from pymonik import Pymonik, task


@task
def load(name: str) -> int:
    return len(name)


@task
def price(book: int, day: int) -> int:
    return book + day


@task
def discount(price: int) -> int:
    return price


@task
def total(prices: list[int]) -> int:
    return sum(prices)


def prices(client: Pymonik, days: int = 60) -> Any:
    """Record a load, a loop of prices, each discounted, and their sum; give the last handle."""
    book = load.invoke("book", pymonik=client)
    each = [price.invoke(book, day, pymonik=client) for day in range(days)]
    lower = [discount.invoke(one, pymonik=client) for one in each]
    return total.invoke(lower, pymonik=client)
