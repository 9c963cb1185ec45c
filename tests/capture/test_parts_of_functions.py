"""The parts of a task's own function: it is another once one of them was set."""

from __future__ import annotations

from typing import Any

import pytest

from pymonik.capture.function import capture_function
from pymonik.capture.interner import Interner


def plain(x: int, *, by: int) -> int:
    return x + by


def with_keyword(x: int, *, by: int = 1) -> int:
    return x + by


def other(x: int, *, by: int) -> int:
    return x - by


@pytest.mark.parametrize(
    ("function", "part", "value"),
    [
        (plain, "__code__", other.__code__),
        (plain, "__defaults__", (1,)),
        (plain, "__kwdefaults__", {"by": 1}),
        (with_keyword, "__code__", other.__code__),
        (with_keyword, "__kwdefaults__", {"by": 2}),
        (with_keyword, "__kwdefaults__", {"by": 1, "x": 1}),
        (with_keyword, "__kwdefaults__", None),
    ],
)
def test_a_function_is_another_once_a_part_of_it_was_set(
    monkeypatch: pytest.MonkeyPatch, function: Any, part: str, value: Any
) -> None:
    code = capture_function(function, "function", Interner())
    assert code.is_same_function()
    with monkeypatch.context() as patch:
        patch.setattr(function, part, value)
        assert not code.is_same_function()
    assert code.is_same_function()
