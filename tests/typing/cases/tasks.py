"""Pins: `# reveals: T` is what both checkers see, `# error` what both refuse; nothing else is."""
# ruff: noqa: F821

from __future__ import annotations

from typing import NamedTuple

from pymonik import PymonikContext, Task, TaskOptions, task


class Trade(NamedTuple):
    strike: float


@task
def add(a: int, b: int = 2) -> int:
    return a + b


@task(priority=3, max_duration=60, retries=2, retry_on=(OSError, KeyError))
def price(trade: Trade, *, spot: float) -> list[float]:
    return [trade.strike - spot]


@task(require_context=True)
def logged(ctx: PymonikContext, text: str) -> str:
    ctx.logger.info(text, extra_keyword="shown")
    return text


@task()
def nothing() -> None: ...


named = Task(lambda x: x, func_name="named")
length = Task(len)
made = Task(add.func, task_options=TaskOptions(priority=2))

# A plain call keeps the function's own signature.
reveal_type(add(1, 2))  # reveals: int
reveal_type(add(b=1, a=2))  # reveals: int
reveal_type(price(Trade(1.0), spot=2.0))  # reveals: list[float]
reveal_type(made(1, 2))  # reveals: int
add("one", 2)  # error
add()  # error
add(1, 2, 3)  # error
add(1, c=2)  # error
price(Trade(1.0))  # error
wrong: str = add(1, 2)  # error

# `invoke` gives a handle of what the function returns.
reveal_type(add.invoke(1, 2))  # reveals: ResultHandle[int]
reveal_type(add.invoke(1))  # reveals: ResultHandle[int]
reveal_type(price.invoke(Trade(1.0), spot=2.0))  # reveals: ResultHandle[list[float]]
reveal_type(logged.invoke("text"))  # reveals: ResultHandle[str]
reveal_type(nothing.invoke())  # reveals: ResultHandle[None]
reveal_type(length.invoke([1, 2]))  # reveals: ResultHandle[int]
reveal_type(made.invoke(1, 2))  # reveals: ResultHandle[int]
reveal_type(add.invoke(1, pmk_priority=2, delegate=True))  # reveals: ResultHandle[int]
add.invoke(1, task_options=TaskOptions(priority=2))
no_handle: int = add.invoke(1, 2)  # error
other_handle: list[str] = price.invoke(Trade(1.0), spot=2.0).get()  # error
add.invok(1, 2)  # error

# `map_invoke` gives as many.
reveal_type(add.map_invoke([(1, 2), (3, 4)]))  # reveals: MultiResultHandle[int]
reveal_type(add.map_invoke(range(3)))  # reveals: MultiResultHandle[int]
reveal_type(add.map_invoke((i, i) for i in range(3)))  # reveals: MultiResultHandle[int]
add.map_invoke(3)  # error

# An argument may be a value or a handle, at any depth.
reveal_type(add.invoke(add.invoke(1, 2), 3))  # reveals: ResultHandle[int]
reveal_type(length.invoke([add.invoke(1, 2)]))  # reveals: ResultHandle[int]
reveal_type(length.invoke(add.map_invoke([1, 2])))  # reveals: ResultHandle[int]
reveal_type(add.map_invoke(add.map_invoke([1, 2])))  # reveals: MultiResultHandle[int]
reveal_type(add.map_invoke([(add.invoke(1), 2)]))  # reveals: MultiResultHandle[int]

# Options are checked.
TaskOptions(priority=1, max_duration=2.5, options={"desk": "rates"})
TaskOptions(prio=1)  # error


@task(retrys=2)  # error
def misspelt() -> None: ...


Task(3)  # error
