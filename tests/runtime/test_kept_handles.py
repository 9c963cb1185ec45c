"""Handles that a call of a task keeps, and a later call of the same process uses: an error."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from typing import Any

import pytest

from pymonik import Pymonik, task
from pymonik.errors import Cancelled, NoClientError


@pytest.fixture(scope="module", params=["inline", "local"])
def client(request: pytest.FixtureRequest) -> Iterator[Pymonik]:
    opened = Pymonik(backend=request.param, workers=1)
    opened.create()
    yield opened
    opened.cancel()


@task
def double(x: Any) -> Any:
    return 2 * x


@task
def keep(x: int, hands_on: bool) -> Any:
    """Keep a handle where the next call finds it, in whichever way it was loaded."""
    builtins.KEPT = double.invoke(x)  # type: ignore[attr-defined]
    return builtins.KEPT if hands_on else x  # type: ignore[attr-defined]


@task
def use(how: str) -> Any:
    kept = builtins.KEPT  # type: ignore[attr-defined]
    if how == "return":
        return kept
    if how == "delegate":
        return double.invoke([kept], delegate=True)
    own = double.invoke(1)
    return double.invoke(own if how == "own" else kept)


@pytest.mark.parametrize("hands_on", [False, True])
@pytest.mark.parametrize("how", ["return", "delegate", "pass"])
def test_a_handle_of_an_earlier_call_is_refused(client: Pymonik, how: str, hands_on: bool) -> None:
    """It would be None, or a fault of ours: what that call has recorded has left with it."""
    assert keep.invoke(3, hands_on, pymonik=client).get(60) == (6 if hands_on else 3)
    with pytest.raises(NoClientError, match=r"handle of 'double', called at .*an earlier call"):
        use.invoke(how, pymonik=client).get(60)


def test_those_of_the_call_itself_are_not(client: Pymonik) -> None:
    keep.invoke(3, True, pymonik=client).get(60)
    assert use.invoke("own", pymonik=client).get(60) == 4


@task
def cancel(what: str) -> Any:
    """Cancel calls that were just recorded; return one of these, or one beside."""
    first = double.invoke(1)
    second, other = double.invoke(first), double.invoke(5)
    assert first.cancel()
    assert first.cancel()  # said twice, it is the same
    if what == "map":
        calls = double.map_invoke([1, 2, 3])
        assert not calls[1].cancel()  # it runs, as its map does
        assert not calls[1].cancel()
        return list(calls)
    if what == "whole map":
        calls = double.map_invoke([1, 2, 3])
        assert calls.cancel()
        return calls[2]
    return {
        "first": first,
        "second": second,
        "behind": double.invoke(first) if what == "behind" else None,
        "list": [other, second],
        "other": other,
    }[what]


@pytest.mark.parametrize("what", ["first", "second", "behind", "list", "whole map"])
def test_what_depends_on_a_call_that_the_task_has_cancelled_is_cancelled(
    client: Pymonik, what: str
) -> None:
    with pytest.raises(Cancelled, match="it was cancelled before it was sent"):
        cancel.invoke(what, pymonik=client).get(60)


def test_a_call_beside_a_cancelled_one_runs(client: Pymonik) -> None:
    assert cancel.invoke("other", pymonik=client).get(60) == 10
    assert cancel.invoke("map", pymonik=client).get(60) == [2, 4, 6]
