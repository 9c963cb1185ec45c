"""Handles that a call of a task keeps, and a later call of the same process uses: an error."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from typing import Any

import pytest

from pymonik import Pymonik, task
from pymonik.errors import NoClientError


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
    with pytest.raises(NoClientError, match=r"handle of 'double', recorded at .*an earlier call"):
        use.invoke(how, pymonik=client).get(60)


def test_those_of_the_call_itself_are_not(client: Pymonik) -> None:
    keep.invoke(3, True, pymonik=client).get(60)
    assert use.invoke("own", pymonik=client).get(60) == 4
