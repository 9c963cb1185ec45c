"""What the arguments of a call are checked against is what `inspect` tells of a function."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import pytest

from pymonik.record import signature
from pymonik.record.signature import Signature


def wrapped() -> Callable[..., Any]:
    def plain(x: int, y: int = 1) -> None: ...

    @functools.wraps(plain)
    def around(*args: Any) -> None: ...

    return around


class Plain:
    def method(self, x: int) -> None: ...


FUNCTIONS: list[Callable[..., Any]] = [
    lambda: None,
    lambda x: None,
    lambda x, y=1: None,
    lambda x, /, y, *, z: None,
    lambda x=0, /, y=1, *, z=2: None,
    lambda *rest: None,
    lambda x, *rest, y: None,
    lambda x, *rest, y=1, **others: None,
    lambda x, y=1, *, z=2, **others: None,
    lambda pymonik, delegate=None, *task_options: None,
    wrapped(),
    Plain,
    Plain().method,
    functools.partial(lambda x, y, z=1: None, 1),
    pow,
    print,
]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("context", [False, True])
def test_what_a_function_looks_like_is_what_inspect_tells(
    function: Callable[..., Any], context: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = Signature(function, "f", context)
    monkeypatch.setattr(signature, "_shape_of", signature._shape_by_inspect)
    slow = Signature(function, "f", context)
    told = [(s.low, s.high, s.ours, s.labels(3)) for s in (quick, slow)]
    assert told[0] == told[1]


def test_a_signature_that_a_function_claims_holds() -> None:
    def function(*args: Any) -> None: ...

    function.__signature__ = inspect.signature(lambda x, y: None)  # type: ignore[attr-defined]
    assert (Signature(function, "f", False).low, Signature(function, "f", False).high) == (2, 2)
