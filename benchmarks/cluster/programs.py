"""Programs that both sides run unchanged: `task` is the decorator of a side.

Enters: a decorator, and how large the program is. Leaves: its value. Each raises WrongValue when
the value is not what it should be.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

Decorator = Callable[[Any], Any]


class WrongValue(Exception):
    """A program gave a value that it should not give."""


def mapped(task: Decorator, n: int) -> None:
    """Map over numbers and reduce."""

    @task
    def square(x: int) -> int:
        return x * x

    @task
    def total(values: list[int]) -> int:
        return sum(values)

    squares = square.map_invoke([(x,) for x in range(n)])
    check(total.invoke(squares).wait().get(), sum(x * x for x in range(n)))


def stencil(task: Decorator, n: int, width: int = 50) -> None:
    """Run `n` rows of calls, each of which needs three of the row before."""

    @task
    def cell(left: int, middle: int, right: int) -> int:
        return left + middle + right

    row = [cell.invoke(x, 0, 0) for x in range(width)]
    for _ in range(n - 1):
        row = [cell.invoke(row[x - 1], row[x], row[(x + 1) % width]) for x in range(width)]
    check(sum(handle.wait().get() for handle in row), 3 ** (n - 1) * sum(range(width)))


def chain(task: Decorator, n: int) -> None:
    """Run calls one after the other."""

    @task
    def following(x: int) -> int:
        return x + 1

    link = following.invoke(0)
    for _ in range(n - 1):
        link = following.invoke(link)
    check(link.wait().get(), n)


def shared(task: Decorator, n: int) -> None:
    """Pass one array of 1 MB to all calls, as it is."""

    @task
    def weighted(array: Any, weight: int) -> float:
        return float(array.sum()) * weight

    array = np.ones(1 << 17)
    calls = [weighted.invoke(array, weight) for weight in range(n)]
    check(sum(call.wait().get() for call in calls), (1 << 17) * sum(range(n)))


def grid(task: Decorator, n: int) -> None:
    """Call for each pair of `n` × `n` over two arrays of 8 kB; then ask for values one by one."""

    @task
    def price(spots: Any, strikes: Any, i: int, j: int) -> float:
        return float(max(spots[i] - strikes[j], 0.0))

    spots, strikes = np.linspace(50, 150, 1000), np.linspace(80, 120, 1000)
    calls = [price.invoke(spots, strikes, i, j) for i in range(n) for j in range(n)]
    expected = [max(spots[i] - strikes[j], 0.0) for i in range(n) for j in range(n)]
    check([call.wait().get() for call in calls], expected)


def tree(task: Decorator, n: int) -> None:
    """Split a sum in two, within tasks, down to single numbers."""

    @task
    def add(left: int, right: int) -> int:
        return left + right

    @task
    def summed(low: int, high: int) -> Any:
        if high - low == 1:
            return low
        middle = (low + high) // 2
        return add.invoke(summed.invoke(low, middle), summed.invoke(middle, high), delegate=True)

    check(summed.invoke(0, n).wait().get(), sum(range(n)))


def rows(task: Decorator, n: int) -> None:
    """Run a stencil of 8 cells a row: a level has few calls."""
    stencil(task, n, width=8)


def fibonacci(task: Decorator, n: int) -> None:
    """Compute a Fibonacci number by tasks that call each other."""

    @task
    def add(left: int, right: int) -> int:
        return left + right

    @task
    def fib(n: int) -> Any:
        if n < 2:
            return n
        return add.invoke(fib.invoke(n - 1), fib.invoke(n - 2), delegate=True)

    before, number = 0, 1
    for _ in range(n):
        before, number = number, before + number
    check(fib.invoke(n).wait().get(), before)


def naps(task: Decorator, n: int) -> None:
    """Run calls of 0.2 s, of which nobody has said how long they take."""

    @task
    def nap(x: int) -> int:
        time.sleep(0.2)
        return x

    calls = [nap.invoke(x) for x in range(n)]
    check(sum(call.wait().get() for call in calls), sum(range(n)))


def unequal(task: Decorator, n: int) -> None:
    """Run calls of 0.05 s, and behind them one that takes as long as all of them."""

    @task
    def nap(seconds: float) -> float:
        time.sleep(seconds)
        return seconds

    calls = [nap.invoke(0.05) for _ in range(n)] + [nap.invoke(0.05 * n)]
    check(calls[-1].wait().get(), 0.05 * n)
    check({call.wait().get() for call in calls[:-1]}, {0.05})


def check(value: Any, expected: Any) -> None:
    """Compare a value with what it should be."""
    if value != expected:
        raise WrongValue(f"{value!r}, where {expected!r} was expected")


# By name: what it is, the program, its size, and a small size for a quick look.
PROGRAMS: dict[str, tuple[str, Callable[[Decorator, int], None], int, int]] = {
    "map": ("1 000 mapped calls and a reduction", mapped, 1000, 5),
    "stencil": ("stencil 50 × 20, 3 dependencies", stencil, 20, 2),
    "chain": ("chain of 200", chain, 200, 3),
    "shared": ("1 MB array to 100 calls", shared, 100, 3),
    "grid": ("1 681 invokes, 2 × 8 kB, a loop of get", grid, 41, 2),
    "tree": ("tree of sub-tasks, 16 leaves", tree, 16, 2),
    "rows": ("stencil 8 × 10, 3 dependencies", rows, 10, 2),
    "fibonacci": ("fib(10) by sub-tasks", fibonacci, 10, 3),
    "naps": ("100 × 0.2 s (10 s on 2 slots)", naps, 100, 2),
    "unequal": ("100 × 0.05 s, then 5 s", unequal, 100, 2),
}
