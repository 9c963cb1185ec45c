"""The page about what does not work: each refusal is what it says."""

from __future__ import annotations

import re
import socket
import sys
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from pymonik import Pymonik, Task, task

PAGE = Path(__file__).parents[1] / "docs" / "limits.md"
FILE = sys.__stdout__


@task
def use(x: Any) -> Any:
    return x


@task
def use_global() -> Any:
    return FILE


@task
def give(x: int) -> Any:
    return (i for i in range(x))


@task
def twice() -> None:
    use.invoke(1, delegate=True)
    use.invoke(2, delegate=True)


class Holder:
    handle: ClassVar[Any] = None


class Keeper:
    values: ClassVar[weakref.WeakKeyDictionary[Any, int]] = weakref.WeakKeyDictionary()

    def __init__(self) -> None:
        self.values[self] = 1


def nested(depth: int) -> list[Any]:
    made: list[Any] = []
    for _ in range(depth):
        made = [made]
    return made


def hold_handle() -> None:
    Holder.handle = use.invoke(1)
    use.invoke(Holder())


async def coroutine() -> None:
    """Do nothing."""


def generate() -> Iterator[int]:
    yield 1


def use_socket() -> None:
    with socket.socket() as made:
        use.invoke({"a": [made]})


# Of each row of the page, by how it begins.
PROGRAMS: dict[str, Callable[[], Any]] = {
    "a lock": use_socket,
    "the same as a global": lambda: use_global.invoke(),
    "the same as a value": lambda: give.invoke(1).get(),
    "a chain": lambda: use.invoke(nested(100_000)),
    "values of objects": lambda: use.invoke(Keeper()),
    "a handle in an attribute": hold_handle,
    "a handle used": lambda: bool(use.invoke(1)),
    "an `async def`": lambda: Task(coroutine),
    "a function with `yield`": lambda: Task(generate),
    "a row": lambda: Task(lambda a, b: a, func_name="two").map_invoke([[1, 2]]),
    "two calls": lambda: twice.invoke().get(),
    "`SystemExit`": lambda: Task(lambda: sys.exit(3), func_name="ends").invoke().get(),
}


def rows() -> list[tuple[str, str]]:
    part = PAGE.read_text().split("## Refused")[1].split("## Different")[0]
    return re.findall(r"^\| (?!what|---)(.*) \| `(.*?)`.* \|$", part, re.MULTILINE)


@pytest.mark.parametrize(("what", "message"), rows(), ids=[what[:24] for what, _ in rows()])
def test_a_refusal_says_what_the_page_says(what: str, message: str) -> None:
    program = next(made for start, made in PROGRAMS.items() if what.startswith(start))
    client = Pymonik(backend="inline")
    client.create()
    try:
        with pytest.raises(Exception) as raised:  # noqa: PT011
            program()
        assert message in str(raised.value)
    finally:
        Holder.handle = None
        client.cancel()


def test_the_page_has_a_row_for_each_program() -> None:
    assert len(rows()) == len(PROGRAMS)
