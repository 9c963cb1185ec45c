"""Who handles a failure handles all that led to it, also inside the calls of calls.

Nobody holds handles of what tasks record: there is no other place to look at their failures.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pymonik import task

from .conftest import Connect
from .programs import inc, total


@task
def bad(x: int) -> int:
    raise ValueError(x)


@task
def summed(n: int) -> Any:
    return total.invoke(bad.map_invoke(range(n)))


@task
def summed_deep(n: int) -> Any:
    return total.invoke([bad.invoke(7), summed.invoke(n)])


@task
def listed(n: int) -> Any:
    return [bad.invoke(i) for i in range(n)]


@task
def delegated(n: int) -> Any:
    return bad.invoke(n, delegate=True)


@task
def summed_beside(n: int) -> Any:
    bad.invoke(n)  # no part of the value
    return total.invoke([bad.invoke(n), n])


WAYS: dict[str, Callable[[], Any]] = {
    "sub-tasks": lambda: summed.invoke(3),
    "deep": lambda: summed_deep.invoke(3),
    "list": lambda: listed.invoke(3),
    "delegated": lambda: delegated.invoke(3),
    "below": lambda: inc.invoke(summed.invoke(3)),
    "below a list": lambda: total.invoke(listed.invoke(3)),
    "map": lambda: summed.map_invoke([1, 2, 3]),
    "below a map": lambda: total.invoke(summed.map_invoke([1, 2, 3])),
    "plain": lambda: total.invoke(bad.map_invoke(range(3))),
    "several arguments": lambda: total.invoke([bad.invoke(1), inc.invoke(bad.invoke(2))]),
    "wide": lambda: summed.invoke(300),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_failure_that_was_handled_does_not_come_back(
    connect: Connect, optimize: bool, way: str
) -> None:
    with connect(optimize=optimize), pytest.raises(ValueError, match=r"^\d+$"):
        WAYS[way]().get()


@pytest.mark.parametrize("way", ["sub-tasks", "list", "below a list"])
def test_a_failure_that_was_looked_at_does_not_come_back(connect: Connect, way: str) -> None:
    with connect():
        assert isinstance(WAYS[way]().exception(), ValueError)


def test_a_failure_that_is_no_part_of_what_was_handled_is_raised_in_the_end(
    connect: Connect,
) -> None:
    handled: list[BaseException | None] = []
    with pytest.raises(ValueError, match="3"), connect():
        handled.append(summed_beside.invoke(3).exception())
    assert isinstance(handled[0], ValueError)


def test_an_unseen_failure_is_raised_behind_a_thousand_that_were_handled(connect: Connect) -> None:
    client = connect()
    failures = bad.map_invoke(range(1_001), pymonik=client)
    assert all(isinstance(failure.exception(), ValueError) for failure in failures)
    bad.invoke(-1, pymonik=client)
    with pytest.raises(ValueError, match="-1"):
        client.close()
